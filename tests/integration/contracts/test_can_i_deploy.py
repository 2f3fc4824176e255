"""Whether a service may be deployed: by what is registered, and by the agents that announced themselves."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from committed_contracts import schema_text
from local_stack.governance import CommandFailed, ask_can_i_deploy
from signalbox.protocol.names import AGENT_REGISTRY
from signalbox.protocol.records import Draft

PROFILED = "sdr.LeadProfiled"
NOT_REGISTERED = "the text it was built with is not registered"
AWAY = "127.0.0.1:1"


@pytest.fixture
async def incompatible_version(operator) -> Iterator[int]:
    """A version of LeadProfiled that no one can read, and an agent that runs with it on both sides."""
    schema = json.loads(schema_text(PROFILED))
    schema["fields"][1] = {"name": "report", "type": "int", "doc": "A number."}
    subject = f"{operator.registry}/subjects/{PROFILED}"
    httpx2.put(f"{operator.registry}/config/{PROFILED}", json={"compatibility": "NONE"}).raise_for_status()
    body = {"schema": json.dumps(schema)}
    httpx2.post(f"{subject}/versions", json=body).raise_for_status()
    version = operator.versions(PROFILED)[-1]
    await operator.publish(operator.announced("odd", [PROFILED], [PROFILED], version=version))
    yield version
    await operator.publish(operator.signed(Draft(AGENT_REGISTRY, b"odd", None)))
    httpx2.delete(f"{subject}/versions/{version}").raise_for_status()
    httpx2.delete(f"{subject}/versions/{version}?permanent=true").raise_for_status()


@pytest.mark.parametrize(
    "service", ["lead_capture", "lead_ingestion", "lead_scoring", "send_email", "orchestrator", "console"]
)
def test_what_fits_may_be_deployed(operator, service):
    outcome = operator.run("can-i-deploy", service, "--json")
    assert (outcome.status, outcome.json["answer"], outcome.json["objections"]) == (0, "yes", [])


def test_an_unknown_service_is_wrong_usage_and_the_known_ones_are_listed(operator):
    outcome = operator.run("can-i-deploy", "nonsense")
    assert outcome.status == 2
    assert "lead_ingestion, lead_scoring" in outcome.text


def test_a_service_whose_version_was_taken_back_may_not_be_deployed(operator):
    httpx2.delete(f"{operator.registry}/subjects/{PROFILED}/versions/1").raise_for_status()
    try:
        outcome = operator.run("can-i-deploy", "lead_ingestion", "--json")
        said = {one["reason"]: one["advice"] for one in outcome.json["objections"]}
        assert (outcome.status, outcome.json["answer"]) == (1, "no")
        # Apicurio shows no text of a subject that has no live version, so there the cause is not known.
        causes = {"version 1, which it was built with, was deregistered", NOT_REGISTERED}
        assert all("signalbox contracts register" in said[cause] for cause in causes & said.keys())
        assert causes & said.keys()
        assert any("the gate refuses every record" in reason for reason in said)
        with pytest.raises(CommandFailed, match="may not be deployed"):
            ask_can_i_deploy("lead_ingestion", operator.stack.root, operator.stack.env)
    finally:
        assert operator.run("contracts", "register").status == 0


def test_a_reader_that_can_not_read_what_a_running_agent_writes_may_not_be_deployed(
    operator, incompatible_version
):
    outcome = operator.run("can-i-deploy", "lead_scoring")
    assert outcome.status == 1
    assert (
        f"it can't read what odd writes, which runs with version {incompatible_version}: report"
        in outcome.text
    )


def test_a_writer_that_a_running_agent_can_not_read_may_not_be_deployed(operator, incompatible_version):
    outcome = operator.run("can-i-deploy", "lead_ingestion")
    assert outcome.status == 1
    assert (
        f"odd, which runs with version {incompatible_version}, can't read what it writes: report"
        in outcome.text
    )


def test_a_service_is_not_held_against_its_own_earlier_announcement(operator, incompatible_version):
    outcome = operator.run("can-i-deploy", "lead_capture")
    assert outcome.status == 0


def test_without_a_broker_there_is_no_answer(operator):
    outcome = operator.run("can-i-deploy", "lead_scoring", KAFKA_BOOTSTRAP_SERVERS=AWAY)
    assert outcome.status == 2
    assert "who runs now is not known" in outcome.text


def test_without_a_registry_there_is_no_answer_and_the_service_may_be_restarted_all_the_same(operator):
    away = {"SCHEMA_REGISTRY_URL": f"http://{AWAY}"}
    assert operator.run("can-i-deploy", "lead_scoring", **away).status == 2
    warning = ask_can_i_deploy("lead_scoring", operator.stack.root, {**operator.stack.env, **away})
    assert "could not find out" in warning


def test_the_place_to_deploy_to_is_a_file_of_settings(operator, tmp_path: Path):
    place = tmp_path / "production.env"
    place.write_text(
        f"# where it runs\nexport KAFKA_BOOTSTRAP_SERVERS='{operator.stack.addresses['broker']}'\n"
        f"SCHEMA_REGISTRY_URL={operator.registry}\nOTHER=1\n",
        encoding="utf-8",
    )
    signalbox = Path(sys.executable).with_name("signalbox")
    elsewhere = {
        **operator.environment,
        "KAFKA_BOOTSTRAP_SERVERS": AWAY,
        "SCHEMA_REGISTRY_URL": f"http://{AWAY}",
    }
    command = [str(signalbox), "can-i-deploy", "lead_scoring", "--to"]
    done = subprocess.run([*command, str(place)], env=elsewhere, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.partition("\n")[0]) == (0, "yes: lead_scoring may be deployed")
    unknown = subprocess.run(
        [*command, "nowhere"], env=elsewhere, capture_output=True, text=True, check=False
    )
    assert unknown.returncode == 2
    assert "nowhere.env" in unknown.stderr
