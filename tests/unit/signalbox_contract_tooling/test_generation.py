"""What is generated, and how stale files are told."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType
from signalbox_cli.contracts import app
from signalbox_operations.contracts.generation import generate, packages, stale, write
from signalbox_operations.contracts.sources import Sources

Contracts = Callable[..., Catalog]
PLACED = RecordType("shop.Placed")


def buyer(placed: dict[str, Any]) -> dict[str, Any]:
    return {**placed, "name": "Buyer"}


def with_buyers(placed: dict[str, Any]) -> dict[str, Any]:
    fields = [{"name": name, "type": "shop.Buyer", "doc": "Who."} for name in ("payer", "eater")]
    return {**placed, "fields": fields}


def run(catalog: Catalog, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--catalog", str(catalog.path)])
    return result.exit_code, result.output


def test_a_self_contained_schema_writes_a_type_out_once_and_names_it_after_that(
    contracts: Contracts, placed: dict[str, Any]
) -> None:
    catalog = contracts(shop__Placed=with_buyers(placed), shop__Buyer=buyer(placed))
    payer, eater = Sources.load(catalog.directory / "avro").self_contained(PLACED)["fields"]
    assert payer["type"]["fields"] == placed["fields"]
    assert eater["type"] == "shop.Buyer"


def test_a_file_that_is_changed_missing_or_left_over_is_stale(
    contracts: Contracts, placed: dict[str, Any]
) -> None:
    catalog = contracts(shop__Placed=placed)
    files = generate(catalog)
    write(files, catalog)
    assert stale(files, catalog) == {}
    [package] = packages(catalog)
    (package / "shop.py").write_text("# edited\n", encoding="utf-8")
    (package / "schemas" / "shop.Placed.avsc").unlink()
    (package / "schemas" / "shop.Gone.avsc").write_text("{}", encoding="utf-8")
    told = {path.name: diff for path, diff in stale(files, catalog).items()}
    assert set(told) == {"shop.py", "shop.Placed.avsc", "shop.Gone.avsc"}
    assert "-# edited" in told["shop.py"]
    write(files, catalog)
    assert stale(files, catalog) == {}
    assert not (package / "schemas" / "shop.Gone.avsc").exists()


def test_what_is_generated_does_not_depend_on_the_folder_one_stands_in(
    contracts: Contracts, placed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed["fields"][0]["doc"] = "A long text that a narrow page would have to break. " * 3
    catalog = contracts(shop__Placed=placed)
    here = generate(catalog)
    (tmp_path / "pyproject.toml").write_text("[tool.black]\nline-length = 60\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert generate(catalog) == here


def test_a_catalogued_record_without_a_source_can_not_be_generated(contracts: Contracts) -> None:
    catalog = contracts()
    (catalog.directory / "avro").mkdir()
    with pytest.raises(ConfigurationError, match=r"shop\.Placed"):
        generate(catalog)


def test_the_command_says_what_is_stale_and_fails_then(contracts: Contracts, placed: dict[str, Any]) -> None:
    catalog = contracts(shop__Placed=placed)
    assert run(catalog, "generate", "--check")[0] == 1
    assert run(catalog, "generate")[0] == 0
    assert run(catalog, "generate", "--check") == (0, "everything is current\n")


def test_the_lint_command_fails_on_findings_and_tells_them_as_json(
    contracts: Contracts, placed: dict[str, Any]
) -> None:
    assert run(contracts(shop__Placed=placed), "lint", "--json") == (0, "[]\n")
    del placed["doc"]
    status, told = run(contracts(shop__Placed=placed), "lint", "--json")
    assert status == 1
    assert [finding["rule"] for finding in json.loads(told)] == ["SB003"]


def test_a_contract_is_checked_against_a_git_commit(
    contracts: Contracts, placed: dict[str, Any], tmp_path: Path
) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@signalbox.example"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    catalog = contracts(shop__Placed=placed)
    write(generate(catalog), catalog)
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert run(catalog, "check", "--against", "git:HEAD")[0] == 0
    placed["fields"][1]["type"] = ["null", "int"]
    broken = contracts(shop__Placed=placed)
    status, told = run(broken, "check", "--against", "git:HEAD")
    assert status == 1
    assert "note" in told
    assert "reader kitchen" in told
    assert run(broken, "check", "--against", "git:nowhere")[0] == 2
    assert run(broken, "check", "--against", "elsewhere")[0] == 2
