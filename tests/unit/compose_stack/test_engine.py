"""What is missing is said, with what helps; the engine itself is used by infra/compose/verify."""

from pathlib import Path

import pytest

from compose_stack import ComposeStack
from compose_stack.engine import DockerFailed, docker, require_docker
from local_stack import StackError
from signalbox.protocol.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parents[3]


def docker_that(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a command ``docker`` that does this in the place of the one of this machine."""
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_docker_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"Docker was not found.*docs\.docker\.com"):
        require_docker()


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("version", r"no Docker engine answers.*DOCKER_HOST.*\(no such thing\)"),
        ("compose", "no plugin `compose`"),
        ("buildx", "no plugin `buildx`"),
    ],
)
def test_what_is_missing_of_docker_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, told: str
) -> None:
    docker_that(tmp_path, f'[ "$1" != {missing} ] || {{ echo "no such thing" >&2; exit 1; }}', monkeypatch)
    with pytest.raises(ConfigurationError, match=told):
        require_docker()


def test_with_all_of_it_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker_that(tmp_path, "exit 0", monkeypatch)
    require_docker()


def test_a_failed_command_is_told_with_what_docker_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_that(tmp_path, 'echo "no space left" >&2; exit 3', monkeypatch)
    with pytest.raises(DockerFailed, match=r"(?s)`docker build \..*failed with 3:.*no space left"):
        docker("build", ".")


def test_up_without_docker_starts_nothing_and_makes_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    run_dir = tmp_path / "run"
    with pytest.raises(ConfigurationError, match="Docker was not found"):
        ComposeStack(CHECKOUT, run_dir).up()
    assert {path.name for path in run_dir.iterdir()} == {"lock"}


def test_commands_say_that_no_stack_is_up(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no stack is up"):
        ComposeStack(CHECKOUT, tmp_path).redeploy("console")
