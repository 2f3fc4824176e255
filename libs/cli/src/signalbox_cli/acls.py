"""``signalbox topics acls``: who may do what on the brokers, as the catalog says."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signalbox_cli.output import AsJson, print_json, print_rows, say

if TYPE_CHECKING:
    from signalbox.kafka.acls import Acl, AclChanges

_COLUMNS = ("principal", "operation", "resource", "name", "pattern")


class Format(StrEnum):
    """How the ACLs are written."""

    TABLE = "table"
    KAFKA_ACLS = "kafka-acls"
    CONFLUENT = "confluent"


def acls(
    catalog: Annotated[
        Path | None, typer.Option(help="The catalog; else CATALOG, else contracts/catalog.yaml upward.")
    ] = None,
    principal: Annotated[
        str, typer.Option(help="How the brokers call a client; {service} is its name.")
    ] = "User:{service}",
    principal_of: Annotated[
        list[str] | None,
        typer.Option(help="SERVICE=PRINCIPAL for one that is called differently; may be repeated."),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="A table, or the commands of kafka-acls.sh or of Confluent's CLI.")
    ] = Format.TABLE,
    apply: Annotated[bool, typer.Option("--apply", help="Add what is missing on the brokers.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="With --apply: remove what these principals have beyond it.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show the least ACLs that the catalog's clients need, or make the brokers have them.

    ACLs of principals that are not in the list are never touched.

    Examples:
    signalbox topics acls;
    signalbox topics acls --format kafka-acls --principal 'User:CN={service}';
    signalbox topics acls --apply --prune
    """
    from signalbox.catalog import Catalog
    from signalbox_operations.contracts.acls import Principals, confluent_commands, kafka_acls_commands
    from signalbox_operations.contracts.acls import acls as wanted_acls

    if prune and not apply:
        raise typer.BadParameter("it goes with --apply", param_hint="--prune")
    wanted = wanted_acls(Catalog.load(catalog), Principals(principal, _named(principal_of or ())))
    if apply:
        _applied(wanted, prune=prune, json=json)
    elif json:
        print_json([asdict(acl) for acl in wanted])
    elif format is Format.TABLE:
        print_rows([asdict(acl) for acl in wanted], _COLUMNS, "no ACLs")
    else:
        commands = confluent_commands if format is Format.CONFLUENT else kafka_acls_commands
        say("\n".join(commands(wanted)))


def _applied(wanted: "Sequence[Acl]", *, prune: bool, json: bool) -> None:
    from signalbox.kafka import KafkaSettings
    from signalbox.kafka.acls import apply_acls

    changes = asyncio.run(apply_acls(KafkaSettings(), wanted, prune=prune))
    if json:
        print_json(asdict(changes))
        return
    print_rows(_told(changes), ("change", *_COLUMNS), "nothing to change")
    say(
        f"{len(changes.added)} added, {len(changes.removed)} removed, {len(changes.unchanged)} unchanged,"
        f" {len(changes.surplus)} beyond the catalog" + (" (--prune removes them)" if changes.surplus else "")
    )


def _told(changes: "AclChanges") -> list[dict[str, Any]]:
    parts = {"added": changes.added, "removed": changes.removed, "beyond": changes.surplus}
    return [{"change": change, **asdict(acl)} for change, acls in parts.items() for acl in acls]


def _named(pairs: Sequence[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    if wrong := [
        pair for pair, (name, _, principal) in zip(pairs, split, strict=True) if not (name and principal)
    ]:
        raise typer.BadParameter(f"{wrong[0]!r} is not SERVICE=PRINCIPAL", param_hint="--principal-of")
    return {name: principal for name, _, principal in split}
