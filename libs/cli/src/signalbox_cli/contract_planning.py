"""``signalbox contracts plan``: what registering would do, and to whom."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox_cli.contract_options import (
    FAILED,
    CatalogOption,
    DropRulesOption,
    JsonOption,
    exit_unless,
    failures_told,
    registry_at,
    show,
)
from signalbox_cli.contract_registration import registration_lines
from signalbox_cli.output import say

if TYPE_CHECKING:
    from signalbox_operations.contracts.accepted import Lookback
    from signalbox_operations.contracts.fleet import Fleet
    from signalbox_operations.contracts.lint import Finding
    from signalbox_operations.contracts.outlook import Outlook
    from signalbox_operations.contracts.registration import Step
    from signalbox_operations.contracts.replay import Replay

MESSAGES_FAIL: Final = 3
"""Exit status: it could be registered, and more accepted messages would fail than are allowed to."""
_LAST: Final = 1000
_SHOWN: Final = 5

LastOption = Annotated[
    int | None,
    typer.Option(
        "--last",
        "--replay",
        min=0,
        show_default=str(_LAST),
        help="Hold the last N accepted messages of each changed contract against it; 0 leaves it out.",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        help="Instead, hold those against it that were accepted since then: 90m, 24h, 3d, or a time."
    ),
]


def plan(
    last: LastOption = None,
    since: SinceOption = None,
    allow_failing: Annotated[
        int, typer.Option(min=0, help="So many accepted messages may fail, over all contracts.")
    ] = 0,
    drop_rules: DropRulesOption = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Show what `register` would do, and which accepted messages would fail; change nothing.

    Lint comes first: with a finding there is no plan, and the findings are printed as `lint` does.

    Exit status: 0; 1 when lint has findings or a contract would be refused; 2 when the registry or the
    broker can't be reached; 3 when more accepted messages would fail than --allow-failing says.
    With --last 0, or when no contract changes, the broker is not needed.

    Example: signalbox contracts plan --since 24h --allow-failing 3
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.lint import lint
        from signalbox_operations.contracts.outlook import look_ahead
        from signalbox_operations.contracts.registration import plan as plan_registration

        contracts, back = Catalog.load(catalog), lookback(last, since)
        _refuse_findings(lint(contracts), json=json)
        steps = list(plan_registration(contracts, registry, drop_rules=drop_rules))
        outlook = look_ahead(steps, contracts, registry, drop_rules=drop_rules, lookback=back)
        lines = [line for step in outlook.steps for line in planned_lines(step, outlook, back)]
        show([planned(step, outlook) for step in outlook.steps], lines, json=json)
        for unknown in outlook.unknown:
            say(f"signalbox contracts: {unknown}", err=True)
        exit_unless(all(step.preview().outcome != "refused" for step in outlook.steps))
        exit_unless(not outlook.unknown or not back.count, FAILED)
        if outlook.failing > allow_failing:
            allowed = (
                f"{outlook.failing} accepted messages would fail, and --allow-failing is {allow_failing}"
            )
            say(f"signalbox contracts: {allowed}", err=True)
            raise typer.Exit(MESSAGES_FAIL)


def lookback(last: int | None, since: str | None) -> "Lookback":
    """Return how far back messages are taken, by the options ``--last`` and ``--since``."""
    from signalbox_cli.dead_letter_selection import moment
    from signalbox_operations.contracts.accepted import Lookback

    if since is None:
        return Lookback(_LAST if last is None else last)
    if last is not None:
        raise ConfigurationError("--last and --since exclude each other")
    return Lookback.to(moment(since))


def _refuse_findings(findings: "Sequence[Finding]", *, json: bool) -> None:
    if findings:
        show([finding.as_dict() for finding in findings], [str(finding) for finding in findings], json=json)
        say(f"signalbox contracts: no plan: lint has {len(findings)} to say first", err=True)
    exit_unless(not findings)


def planned(step: "Step", outlook: "Outlook") -> dict[str, object]:
    """Return what is planned as plain values, for JSON."""
    replayed = outlook.replays.get(step.record_type)
    return {
        **step.preview().as_dict(),
        "running": _running(step, outlook.fleet) if step.changes_text else [],
        "replay": replayed.as_dict() if replayed else None,
        "unknown": list(outlook.unknown) if step.changes_text else [],
    }


def planned_lines(step: "Step", outlook: "Outlook", back: "Lookback") -> Iterator[str]:
    """Yield what is planned, who runs with the contract, and which messages would fail."""
    preview = step.preview()
    yield from registration_lines(preview, preview.change)
    if step.changes_text and (running := _running(step, outlook.fleet)):
        yield f"    in use: {', '.join(running)}"
    if replayed := outlook.replays.get(step.record_type):
        yield from (f"    {line}" for line in replay_lines(replayed, back))


def _running(step: "Step", fleet: "Fleet | None") -> list[str]:
    from signalbox_operations.contracts.fleet import Parties

    entry = step.entry
    return [*Parties(step.record_type, entry, fleet).everybody()] if fleet else []


def replay_lines(replayed: "Replay", back: "Lookback") -> Iterator[str]:
    """Yield what became of the accepted messages, with those that would fail by rule and field."""
    if replayed.unusable:
        yield f"replay: the gate would not adopt it: {replayed.unusable}"
        return
    whole = back.since is not None and replayed.examined < back.count
    of = f"{replayed.examined} messages accepted since {back.since:%Y-%m-%d %H:%M} UTC" if whole else ""
    of = of or f"last {replayed.examined} accepted messages"
    yield f"replay: {replayed.failed} of the {of} would fail under it"
    for failure in replayed.failures:
        what = f"{failure.reason} {failure.rule}".strip()
        place = f" at {failure.field}" if failure.field else ""
        more = f" and {failure.count - _SHOWN} more" if failure.count > _SHOWN else ""
        yield f"  {failure.count} x {what}{place}: {failure.detail}"
        yield f"      {', '.join(failure.messages[:_SHOWN])}{more}"
