"""``signalbox contracts``: what works on the contracts' sources."""

from pathlib import Path
from typing import Annotated

import typer

from signalbox.cli.contract_options import (
    FOUND,
    CatalogOption,
    JsonOption,
    exit_unless,
    failures_told,
    show,
)
from signalbox.contracts.catalog import Catalog


def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when something is stale.")
    ] = False,
    catalog: CatalogOption = None,
) -> None:
    """Write the self-contained schemas and pydantic models that the sources say."""
    with failures_told():
        from signalbox.contracts.generation import generate as generate_files
        from signalbox.contracts.generation import stale, write

        contracts = Catalog.load(catalog)
        files = generate_files(contracts)
        if check:
            _report_stale(stale(files, contracts))
        else:
            changed = write(files, contracts)
            typer.echo("\n".join(map(str, changed)) or "everything is current")


def lint(catalog: CatalogOption = None, json: JsonOption = False) -> None:
    """Check the contracts' sources and the catalog; every finding names its rule, place and remedy."""
    with failures_told():
        from signalbox.contracts.lint import CATALOG_RULES, SOURCE_RULES
        from signalbox.contracts.lint import lint as lint_contracts

        contracts = Catalog.load(catalog)
        findings = lint_contracts(contracts)
        rules = len(SOURCE_RULES) + len(CATALOG_RULES) + 1
        summary = f"{len(findings)} findings by {rules} rules"
        show([finding.as_dict() for finding in findings], [*map(str, findings), summary], json=json)
        exit_unless(not findings)


def _report_stale(diffs: dict[Path, str]) -> None:
    if not diffs:
        typer.echo("everything is current")
        return
    for diff in diffs.values():
        typer.echo(diff)
    typer.echo(f"{len(diffs)} files are stale; run: signalbox contracts generate", err=True)
    raise typer.Exit(FOUND)
