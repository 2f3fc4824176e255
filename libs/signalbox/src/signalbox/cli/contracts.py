"""``signalbox contracts``: generate, lint, check, plan and register the contracts."""

import json as json_format
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from signalbox.contracts.catalog import Catalog
from signalbox.errors import ConfigurationError, SignalboxError

if TYPE_CHECKING:
    from signalbox.contracts.compatibility import Verdict
    from signalbox.contracts.earlier import Earlier
    from signalbox.contracts.registration import Registration
    from signalbox.contracts.registry_api import RegistryApi

# The commands import what they need: it takes time, and Apache Avro's checker is an optional dependency.

app = typer.Typer(help="Evolve the contracts: generate, lint, check, plan, register.", no_args_is_help=True)


_FOUND: Final = 1
"""Exit status: it ran, and the answer is no."""
_FAILED: Final = 2
"""Exit status: it could not run."""

CatalogOption = Annotated[
    Path | None,
    typer.Option(
        "--catalog", envvar="CATALOG", help="catalog.yaml; looked up from the current folder upward."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
AgainstOption = Annotated[
    str, typer.Option(help="git:REF, or registry:URL. Without it, the registry at SCHEMA_REGISTRY_URL.")
]
DropRulesOption = Annotated[bool, typer.Option("--drop-rules", help="Let a version drop data rules.")]


@app.command()
def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when something is stale.")
    ] = False,
    catalog: CatalogOption = None,
) -> None:
    """Write the self-contained schemas and pydantic models that the sources say."""
    with _failures_told():
        from signalbox.contracts.generation import generate as generate_files
        from signalbox.contracts.generation import stale, write

        contracts = Catalog.load(catalog)
        files = generate_files(contracts)
        if check:
            _report_stale(stale(files, contracts))
        else:
            changed = write(files, contracts)
            typer.echo("\n".join(map(str, changed)) or "everything is current")


@app.command()
def lint(catalog: CatalogOption = None, json: JsonOption = False) -> None:
    """Check the contracts' sources and the catalog; every finding names its rule, place and remedy."""
    with _failures_told():
        from signalbox.contracts.lint import CATALOG_RULES, SOURCE_RULES
        from signalbox.contracts.lint import lint as lint_contracts

        contracts = Catalog.load(catalog)
        findings = lint_contracts(contracts)
        rules = len(SOURCE_RULES) + len(CATALOG_RULES) + 1
        summary = f"{len(findings)} findings by {rules} rules"
        _show([finding.as_dict() for finding in findings], [*map(str, findings), summary], json=json)
        _exit_unless(not findings)


@app.command()
def check(
    against: AgainstOption = "",
    drop_rules: DropRulesOption = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Hold each changed contract against its earlier versions, at its compatibility level."""
    with _failures_told():
        contracts = Catalog.load(catalog)
        with _earlier(against, contracts) as earlier:
            verdicts = list(_verdicts(contracts, earlier, drop_rules=drop_rules))
        lines = [line for verdict in verdicts for line in _verdict_lines(verdict)]
        _show([verdict.as_dict() for verdict in verdicts], lines, json=json)
        _exit_unless(all(verdict.compatible for verdict in verdicts))


@app.command()
def plan(
    drop_rules: DropRulesOption = False, catalog: CatalogOption = None, json: JsonOption = False
) -> None:
    """Show what `register` would do, without doing it."""
    with _failures_told(), _registry() as registry:
        from signalbox.contracts.registration import plan as plan_registration

        steps = plan_registration(Catalog.load(catalog), registry, drop_rules=drop_rules)
        _show_registrations([step.preview() for step in steps], json=json)


@app.command()
def register(
    drop_rules: DropRulesOption = False, catalog: CatalogOption = None, json: JsonOption = False
) -> None:
    """Register the contracts, each subject's compatibility level first. Repeating is harmless."""
    with _failures_told(), _registry() as registry:
        from signalbox.contracts.registration import register as register_contracts

        done = list(register_contracts(Catalog.load(catalog), registry, drop_rules=drop_rules))
        _show_registrations(done, json=json)


def _verdicts(catalog: Catalog, earlier: "Earlier", *, drop_rules: bool) -> "Iterator[Verdict]":
    from signalbox.contracts.compatibility import judge
    from signalbox.contracts.sources import Sources

    sources = Sources.load(catalog.directory / "avro")
    for name in sorted(catalog.records):
        text = sources.schema_text(name)
        yield judge(name, text, earlier.versions(name), catalog, drop_rules=drop_rules)


def _verdict_lines(verdict: "Verdict") -> list[str]:
    sign = "ok " if verdict.compatible else "NO "
    head = f"{sign} {verdict.record_type}: {verdict.status} ({verdict.level})"
    return [head, *(f"    {finding}" for finding in verdict.findings)]


@contextmanager
def _earlier(against: str, catalog: Catalog) -> "Iterator[Earlier]":
    from signalbox.contracts.earlier import InGit, InRegistry

    kind, _, where = against.partition(":")
    match kind:
        case "git" if where:
            yield InGit(where, catalog)
        case "registry" if where:
            with _registry(where) as registry:
                yield InRegistry(registry)
        case "":
            with _registry() as registry:
                yield InRegistry(registry)
        case _:
            raise ConfigurationError(f"--against {against!r}: write git:REF or registry:URL")


def _registry(url: str | None = None) -> "RegistryApi":
    from signalbox.contracts.registry_api import RegistryAddress, RegistryApi

    return RegistryApi(RegistryAddress.read(url))


def _show_registrations(registrations: "Sequence[Registration]", *, json: bool) -> None:
    _show(
        [one.as_dict() for one in registrations],
        [_registration_line(one) for one in registrations],
        json=json,
    )
    _exit_unless(all(one.outcome != "refused" for one in registrations))


def _registration_line(one: "Registration") -> str:
    schema_id = f", id {one.schema_id}" if one.schema_id is not None else ""
    level = f"; level {one.level_was} becomes {one.level}" if one.level_was else ""
    return f"{one.outcome:<9} {one.record_type}: {one.detail}{schema_id}{level}"


def _report_stale(diffs: dict[Path, str]) -> None:
    if not diffs:
        typer.echo("everything is current")
        return
    for diff in diffs.values():
        typer.echo(diff)
    typer.echo(f"{len(diffs)} files are stale; run: signalbox contracts generate", err=True)
    raise typer.Exit(_FOUND)


def _show(values: list[dict[str, Any]], lines: Sequence[str], *, json: bool) -> None:
    typer.echo(json_format.dumps(values, indent=2, ensure_ascii=False) if json else "\n".join(lines))


def _exit_unless(good: bool) -> None:
    if not good:
        raise typer.Exit(_FOUND)


@contextmanager
def _failures_told() -> Iterator[None]:
    """End the command with the error's own words where it could not run."""
    try:
        yield
    except SignalboxError as error:
        typer.echo(f"signalbox contracts: {error}", err=True)
        raise typer.Exit(_FAILED) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "avro":
            raise
        typer.echo("signalbox contracts: this needs the package avro (signalbox-lib[contracts])", err=True)
        raise typer.Exit(_FAILED) from error
