"""The whole stack under least privilege: leads come through, and no secret is where it does not belong."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kafka_stack import SecuredFoundation
from operating import Operator
from secured_stack import SecuredStack
from signalbox.kafka import Producer
from signalbox.protocol.names import INCOMING_LEADS
from signalbox.protocol.records import Draft

pytestmark = pytest.mark.real_kafka

SIGNALBOX = str(Path(sys.executable).with_name("signalbox"))


def command(secured: SecuredStack, client: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SIGNALBOX, *words],
        env=secured.stack.env_of(client),
        cwd=secured.stack.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def as_administrator(secured: SecuredStack, *words: str) -> subprocess.CompletedProcess[str]:
    settings = secured.stack.process("broker").environment
    own = SecuredFoundation(secured.stack.root).administrator(settings)
    environment = {**secured.stack.env, **own}
    return subprocess.run(
        [SIGNALBOX, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


async def test_leads_come_through_though_every_process_has_the_least_permissions(operator: Operator) -> None:
    lead_ids = await operator.post_many(10)
    states = await operator.settled(lead_ids, deadline_s=240)
    assert set(states.values()) == {"scheduled"}


async def test_the_pipelines_commands_work_with_the_pipelines_permissions(secured: SecuredStack) -> None:
    assert command(secured, "deployer", "topics", "apply").returncode == 0
    assert command(secured, "deployer", "contracts", "register").returncode == 0
    assert command(secured, "deployer", "can-i-deploy", "lead_scoring").returncode == 0


async def open_dead_letters(operator: Operator, lead_id: str) -> list[str]:
    answer = await operator.http.get(f"{operator.stack.addresses['console']}/api/dead-letters?limit=1000")
    dead_letters = answer.json()["dead_letters"]
    open_ones = [one for one in dead_letters if one["key"] == lead_id and one["state"] == "open"]
    return [f"{one['topic']}/{one['partition']}/{one['offset']}" for one in open_ones]


async def test_an_operator_discards_a_dead_letter_with_an_operators_permissions(
    secured: SecuredStack, operator: Operator
) -> None:
    producer = Producer(secured.kafka_as("lead_capture"), "test")
    await producer.publish(Draft(INCOMING_LEADS, b"a-malformed-lead", b"not a message"))
    await producer.close()
    async with asyncio.timeout(60):
        while not (dead_letters := await open_dead_letters(operator, "a-malformed-lead")):
            await asyncio.sleep(0.2)
    done = command(secured, "operator", "dead-letters", "discard", dead_letters[0], "--reason", "a test")
    assert done.returncode == 0, done.stderr
    async with asyncio.timeout(60):
        while await open_dead_letters(operator, "a-malformed-lead"):
            await asyncio.sleep(0.2)


def test_the_acls_of_the_catalog_are_on_the_broker_and_what_is_beyond_is_pruned(
    secured: SecuredStack,
) -> None:
    before = json.loads(as_administrator(secured, "topics", "acls", "--apply", "--json").stdout)
    assert (before["added"], before["surplus"]) == ([], [])
    more = secured.stack.run_dir / "more.yaml"
    catalog = (secured.stack.root / "contracts" / "catalog.yaml").read_text()
    more.write_text(catalog.replace("  console:\n", "  console:\n    writes: [governance_audit]\n"))
    with_more = ("topics", "acls", "--apply", "--json", "--catalog", str(more))
    added = json.loads(as_administrator(secured, *with_more).stdout)
    assert [(one["principal"], one["operation"], one["name"]) for one in added["added"]] == [
        ("User:console", "WRITE", "governance_audit")
    ]
    told = as_administrator(secured, "topics", "acls", "--apply").stdout
    assert "1 beyond the catalog" in told
    pruned = json.loads(as_administrator(secured, "topics", "acls", "--apply", "--prune", "--json").stdout)
    assert [one["principal"] for one in pruned["removed"]] == ["User:console"]
    after = json.loads(as_administrator(secured, "topics", "acls", "--apply", "--prune", "--json").stdout)
    assert (after["added"], after["removed"], after["surplus"]) == ([], [], [])


def test_whoever_is_not_the_administrator_changes_no_acls(secured: SecuredStack) -> None:
    refused = command(secured, "operator", "topics", "acls", "--apply")
    assert refused.returncode == 1
    assert "CLUSTER_AUTHORIZATION_FAILED" in refused.stderr


def test_no_password_is_in_a_log_a_process_list_or_the_stacks_own_files(secured: SecuredStack) -> None:
    stack = secured.stack
    files = [*stack.run_dir.glob("logs/*.log"), stack.run_dir / "stack.json", stack.run_dir / "env"]
    assert len(files) > 10
    texts = {str(path): path.read_text(errors="replace") for path in files}
    for process in map(psutil.Process, (one.pid for one in stack.processes)):
        texts[f"command line of {process.pid}"] = " ".join(process.cmdline())
        texts[f"environment of {process.pid}"] = str(process.environ())
    for client, secret in secured.passwords.items():
        assert [place for place, text in texts.items() if secret in text] == [], client


def test_each_process_is_told_where_its_own_password_is_and_no_others(secured: SecuredStack) -> None:
    for process in secured.stack.processes:
        environment = psutil.Process(process.pid).environ()
        told = {value for name, value in environment.items() if "/secrets/passwords/" in value}
        own = str(secured.stack.run_dir / "secrets" / "passwords" / process.service)
        assert told == (set() if process.service in {"broker", "registry"} else {own})


async def test_a_redeployed_service_and_a_restarted_broker_are_who_they_were(
    secured: SecuredStack, operator: Operator
) -> None:
    secured.stack.redeploy("broker")
    secured.stack.redeploy("lead_scoring")
    lead_ids = await operator.post_many(2, first=100)
    assert set((await operator.settled(lead_ids, deadline_s=240)).values()) == {"scheduled"}
