"""``signalbox can-i-deploy``: may this service be deployed now, and if not, why not."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from signalbox.protocol.errors import ConfigurationError, SignalboxError, Unavailable
from signalbox_cli.output import AsJson, print_json, say

if TYPE_CHECKING:
    from signalbox.catalog import Catalog
    from signalbox_operations.contracts.deployability import Judgement
    from signalbox_operations.contracts.fleet import Fleet
    from signalbox_operations.contracts.registry_api import RegistryApi

_EXIT: Final = {"yes": 0, "no": 1, "unknown": 2}
_SETTINGS: Final = ("KAFKA_", "SCHEMA_REGISTRY_", "CONTRACT_PINS")


def can_i_deploy(
    service: Annotated[str, typer.Argument(help="A service's name, such as lead_scoring.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="ENV",
            help="Where to: a file of KAFKA_… and SCHEMA_REGISTRY_… settings, or the name of one in"
            " infra/environments/. Without it, the settings of the environment.",
        ),
    ] = "",
    catalog: Annotated[
        Path | None, typer.Option(help="The catalog; else CATALOG, else contracts/catalog.yaml upward.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Say whether a service may be deployed: whether its contracts fit what is registered and what runs.

    What it writes must be registered, and readable by the contract in force and by the agents that run; what
    it reads must include the contract in force and what the agents that run write.

    Exit status: 0 for yes, 1 for no, 2 when it could not be found out.

    Example: signalbox can-i-deploy lead_scoring
    """
    from signalbox.catalog import Catalog

    try:
        contracts = Catalog.load(catalog)
        if to:
            os.environ.update(_settings(to, contracts))
        judgement = _judged(service, contracts)
    except SignalboxError as error:
        say(f"could not find out: {error}" if isinstance(error, Unavailable) else f"error: {error}", err=True)
        raise typer.Exit(_EXIT["unknown"]) from error
    if json:
        print_json(judgement.as_dict())
    else:
        _show(judgement)
    raise typer.Exit(_EXIT[judgement.answer])


def _judged(service: str, catalog: "Catalog") -> "Judgement":
    from signalbox.registry.access import RegistrySettings
    from signalbox_operations.contracts.built import built
    from signalbox_operations.contracts.deployability import judge_deployment
    from signalbox_operations.contracts.registry_api import RegistryApi

    what = built(service, catalog)
    with RegistryApi(RegistrySettings()) as registry:
        fleet, unknown = _fleet(registry)
        return judge_deployment(what, registry, fleet, unknown)


def _fleet(registry: "RegistryApi") -> "tuple[Fleet | None, tuple[str, ...]]":
    from signalbox_operations.contracts.fleet import fleet_unless_away, schemas_by_id

    fleet, why = fleet_unless_away(schemas_by_id(registry))
    return fleet, () if why is None else (f"who runs now is not known: {why}",)


def _show(judgement: "Judgement") -> None:
    heads = {
        "yes": f"yes: {judgement.service} may be deployed",
        "no": f"NO: {judgement.service} may not be deployed",
        "unknown": f"could not find out whether {judgement.service} may be deployed",
    }
    say(heads[judgement.answer])
    for verb, versions in (("reads", judgement.reads), ("writes", judgement.writes)):
        for record_type, version in versions.items():
            say(f"  {verb:<6} {record_type} {f'version {version}' if version else '(not registered)'}")
    for objection in judgement.objections:
        say(f"  {objection.record_type}: {objection.reason}\n      {objection.advice}")
    for unknown in judgement.unknown:
        say(f"  {unknown}")


def _settings(to: str, catalog: "Catalog") -> dict[str, str]:
    named = catalog.directory.absolute().parent / "infra" / "environments" / f"{to}.env"
    path = next((place for place in (Path(to), named) if place.is_file()), None)
    if path is None:
        raise ConfigurationError(f"--to {to}: there is no file of this name, and no {named}")
    settings: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for word in shlex.split(line, comments=True):
            name, is_setting, value = word.partition("=")
            if is_setting and name.startswith(_SETTINGS):
                settings[name] = value
    if not settings:
        raise ConfigurationError(f"{path} has no settings that start with {', '.join(_SETTINGS)}")
    return settings
