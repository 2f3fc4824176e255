"""``signalbox contracts``: what compares contracts with the registry, and changes what it holds."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType
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
from signalbox_cli.output import say

if TYPE_CHECKING:
    from signalbox_operations.contracts.deregistration import Deregistration
    from signalbox_operations.contracts.earlier import Earlier
    from signalbox_operations.contracts.fleet import Fleet
    from signalbox_operations.contracts.outlook import Outlook
    from signalbox_operations.contracts.registration import Registration, Step
    from signalbox_operations.contracts.replay import Replay
    from signalbox_operations.contracts.verdict import Verdict

# The commands import what they need: it takes time, and Apache Avro's checker is an optional dependency.

AgainstOption = Annotated[
    str, typer.Option(help="git:REF, or registry:URL. Without it, the registry at SCHEMA_REGISTRY_URL.")
]
RecordTypeArgument = Annotated[str, typer.Argument(help="The record type, such as sdr.LeadScored.")]


def check(
    against: AgainstOption = "",
    drop_rules: DropRulesOption = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Hold each changed contract against its earlier versions, at its compatibility level.

    Says who breaks: which reader and which writer, and with which version each runs.

    Example: signalbox contracts check --against git:main
    """
    with failures_told():
        contracts = Catalog.load(catalog)
        with _earlier(against, contracts) as earlier:
            verdicts = list(_verdicts(contracts, earlier, drop_rules=drop_rules))
        lines = [line for verdict in verdicts for line in _verdict_lines(verdict)]
        show([verdict.as_dict() for verdict in verdicts], lines, json=json)
        exit_unless(all(verdict.compatible for verdict in verdicts))


def plan(
    replay: Annotated[
        int,
        typer.Option(min=0, help="Hold this many accepted messages of each changed contract against it."),
    ] = 1000,
    drop_rules: DropRulesOption = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Show what `register` would do, and which accepted messages would fail; change nothing.

    Exit status: 0; 1 when a contract would be refused; 2 when the registry or the broker can't be reached.
    With --replay 0 and the same contracts, the broker is not needed.

    Example: signalbox contracts plan --replay 200
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.outlook import look_ahead
        from signalbox_operations.contracts.registration import plan as plan_registration

        contracts = Catalog.load(catalog)
        steps = list(plan_registration(contracts, registry, drop_rules=drop_rules))
        outlook = look_ahead(steps, contracts, registry, drop_rules=drop_rules, messages=replay)
        lines = [line for step in outlook.steps for line in _planned_lines(step, outlook)]
        show([_planned(step, outlook) for step in outlook.steps], lines, json=json)
        for unknown in outlook.unknown:
            say(f"signalbox contracts: {unknown}", err=True)
        exit_unless(all(step.preview().outcome != "refused" for step in outlook.steps))
        exit_unless(not outlook.unknown or not replay, FAILED)


def register(
    drop_rules: DropRulesOption = False, catalog: CatalogOption = None, json: JsonOption = False
) -> None:
    """Register the contracts, each subject's compatibility level first. Repeating is harmless.

    A contract that is refused does not keep the others back; exit status 1 says that there was one.

    Example: signalbox contracts register
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.outlook import look_ahead
        from signalbox_operations.contracts.registration import apply
        from signalbox_operations.contracts.registration import plan as plan_registration

        contracts = Catalog.load(catalog)
        steps = tuple(plan_registration(contracts, registry, drop_rules=drop_rules))
        if any(step.preview().outcome == "refused" for step in steps):  # only then it matters who runs
            steps = look_ahead(steps, contracts, registry, drop_rules=drop_rules, messages=0).steps
        done = [apply(step, registry) for step in steps]
        lines = [line for one in done for line in _registration_lines(one, one.outcome)]
        show([one.as_dict() for one in done], lines, json=json)
        exit_unless(all(one.outcome != "refused" for one in done))


def deregister(
    record_type: RecordTypeArgument,
    version: Annotated[
        str | None,
        typer.Option(metavar="N|latest", help="Only this version, or the newest; without it, all."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what it means.")] = False,
    permanently: Annotated[
        bool,
        typer.Option("--permanently", help="For good; refused while a topic holds messages of it."),
    ] = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Take a version back: the gate goes on with the one before. Its messages can still be read.

    Says which offsets still hold messages of it, and which agents were built with it.

    Example: signalbox contracts deregister sdr.LeadScored --version latest --yes
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.deregistration import consider
        from signalbox_operations.contracts.deregistration import deregister as take_back

        contracts = Catalog.load(catalog)
        considered = consider(
            RecordType(record_type), _version(version), contracts, registry, permanently=permanently
        )
        lines = _deregistration_lines(considered)
        if yes:
            take_back(considered, registry, permanently=permanently)
            lines = [*lines, "deleted for good" if permanently else "deregistered; `register` brings it back"]
        show({**considered.as_dict(), "done": yes}, lines, json=json)
        if not yes:
            say("nothing was changed; say --yes to do it", err=True)
        exit_unless(yes)


def _version(given: str | None) -> int | Literal["latest"] | None:
    if given is None:
        return None
    if given == "latest":
        return "latest"
    if not given.isascii() or not given.isdigit():
        raise ConfigurationError(f"--version {given!r}: write a number, or latest")
    return int(given)


def _verdicts(catalog: Catalog, earlier: "Earlier", *, drop_rules: bool) -> "Iterator[Verdict]":
    from signalbox_operations.contracts.compatibility import judge
    from signalbox_operations.contracts.sources import Sources

    sources = Sources.load(catalog.directory / "avro")
    who_runs = cache(earlier.fleet)
    for name in sorted(catalog.records):
        text, versions = sources.schema_text(name), earlier.versions(name)
        verdict = judge(name, text, versions, catalog, drop_rules=drop_rules)
        if not verdict.compatible:  # only then it matters who runs
            verdict = judge(name, text, versions, catalog, drop_rules=drop_rules, fleet=who_runs())
        yield verdict


def _verdict_lines(verdict: "Verdict") -> list[str]:
    sign = "ok " if verdict.compatible else "NO "
    head = f"{sign} {verdict.record_type}: {verdict.status} ({verdict.level})"
    return [head, *(f"    {finding}" for finding in verdict.findings)]


@contextmanager
def _earlier(against: str, catalog: Catalog) -> "Iterator[Earlier]":
    from signalbox_operations.contracts.earlier import InGit, InRegistry

    kind, _, where = against.partition(":")
    match kind:
        case "git" if where:
            yield InGit(where, catalog)
        case "registry" if where:
            with registry_at(where) as registry:
                yield InRegistry(registry)
        case "":
            with registry_at() as registry:
                yield InRegistry(registry)
        case _:
            raise ConfigurationError(f"--against {against!r}: write git:REF or registry:URL")


def _planned(step: "Step", outlook: "Outlook") -> dict[str, object]:
    replayed = outlook.replays.get(step.record_type)
    return {
        **step.preview().as_dict(),
        "running": _running(step, outlook.fleet) if step.changes_text else [],
        "replay": replayed.as_dict() if replayed else None,
        "unknown": list(outlook.unknown) if step.changes_text else [],
    }


def _planned_lines(step: "Step", outlook: "Outlook") -> Iterator[str]:
    preview = step.preview()
    yield from _registration_lines(preview, preview.change)
    if step.changes_text and (running := _running(step, outlook.fleet)):
        yield f"    in use: {', '.join(running)}"
    if replayed := outlook.replays.get(step.record_type):
        yield from (f"    {line}" for line in _replay_lines(replayed))


def _running(step: "Step", fleet: "Fleet | None") -> list[str]:
    from signalbox_operations.contracts.fleet import Parties

    entry = step.entry
    return [*Parties(step.record_type, entry, fleet).everybody()] if fleet else []


def _replay_lines(replayed: "Replay") -> Iterator[str]:
    if replayed.unusable:
        yield f"replay: the gate would not adopt it: {replayed.unusable}"
        return
    yield f"replay: {replayed.failed} of the last {replayed.examined} accepted messages would fail under it"
    for failure in replayed.failures:
        what = f"{failure.reason} {failure.rule}".strip()
        place = f" at {failure.field}" if failure.field else ""
        yield f"  {failure.count} x {what}{place}, such as {failure.example}: {failure.detail}"


def _registration_lines(one: "Registration", word: str) -> Iterator[str]:
    schema_id = f", id {one.schema_id}" if one.schema_id is not None else ""
    level = f"; level {one.level_was} becomes {one.level}" if one.level_was else ""
    detail = f"not compatible at {one.level}" if _is_told_by_findings(one) else one.detail
    yield f"{word:<11} {one.record_type}: {detail}{schema_id}{level}"
    yield from (f"    {finding}" for finding in one.findings)


def _is_told_by_findings(one: "Registration") -> bool:
    return one.outcome == "refused" and any(finding.severity == "breaks" for finding in one.findings)


def _deregistration_lines(considered: "Deregistration") -> Sequence[str]:
    versions = ", ".join(map(str, considered.versions))
    held = [f"  messages of version {held.version} in {held}" for held in considered.held]
    nothing = [] if held or considered.unknown else ["  no topic holds a message of it"]
    left = (
        f"version {considered.left[-1]} is the newest then"
        if considered.left
        else ("no version is left then, and the gate refuses every record of this type as INCOMPATIBLE")
    )
    agents = [
        f"  {name} was built with it, and can't start again without it" for name in considered.built_with_it
    ]
    unknown = [f"  {what}" for what in considered.unknown]
    head = f"{considered.record_type} version {versions}"
    return [head, f"  {left}", *held, *nothing, *agents, *unknown]
