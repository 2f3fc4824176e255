"""``signalbox contracts``: what changes what the registry holds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType
from signalbox_cli.contract_options import (
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
    from signalbox_operations.contracts.registration import Registration

# The commands import what they need: it takes time, and Apache Avro's checker is an optional dependency.

RecordTypeArgument = Annotated[str, typer.Argument(help="The record type, such as sdr.LeadScored.")]


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
            steps = look_ahead(steps, contracts, registry, drop_rules=drop_rules).steps
        done = [apply(step, registry) for step in steps]
        lines = [line for one in done for line in registration_lines(one, one.outcome)]
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


def registration_lines(one: "Registration", word: str) -> Iterator[str]:
    """Yield how one contract's registration ended, or would end, after the ``word`` for it."""
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
