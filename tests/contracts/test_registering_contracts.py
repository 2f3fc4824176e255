"""Contracts on their way into a registry, by the command that people use."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from committed_contracts import record_types, schema_text
from signalbox.gate.contracts import Contracts
from signalbox.protocol.names import RecordType
from signalbox.registry.access import RegistrySettings
from signalbox.registry.client import Registry
from signalbox_cli.contracts import app

from .conftest import CONTRACTS


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    """A copy of the contracts that a test may change."""
    copied = tmp_path / "contracts"
    shutil.copytree(CONTRACTS / "avro", copied / "avro")
    shutil.copy(CONTRACTS / "catalog.yaml", copied / "catalog.yaml")
    return copied


def run(url: str, contracts: Path, *arguments: str) -> tuple[int, Any]:
    environment = {
        "SCHEMA_REGISTRY_URL": url,
        "CATALOG": str(contracts / "catalog.yaml"),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    result = CliRunner().invoke(app, [*arguments, "--json"], env=environment)
    return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr


def edit(contracts: Path, record: str, change: Any) -> None:
    path = contracts / "avro" / f"{record.replace('.', '/')}.avsc"
    schema = json.loads(path.read_text(encoding="utf-8"))
    change(schema)
    path.write_text(json.dumps(schema), encoding="utf-8")


def outcomes(answer: list[dict[str, Any]]) -> dict[str, str]:
    return {one["record_type"]: one["outcome"] for one in answer}


def test_registering_creates_every_subject_with_its_level_and_doing_it_again_changes_nothing(
    registry_url: str, contracts: Path
) -> None:
    status, first = run(registry_url, contracts, "register")
    assert (status, outcomes(first)) == (0, dict.fromkeys(record_types(), "created"))
    for name in record_types():
        latest = httpx2.get(f"{registry_url}/subjects/{name}/versions/latest").json()
        assert json.loads(latest["schema"]) == json.loads(schema_text(name))
        level = httpx2.get(f"{registry_url}/config/{name}").json()["compatibilityLevel"]
        assert level == "FULL_TRANSITIVE"
    status, again = run(registry_url, contracts, "register")
    assert (status, outcomes(again)) == (0, dict.fromkeys(record_types(), "unchanged"))
    assert [one["schema_id"] for one in again] == [one["schema_id"] for one in first]


def test_a_plan_changes_nothing(registry_url: str, contracts: Path) -> None:
    status, planned = run(registry_url, contracts, "plan")
    assert (status, outcomes(planned)) == (0, dict.fromkeys(record_types(), "created"))
    assert httpx2.get(f"{registry_url}/subjects").json() == []


def test_an_optional_field_makes_a_new_version_of_its_record_alone(
    registry_url: str, contracts: Path
) -> None:
    run(registry_url, contracts, "register")
    extra = {"name": "segment", "type": ["null", "string"], "doc": "Market segment.", "default": None}
    edit(contracts, "sdr.LeadScored", lambda schema: schema["fields"].append(extra))
    status, verdicts = run(registry_url, contracts, "check")
    assert status == 0
    assert {one["record_type"] for one in verdicts if one["status"] == "changed"} == {"sdr.LeadScored"}
    _, answer = run(registry_url, contracts, "register")
    assert [one["record_type"] for one in answer if one["outcome"] == "created"] == ["sdr.LeadScored"]
    assert httpx2.get(f"{registry_url}/subjects/sdr.LeadScored/versions").json() == [1, 2]


def test_a_breaking_change_is_stopped_by_check_plan_and_register_with_its_path(
    registry_url: str, contracts: Path
) -> None:
    run(registry_url, contracts, "register")
    edit(
        contracts,
        "sdr.Lead",
        lambda schema: schema["fields"].append({"name": "x", "type": "int", "doc": "X."}),
    )
    status, verdicts = run(registry_url, contracts, "check")
    assert status == 1
    broken = {one["record_type"]: one["findings"] for one in verdicts if not one["compatible"]}
    assert set(broken) == {"sdr.LeadCaptured", "sdr.LeadProfiled", "sdr.LeadScored", "sdr.CampaignDrafted"}
    assert {finding["path"] for finding in broken["sdr.LeadScored"] if finding["severity"] == "breaks"} == {
        "lead.x"
    }
    for command in ("plan", "register"):
        status, answer = run(registry_url, contracts, command)
        assert status == 1
        assert outcomes(answer)["sdr.LeadScored"] == "refused"
    assert httpx2.get(f"{registry_url}/subjects/sdr.LeadScored/versions").json() == [1]


def test_a_version_that_drops_a_rule_is_refused_unless_it_is_said(registry_url: str, contracts: Path) -> None:
    run(registry_url, contracts, "register")
    edit(contracts, "sdr.CampaignDrafted", lambda schema: schema.pop("confluent:rules"))
    status, answer = run(registry_url, contracts, "register")
    assert (status, outcomes(answer)["sdr.CampaignDrafted"]) == (1, "refused")
    status, answer = run(registry_url, contracts, "register", "--drop-rules")
    assert (status, outcomes(answer)["sdr.CampaignDrafted"]) == (0, "created")


def test_a_new_level_in_the_catalog_is_set_without_a_new_version(registry_url: str, contracts: Path) -> None:
    run(registry_url, contracts, "register")
    catalog = contracts / "catalog.yaml"
    text = catalog.read_text(encoding="utf-8")
    catalog.write_text(
        text.replace("compatibility: FULL_TRANSITIVE", "compatibility: BACKWARD"), encoding="utf-8"
    )
    status, answer = run(registry_url, contracts, "register")
    assert (status, set(outcomes(answer).values())) == (0, {"unchanged"})
    assert {one["level_was"] for one in answer} == {"FULL_TRANSITIVE"}
    assert httpx2.get(f"{registry_url}/config/sdr.LeadScored").json()["compatibilityLevel"] == "BACKWARD"


def test_an_older_text_is_not_made_the_newest_again_and_the_answer_says_so(
    registry_url: str, contracts: Path
) -> None:
    run(registry_url, contracts, "register")
    extra = {"name": "segment", "type": ["null", "string"], "doc": "Market segment.", "default": None}
    edit(contracts, "sdr.LeadScored", lambda schema: schema["fields"].append(extra))
    run(registry_url, contracts, "register")
    edit(contracts, "sdr.LeadScored", lambda schema: schema["fields"].pop())
    _, answer = run(registry_url, contracts, "register")
    (scored,) = [one for one in answer if one["record_type"] == "sdr.LeadScored"]
    assert (scored["outcome"], scored["version"]) == ("unchanged", 1)
    assert "newest is 2" in scored["detail"]


def optional(name: str) -> Any:
    field = {"name": name, "type": ["null", "string"], "doc": "A text.", "default": None}
    return lambda schema: schema["fields"].append(field)


def told(url: str, contracts: Path, *words: str) -> str:
    """Run the command for people, without a broker; return what it said of ``sdr.LeadScored``."""
    environment = {
        "SCHEMA_REGISTRY_URL": url,
        "CATALOG": str(contracts / "catalog.yaml"),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    output = CliRunner().invoke(app, list(words), env=environment).output
    return "\n".join(line for line in output.splitlines() if "sdr.LeadScored" in line)


def diff(url: str, contracts: Path, *versions: str) -> str:
    environment = {"SCHEMA_REGISTRY_URL": url, "CATALOG": str(contracts / "catalog.yaml")}
    return CliRunner().invoke(app, ["diff", "sdr.LeadScored", *versions], env=environment).output


def newest(url: str) -> int:
    return int(httpx2.get(f"{url}/subjects/sdr.LeadScored/versions/latest").json()["version"])


def test_after_a_soft_delete_the_numbers_that_are_printed_are_the_registrys(
    registry_url: str, contracts: Path
) -> None:
    run(registry_url, contracts, "register")
    edit(contracts, "sdr.LeadScored", optional("segment"))
    run(registry_url, contracts, "register")
    told(registry_url, contracts, "deregister", "sdr.LeadScored", "--version", "2", "--yes")
    edit(contracts, "sdr.LeadScored", optional("region"))

    planned = told(registry_url, contracts, "plan", "--last", "0")
    assert planned == "new version sdr.LeadScored: after version 1"  # no number is promised: 2 is taken
    registered = told(registry_url, contracts, "register")
    assert (newest(registry_url), "created     sdr.LeadScored: version 3, id " in registered) == (3, True)
    assert "sdr.LeadScored: version 3, id " in told(registry_url, contracts, "plan")
    assert "version 3 to the file" in told(registry_url, contracts, "diff", "sdr.LeadScored")


def test_a_subject_whose_versions_were_all_taken_back_goes_on_with_the_registrys_number(
    registry_url: str, contracts: Path
) -> None:
    run(registry_url, contracts, "register")
    told(registry_url, contracts, "deregister", "sdr.LeadScored", "--yes")
    planned = told(registry_url, contracts, "plan")
    assert planned == "new subject sdr.LeadScored: no version is live"
    registered = told(registry_url, contracts, "register")
    assert (newest(registry_url), "sdr.LeadScored: version 2, id " in registered) == (2, True)


def test_the_newest_version_is_taken_back_whatever_its_number_is(registry_url: str, contracts: Path) -> None:
    run(registry_url, contracts, "register")
    for name in ("segment", "region"):
        edit(contracts, "sdr.LeadScored", optional(name))
        run(registry_url, contracts, "register")
        taken = told(registry_url, contracts, "deregister", "sdr.LeadScored", "--version", "latest", "--yes")
        assert newest(registry_url) == 1
    assert taken.startswith("sdr.LeadScored version 3")
    refused = run(registry_url, contracts, "deregister", "sdr.LeadScored", "--version", "newer")
    assert refused == (2, "signalbox contracts: --version 'newer': write a number, or latest\n")


def test_a_breaking_change_that_is_committed_is_found_by_lint_beside_what_is_registered(
    registry_url: str, contracts: Path
) -> None:
    run(registry_url, contracts, "register")
    breaking = {"name": "x", "type": "int", "doc": "X."}
    edit(contracts, "sdr.Lead", lambda schema: schema["fields"].append(breaking))
    told(registry_url, contracts, "generate")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for words in (("init",), ("add", "contracts", "libs"), (*identity, "commit", "-m", "x")):
        subprocess.run(["git", "-C", contracts.parent, *words], check=True, capture_output=True)
    assert run(registry_url, contracts, "lint") == (0, [])
    status, findings = run(registry_url, contracts, "lint", "--registered")
    assert (status, [(one["rule"], Path(one["path"]).name) for one in findings]) == (
        1,
        [("SB106", "Lead.avsc")],
    )


def test_there_is_no_plan_while_lint_has_findings(registry_url: str, contracts: Path) -> None:
    edit(contracts, "sdr.LeadScored", lambda schema: schema["fields"][0].pop("doc"))
    status, findings = run(registry_url, contracts, "plan")
    assert (status, [one["rule"] for one in findings]) == (1, ["SB004"])


def test_what_breaks_is_an_annotation_in_the_file_and_line_of_its_field(
    registry_url: str, contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(registry_url, contracts, "register")
    path = contracts / "avro" / "sdr" / "Lead.avsc"
    text = path.read_text(encoding="utf-8")
    added = '"fields": [\n    {"name": "x", "type": "int", "doc": "100 % new."},'
    path.write_text(text.replace('"fields": [', added, 1), encoding="utf-8")
    line = (
        path.read_text(encoding="utf-8")
        .splitlines()
        .index('    {"name": "x", "type": "int", "doc": "100 % new."},')
    )
    monkeypatch.chdir(contracts.parent)
    environment = {
        "SCHEMA_REGISTRY_URL": registry_url,
        "CATALOG": str(contracts / "catalog.yaml"),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    result = CliRunner().invoke(app, ["check", "--format", "github"], env=environment)
    assert result.exit_code == 1
    where = f"::error file=contracts/avro/sdr/Lead.avsc,line={line + 1},col=5,title=sdr.LeadScored breaks::"
    (breaking,) = [one for one in result.stdout.splitlines() if one.startswith(where)]
    assert "::breaks: lead.x: the new contract can't read what version 1 wrote" in breaking
    assert "%0A      Give the field a default" in breaking


def stricter(schema: dict[str, Any]) -> None:
    rule = {"name": "worth_it", "doc": "A score is 50 or more.", "expr": "this >= 50"}
    schema["fields"][1]["confluent:rules"].append(rule)


async def in_force(url: str) -> tuple[int, set[str]]:
    """Return the version that the gate holds to, and the names of the rules of its score."""
    client = Registry(RegistrySettings(url=url))
    try:
        contract = await Contracts(client).get(RecordType("sdr.LeadScored"))
    finally:
        await client.close()
    assert contract is not None
    rules = json.loads(contract.schema.text)["fields"][1]["confluent:rules"]
    return contract.version, {rule["name"] for rule in rules}


async def test_an_old_text_is_the_newest_again_and_the_gate_holds_to_it(
    registry_url: str, contracts: Path
) -> None:
    run(registry_url, contracts, "register")
    edit(contracts, "sdr.LeadScored", stricter)
    run(registry_url, contracts, "register")
    assert await in_force(registry_url) == (2, {"within_0_and_100", "worth_it"})
    revert = ("revert", "sdr.LeadScored", "--to", "1", "--last", "0")

    status, foreseen = run(registry_url, contracts, *revert, "--dry-run")
    assert (status, foreseen["done"], newest(registry_url)) == (2, False, 2)  # without a broker: who runs?
    status, done = run(registry_url, contracts, *revert)
    assert (status, done["done"], done["version"], newest(registry_url)) == (0, True, 3, 3)
    assert await in_force(registry_url) == (3, {"within_0_and_100"})
    assert httpx2.get(f"{registry_url}/subjects/sdr.LeadScored/versions").json() == [1, 2, 3]

    status, again = run(registry_url, contracts, *revert)
    assert (status, again["change"], newest(registry_url)) == (0, "nothing", 3)
    repeated = told(registry_url, contracts, "register")
    assert "is version 2, but the newest is 3; `signalbox contracts revert sdr.LeadScored --to 2`" in repeated
    assert "no difference" in diff(registry_url, contracts, "1", "3")

    run(registry_url, contracts, "revert", "sdr.LeadScored", "--to", "2", "--last", "0")
    run(registry_url, contracts, *revert)
    assert await in_force(registry_url) == (5, {"within_0_and_100"})  # the same text a second time


def test_a_version_that_is_not_there_is_not_reverted_to(registry_url: str, contracts: Path) -> None:
    run(registry_url, contracts, "register")
    answer = run(registry_url, contracts, "revert", "sdr.LeadScored", "--to", "9")
    told = "signalbox contracts: sdr.LeadScored has no version 9 to revert to; there are: 1\n"
    assert answer == (2, told)


def test_a_registry_that_is_away_ends_the_command_with_its_address(contracts: Path) -> None:
    status, told = run("http://127.0.0.1:1", contracts, "register")
    assert status == 2
    assert "127.0.0.1:1" in told


def test_nothing_but_the_command_registers_a_schema() -> None:
    root = CONTRACTS.parent
    sources = [
        path
        for folder in ("libs", "orchestrator", "services", "examples")
        for path in (root / folder).rglob("*.py")
    ]
    able = ("auto.register.schemas", "register_schema(", "AvroSerializer", '/versions", {')
    found = {path.name for path in sources if any(word in path.read_text(encoding="utf-8") for word in able)}
    # malformed_examples.py registers hostile schemas for the malformed examples, when somebody asks for them.
    assert found == {"registry_api.py", "malformed_examples.py"}
