"""Several of a kind: orchestrators on every stack, brokers where they can be a cluster."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from local_stack import Stack, StackError
from local_stack.processes import environment_of, find
from signalbox.protocol.errors import ConfigurationError

MakeStack = Callable[..., Stack]
RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def pair(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two orchestrators, and what they need."""
    with Stack(
        root,
        tmp_path_factory.mktemp("pair"),
        ports="free",
        services=("broker", "registry", "orchestrator"),
        extra_env={"LLM_MODEL": "offline"},
        instances={"orchestrator": 2},
    ) as stack:
        yield stack


def own_environment(stack: Stack, name: str) -> Mapping[str, str]:
    recorded = stack.process(name)
    process = find(recorded.pid, recorded.create_time)
    assert process is not None
    return environment_of(process)


def wait_until_in_each(folders: Sequence[Path], name: str) -> None:
    deadline = time.monotonic() + 30
    while missing := [folder for folder in folders if not (folder / name).is_dir()]:
        assert time.monotonic() < deadline, f"{name} is not in {missing}"
        time.sleep(0.1)


def test_each_instance_is_listed_and_has_its_own_port_log_and_transactions(
    pair: Stack, run_command: RunCommand
) -> None:
    answer = run_command(pair.env, "status", "--json")
    assert answer.returncode == 0, answer.stdout
    names = [process["service"] for process in json.loads(answer.stdout)]
    assert names == ["broker", "registry", "orchestrator", "orchestrator_2"]
    environments = [own_environment(pair, name) for name in ("orchestrator", "orchestrator_2")]
    for variable in ("ORCHESTRATOR_PORT", "ORCHESTRATOR_REPLICA"):
        assert len({environment[variable] for environment in environments}) == 2
    assert "starting" in run_command(pair.env, "logs", "orchestrator_2", "--lines", "1000").stdout


def test_an_instance_is_redeployed_alone_and_stays_what_it_was(pair: Stack, run_command: RunCommand) -> None:
    before = {process.service: process.pid for process in pair.processes}
    replica = own_environment(pair, "orchestrator_2")["ORCHESTRATOR_REPLICA"]
    answer = run_command(pair.env, "redeploy", "orchestrator_2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    after = {process.service: process.pid for process in pair.processes}
    assert {name for name in before if before[name] != after[name]} == {"orchestrator_2"}
    assert own_environment(pair, "orchestrator_2")["ORCHESTRATOR_REPLICA"] == replica


def test_an_orchestrator_is_added_and_removed_while_the_stack_runs(pair: Stack) -> None:
    pair.start_instance("orchestrator_3")
    assert own_environment(pair, "orchestrator_3")["ORCHESTRATOR_REPLICA"] == "3"
    with pytest.raises(StackError, match="orchestrator_3 is there already"):
        pair.start_instance("orchestrator_3")
    removed = pair.process("orchestrator_3")
    pair.stop_instance("orchestrator_3")
    assert find(removed.pid, removed.create_time) is None
    assert "orchestrator_3" not in pair.addresses
    with pytest.raises(StackError, match="there is no service 'orchestrator_3'"):
        pair.stop_instance("orchestrator_3")


@pytest.mark.parametrize("name", ["broker_2", "console", "lead_scoring_2"])
def test_nothing_but_an_orchestrator_is_added(pair: Stack, name: str) -> None:
    with pytest.raises(StackError, match="only orchestrators are added"):
        pair.start_instance(name)


def test_up_with_more_instances_than_run_says_what_to_do(pair: Stack) -> None:
    more = Stack(
        pair.root,
        pair.run_dir,
        services=("broker", "registry", "orchestrator"),
        instances={"orchestrator": 4},
    )
    with pytest.raises(StackError, match="without orchestrator_3, orchestrator_4: `make down` first"):
        more.up()


def test_the_local_broker_is_no_cluster(make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK", "local")
    stack = make_stack("broker", instances={"broker": 3})
    with pytest.raises(ConfigurationError, match="BROKERS=3 needs STACK=kafka"):
        stack.up()


@pytest.mark.real_kafka
def test_a_cluster_keeps_its_records_and_refuses_another_number_of_brokers(make_stack: MakeStack) -> None:
    stack = make_stack("broker", instances={"broker": 3})
    stack.up()
    assert len(stack.env["KAFKA_BOOTSTRAP_SERVERS"].split(",")) == 3
    logs = [stack.run_dir / "data" / name / "log" for name in ("broker", "broker_2", "broker_3")]
    wait_until_in_each(logs, "agent_messages-0")
    stack.down()

    with pytest.raises(ConfigurationError, match="made with BROKERS=3, not 1"):
        make_stack("broker", instances={"broker": 1}).up()

    again = make_stack("broker", instances={"broker": 3})
    again.up()
    assert all((log / "agent_messages-0").is_dir() for log in logs)
