"""``signalbox contracts check``: each changed contract beside its earlier versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox_cli.contract_options import (
    CatalogOption,
    DropRulesOption,
    JsonOption,
    exit_unless,
    failures_told,
    registry_at,
    show,
)

if TYPE_CHECKING:
    from signalbox_operations.contracts.earlier import Earlier
    from signalbox_operations.contracts.sources import Sources
    from signalbox_operations.contracts.verdict import Verdict


class Format(StrEnum):
    """How verdicts are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


AgainstOption = Annotated[
    str, typer.Option(help="git:REF, or registry:URL. Without it, the registry at SCHEMA_REGISTRY_URL.")
]


def check(
    against: AgainstOption = "",
    drop_rules: DropRulesOption = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
    form: Annotated[
        Format,
        typer.Option(
            "--format", help="github prints findings as annotations of GitHub Actions, by file and line."
        ),
    ] = Format.TEXT,
) -> None:
    """Hold each changed contract against its earlier versions, at its compatibility level.

    Says who breaks: which reader and which writer, and with which version each runs.

    Exit status: 0; 1 when a contract breaks its readers or writers; 2 when it could not be found out.

    Example: signalbox contracts check --against git:main --format github
    """
    with failures_told():
        from signalbox_operations.contracts.sources import Sources

        contracts = Catalog.load(catalog)
        with _earlier(against, contracts) as earlier:
            sources = Sources.load(contracts.directory / "avro")
            verdicts = list(_verdicts(contracts, sources, earlier, drop_rules=drop_rules))
        lines = [line for verdict in verdicts for line in _lines(verdict, sources, form)]
        show([verdict.as_dict() for verdict in verdicts], lines, json=json or form is Format.JSON)
        exit_unless(all(verdict.compatible for verdict in verdicts))


def _verdicts(
    catalog: Catalog, sources: "Sources", earlier: "Earlier", *, drop_rules: bool
) -> "Iterator[Verdict]":
    from signalbox_operations.contracts.compatibility import judge

    who_runs = cache(earlier.fleet)
    for name in sorted(catalog.records):
        text, versions = sources.schema_text(name), earlier.versions(name)
        verdict = judge(name, text, versions, catalog, drop_rules=drop_rules)
        if not verdict.compatible:  # only then it matters who runs
            verdict = judge(name, text, versions, catalog, drop_rules=drop_rules, fleet=who_runs())
        yield verdict


def _lines(verdict: "Verdict", sources: "Sources", form: Format) -> list[str]:
    from signalbox_operations.contracts.annotations import annotation

    sign = "ok " if verdict.compatible else "NO "
    head = f"{sign} {verdict.record_type}: {verdict.status} ({verdict.level})"
    if form is Format.GITHUB:
        return [head, *(annotation(verdict.record_type, one, sources) for one in verdict.findings)]
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
