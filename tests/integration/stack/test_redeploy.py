import http.client
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local_stack import Stack, StackError
from local_stack.processes import environment_of, find
from local_stack.state import StackProcess, probe

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def foundation(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Broker and registry, for the tests of this file."""
    with Stack(
        root,
        tmp_path_factory.mktemp("foundation"),
        ports="free",
        services=("broker", "registry"),
        extra_env={"A_SETTING": "of this stack"},
    ) as stack:
        yield stack


def running(process: StackProcess) -> bool:
    return find(process.pid, process.create_time) is not None


def subjects(stack: Stack) -> list[str]:
    registry = urlsplit(stack.addresses["registry"])
    connection = http.client.HTTPConnection(registry.netloc, timeout=5)
    connection.request("GET", f"{registry.path}/subjects")
    answer: list[str] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def status(stack: Stack, run_command: RunCommand) -> tuple[int, list[dict[str, Any]]]:
    answer = run_command(stack.env, "status", "--json")
    return answer.returncode, json.loads(answer.stdout)


def test_status_lists_each_process(foundation: Stack, run_command: RunCommand) -> None:
    code, processes = status(foundation, run_command)
    assert code == 0
    assert processes == [
        {
            "service": process.service,
            "pid": process.pid,
            "address": process.address,
            "ready": True,
            "impaired": [],
        }
        for process in foundation.processes
    ]


def test_a_killed_service_is_shown_as_not_ready_and_redeploy_brings_it_back(
    foundation: Stack, run_command: RunCommand
) -> None:
    before = foundation.process("registry")
    foundation.kill("registry", signal.SIGKILL)
    code, processes = status(foundation, run_command)
    assert code == 1
    assert [(p["service"], p["pid"] is None, p["ready"]) for p in processes] == [
        ("broker", False, True),
        ("registry", True, False),
    ]

    foundation.redeploy("registry")

    after = foundation.process("registry")
    assert after.pid != before.pid
    assert (after.address, after.environment) == (before.address, before.environment)
    assert probe(after).ready


def test_up_says_what_to_do_when_a_part_of_the_stack_is_dead(foundation: Stack) -> None:
    foundation.kill("registry")
    with pytest.raises(StackError, match="make redeploy service=registry"):
        foundation.up()
    foundation.redeploy("registry")


def test_a_redeployed_registry_keeps_its_contracts(foundation: Stack) -> None:
    before = subjects(foundation)
    assert "sdr.LeadScored" in before
    foundation.redeploy("registry")
    assert subjects(foundation) == before


def test_redeploy_restarts_one_service_alone_with_the_environment_of_the_stack(
    foundation: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_PORT", "1")
    before = {process.service: process for process in foundation.processes}
    foundation.redeploy("registry")
    after = {process.service: process for process in foundation.processes}
    assert after["broker"] == before["broker"]
    assert not running(before["registry"])
    process = find(after["registry"].pid, after["registry"].create_time)
    assert process is not None
    environment = environment_of(process)
    assert environment["A_SETTING"] == "of this stack"
    assert environment["REGISTRY_PORT"] == str(before["registry"].port)


def test_a_setting_of_one_service_stays_with_it_and_reaches_no_other(foundation: Stack) -> None:
    foundation.redeploy("registry", {"A_SETTING": "of the registry"})
    foundation.redeploy("registry")
    assert foundation.process("registry").environment["A_SETTING"] == "of the registry"
    assert foundation.process("broker").environment["A_SETTING"] == foundation.env["A_SETTING"]
    foundation.redeploy("registry", {"A_SETTING": foundation.env["A_SETTING"]})


def test_a_setting_that_it_cant_start_with_is_not_kept(foundation: Stack, run_command: RunCommand) -> None:
    # One registry is a Python program, the other runs on Java.
    impossible = ("--set", "PYTHONHOME=/nowhere", "--set", "JAVA_TOOL_OPTIONS=-XX:+NoSuchOption")
    answer = run_command(foundation.env, "redeploy", "registry", *impossible)
    assert answer.returncode == 1
    assert "registry runs again, with the settings of before" in answer.stderr
    assert "JAVA_TOOL_OPTIONS" not in foundation.process("registry").environment
    assert foundation.process("registry").pid


def test_the_command_sets_what_it_is_told_to(foundation: Stack, run_command: RunCommand) -> None:
    kept = foundation.env["A_SETTING"]
    settings = ("--set", "A_SETTING=of the command", "--set", f"OTHER={kept}=")
    assert run_command(foundation.env, "redeploy", "registry", *settings).returncode == 0
    environment = foundation.process("registry").environment
    assert (environment["A_SETTING"], environment["OTHER"]) == ("of the command", f"{kept}=")
    foundation.redeploy("registry", {"A_SETTING": kept})

    answer = run_command(foundation.env, "redeploy", "registry", "--set", "A_SETTING")
    assert (answer.returncode, "--set A_SETTING: write NAME=VALUE" in answer.stderr) == (1, True)


def test_redeploying_an_unknown_service_lists_the_names(foundation: Stack, run_command: RunCommand) -> None:
    answer = run_command(foundation.env, "redeploy", "lead_scorer")
    assert answer.returncode == 1
    assert "there is no service 'lead_scorer'; there are broker, registry" in answer.stderr


def test_a_redeployed_broker_says_what_became_of_its_records(
    foundation: Stack, run_command: RunCommand
) -> None:
    answer = run_command(foundation.env, "redeploy", "broker")
    assert answer.returncode == 0, answer.stderr
    said = {"local": "keeps topics in memory: they were lost", "kafka": "nothing was lost"}
    assert said[foundation.env["STACK"]] in answer.stdout


def test_the_log_of_a_service_is_shown_and_followed(foundation: Stack, run_command: RunCommand) -> None:
    answer = run_command(foundation.env, "logs", "broker")
    said = {"local": "listening on", "kafka": "Kafka Server started"}
    assert said[foundation.env["STACK"]] in answer.stdout
    assert "there are broker, registry" in run_command(foundation.env, "logs", "brokr").stderr


def test_the_environment_file_gives_a_shell_the_settings_of_the_stack(foundation: Stack) -> None:
    script = f'. "{foundation.run_dir}/env" && printf "%s\n" "$A_SETTING" "$KAFKA_BOOTSTRAP_SERVERS"'
    answer = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={})
    assert answer.stdout.splitlines() == ["of this stack", foundation.addresses["broker"]]


def test_the_state_holds_no_secret_of_the_environment(
    foundation: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_API_KEY", "not-to-be-written")
    foundation.redeploy("registry")
    assert "not-to-be-written" not in (foundation.run_dir / "stack.json").read_text()
