"""``signalbox contracts status``: which version of each contract holds, and who was built with which."""

from typing import TYPE_CHECKING, Annotated, Final

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
)
from signalbox_cli.output import print_json, print_rows, say

if TYPE_CHECKING:
    from signalbox_operations.contracts.standing import Stands

_TABLE: Final = ("record_type", "registered", "in_force", "agents", "remarks")


def status(
    record_types: Annotated[
        list[str] | None, typer.Argument(metavar="[RECORD_TYPE]…", help="Only these; by default all.")
    ] = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Show the registered versions of each contract, the one in force, and who was built with which.

    In force is the newest version that the gate can hold records to. A version that it passes over, and one
    that CONTRACT_PINS holds back, stand under the remarks with the reason.

    Exit status: 0; 1 when a contract is not held to its newest version; 2 when registry or broker can't be
    reached.

    Example: signalbox contracts status sdr.LeadScored
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.fleet import fleet_unless_away, schemas_by_id
        from signalbox_operations.contracts.standing import stands

        wanted = [RecordType(name) for name in record_types or sorted(Catalog.load(catalog).records)]
        fleet, unknown = fleet_unless_away(schemas_by_id(registry))
        found = stands(wanted, registry, fleet)
        if json:
            print_json([one.as_dict() for one in found])
        else:
            print_rows([_row(one) for one in found], _TABLE, "no record type")
        if unknown:
            say(f"signalbox contracts: not known who runs: {unknown.detail}", err=True)
        exit_unless(all(one.is_as_expected for one in found))
        exit_unless(not unknown, FAILED)


def _row(one: "Stands") -> dict[str, object]:
    standing = one.standing
    agents = one.agents.items() if one.agents is not None else ()
    return {
        "record_type": standing.record_type,
        "registered": list(standing.registered),
        "in_force": "none" if standing.in_force is None else standing.in_force,
        "agents": "unknown" if one.agents is None else [f"{name} {version}" for name, version in agents],
        "remarks": "; ".join(standing.remarks),
    }
