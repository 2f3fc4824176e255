"""``signalbox contracts``: what works on the contracts' sources."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from signalbox.catalog import Catalog
from signalbox.protocol.names import AGENT_MESSAGES, RecordType
from signalbox.protocol.printable import visible_json
from signalbox_cli.contract_options import (
    FOUND,
    CatalogOption,
    JsonOption,
    exit_unless,
    failures_told,
    registry_at,
    show,
)
from signalbox_cli.output import say


def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when something is stale.")
    ] = False,
    catalog: CatalogOption = None,
) -> None:
    """Write the self-contained schemas and pydantic models that the sources say.

    Example: signalbox contracts generate --check
    """
    with failures_told():
        from signalbox_operations.contracts.generation import generate as generate_files
        from signalbox_operations.contracts.generation import stale, write

        contracts = Catalog.load(catalog)
        files = generate_files(contracts)
        if check:
            _report_stale(stale(files, contracts))
        else:
            changed = write(files, contracts)
            say("\n".join(map(str, changed)) or "everything is current")


def lint(
    registered: Annotated[
        bool,
        typer.Option("--registered", help="Also hold them against what is registered (SCHEMA_REGISTRY_URL)."),
    ] = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Check the contracts' sources and the catalog; every finding names its rule, place and remedy.

    What changed is seen beside the last commit; with --registered also beside every registered version, so
    that a breaking change which is committed already is found. `check` and `plan` do so always.

    Example: signalbox contracts lint --registered
    """
    with failures_told(), registry_at() if registered else nullcontext() as registry:
        from signalbox_operations.contracts.earlier import InRegistry
        from signalbox_operations.contracts.lint import CATALOG_RULES, SOURCE_RULES
        from signalbox_operations.contracts.lint import lint as lint_contracts

        contracts = Catalog.load(catalog)
        findings = lint_contracts(contracts, InRegistry(registry) if registry else None)
        rules = len(SOURCE_RULES) + len(CATALOG_RULES) + 1
        summary = f"{len(findings)} finding{'' if len(findings) == 1 else 's'} by {rules} rules"
        show([finding.as_dict() for finding in findings], [*map(str, findings), summary], json=json)
        exit_unless(not findings)


def new(
    name: Annotated[str, typer.Argument(help="The record type, such as sdr.MeetingBooked.")],
    owner: Annotated[str, typer.Option(help="The team that answers for it.")] = "unknown",
    doc: Annotated[
        str, typer.Option(help="What happened when such a record is written, in a sentence.")
    ] = "",
    topic: Annotated[str, typer.Option(help="The topic that carries it.")] = AGENT_MESSAGES,
    catalog: CatalogOption = None,
) -> None:
    """Write the source of a new contract to fill in, and add it to the catalog and its topic.

    Example: signalbox contracts new sdr.MeetingBooked --owner campaigns --doc "A meeting was booked."
    """
    with failures_told():
        from signalbox_operations.contracts.skeleton import NewContract, create

        said = doc or f"{name.rpartition('.')[2]}: say in one sentence what happened."
        written = create(NewContract(RecordType(name), owner, said, topic), Catalog.load(catalog))
        say("\n".join(f"wrote {path}" for path in written))
        say("next: fill in fields, producers and consumers, then `signalbox contracts lint`, `generate`")


def diff(
    record_type: Annotated[str, typer.Argument(help="The record type, such as sdr.LeadScored.")],
    before: Annotated[
        str, typer.Argument(metavar="[A]", help="A version, latest, file or git:REF.")
    ] = "latest",
    after: Annotated[str, typer.Argument(metavar="[B]", help="A version, latest, file or git:REF.")] = "file",
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Tell two versions of a contract apart in words: fields, types, defaults, rules, tags, docs.

    Example: signalbox contracts diff sdr.LeadScored 1 file
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.told_differences import tell, text_of

        contracts, name = Catalog.load(catalog), RecordType(record_type)
        texts = [text_of(version, name, contracts, registry) for version in (before, after)]
        told = tell(name, texts[0], texts[1])
        lines = [f"{told.record_type}: {told.before} to {told.after}"]
        lines += [f"  {one.path or '(record)'}: {one.detail}" for one in told.differences] or [
            "  no difference"
        ]
        show(told.as_dict(), [*lines, *(f"  {line}" for line in told.reads)], json=json)


def docs(
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("build/contracts"),
    catalog: CatalogOption = None,
) -> None:
    """Write a browsable page for each contract, and an index: plain HTML, no external assets.

    The registry gives the versions; without it, the pages say so.

    Example: signalbox contracts docs --out build/contracts
    """
    with failures_told(), registry_at() as registry:
        from signalbox_operations.contracts.pages import write_pages

        index, unknown = write_pages(Catalog.load(catalog), registry, out)
        say(f"wrote {index}")
        if unknown:
            say(f"signalbox contracts: the pages have no versions: {unknown}", err=True)


def asyncapi(
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, standard output.")] = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Print the topics and record types as an AsyncAPI 3.0 document, in YAML or, with --json, JSON.

    Example: signalbox contracts asyncapi --out build/asyncapi.yaml
    """
    with failures_told():
        import yaml

        from signalbox_operations.contracts.asyncapi import asyncapi as document_of

        document = document_of(Catalog.load(catalog))
        text = (
            visible_json(document, indent=2) + "\n"
            if json
            else yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
        )
        if out is None:
            say(text, nl=False)
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        say(f"wrote {out}")


def _report_stale(diffs: dict[Path, str]) -> None:
    if not diffs:
        say("everything is current")
        return
    for diff in diffs.values():
        say(diff)
    say(f"{len(diffs)} files are stale; run: signalbox contracts generate", err=True)
    raise typer.Exit(FOUND)
