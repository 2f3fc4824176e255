"""``signalbox dead-letters replay`` and ``discard``: the commands' words; the work is in its neighbours."""

from typing import Annotated

import typer

from signalbox.protocol.dead_letters import Position
from signalbox_cli.console_client import console
from signalbox_cli.dead_letter_selection import (
    AgentFilter,
    ConsoleUrl,
    ContractFilter,
    Filters,
    ReasonFilter,
    SinceFilter,
    TopicFilter,
    WithReasonFilter,
    named,
    selected,
)
from signalbox_cli.output import AsJson
from signalbox_cli.who import Who, who_of

Positions = Annotated[
    list[str] | None,
    typer.Argument(metavar="[POSITION]...", help="TOPIC/PARTITION/OFFSET, as `list` prints it."),
]
Everything = Annotated[bool, typer.Option("--all", help="Every open dead letter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask when many are meant.")]


def replay(
    positions: Positions = None,
    reason: ReasonFilter = None,
    topic: TopicFilter = None,
    agent: AgentFilter = None,
    contract: ContractFilter = None,
    since: SinceFilter = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    edit: Annotated[
        bool, typer.Option("--edit", help="Edit the record as JSON in $EDITOR; one dead letter only.")
    ] = False,
    contract_version: Annotated[
        int | None,
        typer.Option(help="With --edit: encode against this version; else the one in force.", min=1),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The lead id to send it under; completes missing headers from it.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE; sets a header, completes missing ones. Repeats.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start hop, visits, tokens and the workflow's time afresh.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also what the gate would refuse again, or what was discarded.")
    ] = False,
    who: Who = None,
    note: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
    console_url: ConsoleUrl = None,
    json: AsJson = False,
) -> None:
    """Send dead letters in again: one by its position, many by filters, or all that are open.

    Each comes back once, to the topic that it came from, under its own new message id. What the gate would
    refuse again is not sent. With --edit, name the record type by --contract where the bytes do not say it.

    Example: signalbox dead-letters replay agent_messages_dlt/0/17 --edit

    Example: signalbox dead-letters replay --reason UNKNOWN_SCHEMA --since 2h --dry-run
    """
    from signalbox_cli.replaying import Request, run_replay

    mends = edit or key is not None or bool(header)
    filters = Filters(reason, topic, agent, None if edit else contract, since)
    at = _meant(positions or [], filters, everything=everything)
    if mends and len(at or ()) != 1:
        raise typer.BadParameter("--edit, --key and --header are for one dead letter, named by its position")
    if edit and anyway:
        raise typer.BadParameter(
            "--edit and --anyway exclude each other: an edited record must pass the gate"
        )
    if contract_version is not None and not edit:
        raise typer.BadParameter("--contract-version goes with --edit")
    chosen = at if at is not None else selected(console(console_url), filters, "open", "unaudited")
    request = Request(
        positions=chosen,
        by_filter=at is None,
        dry_run=dry_run,
        yes=yes,
        edit=edit,
        record_type=contract,
        contract_version=contract_version,
        key=None if key is None else key.encode(errors="surrogateescape"),
        headers=_headers(header or []),
        fresh=fresh,
        anyway=anyway,
        who=who_of(who),
        why=note,
        json=json,
    )
    if not run_replay(request):
        raise typer.Exit(1)


def discard(
    reason: Annotated[str, typer.Option(help="Why it is given up, for the audit.")],
    positions: Positions = None,
    with_reason: WithReasonFilter = None,
    topic: TopicFilter = None,
    agent: AgentFilter = None,
    contract: ContractFilter = None,
    since: SinceFilter = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    who: Who = None,
    console_url: ConsoleUrl = None,
    json: AsJson = False,
) -> None:
    """Give dead letters up for good; a lead whose last open dead letter this is has ended.

    The record stays on its topic as long as that is kept.

    Example: signalbox dead-letters discard agent_messages_dlt/0/17 --reason "a test lead"
    """
    from signalbox_cli.discarding import DiscardRequest, run_discard

    if not reason.strip():
        raise typer.BadParameter("--reason must say something")
    filters = Filters(with_reason, topic, agent, contract, since)
    at = _meant(positions or [], filters, everything=everything)
    request = DiscardRequest(
        positions=at if at is not None else selected(console(console_url), filters, "open"),
        by_filter=at is None,
        dry_run=dry_run,
        yes=yes,
        who=who_of(who),
        why=reason,
        json=json,
    )
    if not run_discard(request):
        raise typer.Exit(1)


def _meant(positions: list[str], filters: Filters, *, everything: bool) -> list[Position] | None:
    """Return the positions that were named; None when filters or --all say which are meant."""
    if positions and (filters.some or everything):
        raise typer.BadParameter("name positions, or filters, or --all; not both")
    if not (positions or filters.some or everything):
        raise typer.BadParameter("name a POSITION, a filter like --reason, or --all")
    return named(positions) or None


def _headers(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise typer.BadParameter(f"--header {wrong[0]!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}
