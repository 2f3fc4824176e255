from pathlib import Path

import pytest

from kafka_stack.artifacts import Artifacts
from kafka_stack.java import find_java, java_version
from local_stack.progress import Progress
from signalbox.protocol.errors import ConfigurationError


def java_that_says(home: Path, version: str) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    java.chmod(0o755)
    return java


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    pom = tmp_path / "infra" / "kafka" / "pom.xml"
    pom.parent.mkdir(parents=True)
    pom.write_text("<project/>")
    return tmp_path


def test_without_java_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigurationError, match=r"(?s)Java was not found.*apt install openjdk-17.* maven"):
        find_java()


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392", "not a version"])
def test_a_java_that_is_too_old_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    java_that_says(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="needs Java 17 or newer"):
        find_java()


@pytest.mark.parametrize(("said", "version"), [("17.0.15", 17), ("21", 21), ("26-ea", 26), ("1.8.0_392", 8)])
def test_the_feature_version_is_read(tmp_path: Path, said: str, version: int) -> None:
    assert java_version(str(java_that_says(tmp_path, said))) == version


def test_java_home_goes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = java_that_says(tmp_path, "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == str(java)


def test_without_maven_the_error_says_what_to_install(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(ConfigurationError, match=r"(?s)Maven was not found.*apt install"):
        Artifacts(checkout).fetch(Progress(quiet=True))


def test_what_maven_could_not_fetch_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = checkout / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] no such artifact'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{checkout}:/bin:/usr/bin")
    with pytest.raises(ConfigurationError, match="no such artifact"):
        Artifacts(checkout).fetch(Progress(quiet=True))
