"""What Maven fetches into the checkout's ``.cache/kafka``, again when ``infra/kafka/pom.xml`` changes."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

from kafka_stack.java import find_maven
from local_stack.lock import exclusive
from local_stack.progress import Progress
from signalbox.protocol.errors import ConfigurationError

_FETCH_DEADLINE_S: Final = 900
_ERROR_LINES: Final = 5


class Artifacts:
    """Apache Kafka's class path and Apicurio Registry's folder, for the checkout at ``root``."""

    def __init__(self, root: Path) -> None:
        self._pom = root / "infra" / "kafka" / "pom.xml"
        self._cache = root / ".cache" / "kafka"
        self.logging = root / "infra" / "kafka" / "log4j2.properties"

    @property
    def kafka_class_path(self) -> str:
        """What ``java -cp`` takes."""
        return str(self._cache / "kafka" / "*")

    @property
    def registry_jar(self) -> Path:
        """The registry's runnable jar; its libraries are beside it."""
        return next((self._cache / "registry").glob("*-runner.jar"))

    def fetch(self, progress: Progress) -> None:
        """Fetch what is not there; nothing of the network is needed afterwards.

        Raises:
            ConfigurationError: there is no Maven, or it fails; the text has what it said.
        """
        with exclusive(self._cache, "fetching", patience_s=_FETCH_DEADLINE_S):
            if self._complete():
                return
            maven = find_maven()
            progress.say("fetching Apache Kafka and Apicurio Registry with Maven: 190 MB, once")
            for folder in ("kafka", "registry", "markers"):
                shutil.rmtree(self._cache / folder, ignore_errors=True)
            _run(
                [maven, "--batch-mode", "--quiet", "-f", str(self._pom), "package", f"-Dcache={self._cache}"]
            )
            self._stamp.write_text(self._wanted())

    @property
    def _stamp(self) -> Path:
        return self._cache / "fetched"

    def _complete(self) -> bool:
        return self._stamp.exists() and self._stamp.read_text() == self._wanted()

    def _wanted(self) -> str:
        return hashlib.sha256(self._pom.read_bytes()).hexdigest()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_DEADLINE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"Maven did not fetch the artifacts in {_FETCH_DEADLINE_S} s") from error
    if done.returncode != 0:
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        said = "\n".join(errors[:_ERROR_LINES])
        raise ConfigurationError(f"Maven could not fetch the artifacts:\n{said}")
