"""What the commands of ``signalbox contracts`` have in common: their options, and how they end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from signalbox.protocol.errors import SignalboxError
from signalbox_cli.output import print_json, say

if TYPE_CHECKING:
    from signalbox_operations.contracts.registry_api import RegistryApi

FOUND: Final = 1
"""Exit status: it ran, and the answer is no."""
FAILED: Final = 2
"""Exit status: it could not run."""

CatalogOption = Annotated[
    Path | None,
    typer.Option(
        "--catalog", envvar="CATALOG", help="catalog.yaml; looked up from the current folder upward."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DropRulesOption = Annotated[bool, typer.Option("--drop-rules", help="Let a version drop data rules.")]


@contextmanager
def failures_told() -> Iterator[None]:
    """End the command with the error's own words where it could not run."""
    try:
        yield
    except SignalboxError as error:
        say(f"signalbox contracts: {error}", err=True)
        raise typer.Exit(FAILED) from error


def registry_at(url: str | None = None) -> "RegistryApi":
    """Connect to the registry at ``url``, else at ``SCHEMA_REGISTRY_URL``."""
    from signalbox.registry.access import RegistrySettings
    from signalbox_operations.contracts.registry_api import RegistryApi

    return RegistryApi(RegistrySettings(url=url) if url else RegistrySettings())


def show(values: Any, lines: Sequence[str], *, json: bool) -> None:
    """Print ``values`` as JSON, or else ``lines``."""
    if json:
        print_json(values)
    else:
        say("\n".join(lines))


def exit_unless(good: bool, status: int = FOUND) -> None:
    """End the command with ``status`` unless all is well."""
    if not good:
        raise typer.Exit(status)
