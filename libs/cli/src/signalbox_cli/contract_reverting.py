"""``signalbox contracts revert``: an older text is the newest again."""

from typing import TYPE_CHECKING, Annotated

import typer

from signalbox.catalog import Catalog
from signalbox.protocol.names import RecordType
from signalbox_cli.contract_options import (
    FAILED,
    CatalogOption,
    JsonOption,
    exit_unless,
    failures_told,
    registry_at,
    show,
)
from signalbox_cli.contract_planning import (
    MESSAGES_FAIL,
    LastOption,
    SinceOption,
    lookback,
    planned,
    planned_lines,
)
from signalbox_cli.contract_registration import RecordTypeArgument, registration_lines
from signalbox_cli.output import say

if TYPE_CHECKING:
    from signalbox_operations.contracts.accepted import Lookback
    from signalbox_operations.contracts.outlook import Outlook
    from signalbox_operations.contracts.registration import Registration


def revert(
    record_type: RecordTypeArgument,
    to: Annotated[int, typer.Option(min=1, metavar="VERSION", help="The version whose text is wanted.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would do, and whom it concerns.")
    ] = False,
    last: LastOption = None,
    since: SinceOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Register the text of an older version again, as the newest: the gate holds messages against it.

    It gets a version of its own, since a registry answers a text that it has with the version that it has.
    The versions in between stay: their messages can be read, and agents that were built with them can start.
    Rules that came with them no longer hold. Without a broker it is done all the same, and says what it could
    not find out.

    Exit status: 0; 1 when it is refused; 2 when it could not be done, or --dry-run not find out; with
    --dry-run, 3 when accepted messages would fail.

    Example: signalbox contracts revert sdr.LeadScored --to 2 --dry-run
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.outlook import look_ahead
        from signalbox_operations.contracts.registration import Step
        from signalbox_operations.contracts.reverting import consider_revert, is_held_to
        from signalbox_operations.contracts.reverting import revert as make_newest

        contracts, back = Catalog.load(catalog), lookback(last, since)
        step = consider_revert(RecordType(record_type), to, contracts, registry)
        if not isinstance(step, Step):
            told = f"{record_type}: version {step.version}, the newest, has the text of version {to}"
            show(
                {"record_type": record_type, "to": to, "change": "nothing", "done": False}, [told], json=json
            )
            return
        outlook = look_ahead([step], contracts, registry, drop_rules=True, lookback=back)
        (step,) = outlook.steps
        held = is_held_to(step)
        done = make_newest(step, registry) if held and not dry_run else None
        values = {
            **planned(step, outlook),
            **(done.as_dict() if done else {}),
            "to": to,
            "done": _is_done(done),
        }
        show(values, _lines(to, outlook, back, done), json=json)
        for unknown in outlook.unknown:
            say(f"signalbox contracts: {unknown}", err=True)
        if not held:
            say(f"signalbox contracts: refused: {_INSTEAD}", err=True)
        elif dry_run:
            say("nothing was changed; leave out --dry-run to do it", err=True)
        exit_unless(held and (done is None or _is_done(done)))
        exit_unless(not dry_run or not outlook.unknown, FAILED)
        exit_unless(not dry_run or not outlook.failing, MESSAGES_FAIL)


_INSTEAD = "the gate would not hold to it; `signalbox contracts deregister` takes the newer versions back"


def _is_done(done: "Registration | None") -> bool:
    return done is not None and done.outcome == "created"


def _lines(to: int, outlook: "Outlook", back: "Lookback", done: "Registration | None") -> list[str]:
    (step,) = outlook.steps
    newer = ", ".join(str(one.number) for one in step.earlier if (one.number or 0) > to)
    stay = [f"    version {newer} stays: its messages can be read, and agents built with it can start"]
    return [
        f"{step.record_type}: the text of version {to} again",
        *planned_lines(step, outlook, back),
        *(stay if newer else []),
        *(list(registration_lines(done, done.outcome))[:1] if done else []),
    ]
