"""A Kafka Connect worker as a process, and its REST interface."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from kafka_stack.java import find_java, find_maven
from local_stack.lock import exclusive

HERE: Final = Path(__file__).resolve().parent.parent
_JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_PLUGIN_PATH: Final = "/opt/connect/plugins"
_FETCH_DEADLINE_S: Final = 900
_START_DEADLINE_S: Final = 240


class ConnectError(Exception):
    """The worker or a connector does not run; the text says why."""


class Worker:
    """One distributed worker, alone in its group, configured by worker.properties and these settings."""

    def __init__(self, root: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self._cache = root / ".cache" / "connect"
        self._folder = folder
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self.log = folder / "connect.log"
        self.rest = httpx2.Client(base_url=settings["CONNECT_LISTENER"], timeout=90)

    def start(self) -> None:
        """Fetch what it needs, start it, and return when it answers."""
        self._fetch()
        properties = self._folder / "worker.properties"
        text = (HERE / properties.name).read_text()
        properties.write_text(text.replace(_PLUGIN_PATH, str(self._cache / "plugins")))
        logging = HERE.parent / "kafka" / "log4j2.properties"
        command = [
            find_java(),
            *_JVM,
            f"-Dlog4j2.configurationFile={logging}",
            "-cp",
            str(self._cache / "runtime" / "*"),
        ]
        command += ["org.apache.kafka.connect.cli.ConnectDistributed", str(properties)]
        environment = {**os.environ, **self._settings}
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=self._folder)
        deadline = time.monotonic() + _START_DEADLINE_S
        while not self._answers():
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise ConnectError(f"the Connect worker did not start:\n{self.tail()}")
            time.sleep(0.3)

    def stop(self) -> None:
        """End it in order."""
        self.rest.close()
        if self._child is not None:
            self._child.terminate()
            self._child.wait(90)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(60)

    def tail(self, lines: int = 30) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def validate(self, config: Mapping[str, str]) -> list[str]:
        """Ask the connector's own validation; returns what it finds wrong."""
        kind = config["connector.class"].rpartition(".")[2]
        answer = self.rest.put(f"/connector-plugins/{kind}/config/validate", json={"name": "any", **config})
        if answer.is_error:
            return [answer.text]
        values = [one["value"] for one in answer.json()["configs"]]
        return [f"{value['name']}: {text}" for value in values for text in value["errors"]]

    def run(self, name: str, config: Mapping[str, str]) -> None:
        """Make the connector, and return when its task runs."""
        self.rest.put(f"/connectors/{name}/config", json=config).raise_for_status()
        deadline = time.monotonic() + _START_DEADLINE_S
        while (states := self.states(name)) != ["RUNNING", "RUNNING"]:
            if "FAILED" in states or time.monotonic() > deadline:
                raise ConnectError(f"{name} does not run ({states}):\n{self.trace(name)}")
            time.sleep(0.3)

    def states(self, name: str) -> list[str]:
        """Return the state of the connector and of each task."""
        status = self._status(name)
        return [
            one["state"] for one in (status.get("connector", {"state": "UNKNOWN"}), *status.get("tasks", []))
        ]

    def trace(self, name: str) -> str:
        """Return why it failed."""
        status = self._status(name)
        return "\n".join(
            one.get("trace", "")[:1500] for one in (status.get("connector", {}), *status.get("tasks", []))
        )

    def _status(self, name: str) -> dict[str, Any]:
        answer = self.rest.get(f"/connectors/{name}/status")
        status: dict[str, Any] = answer.json() if answer.status_code == httpx2.codes.OK else {}
        return status

    def _answers(self) -> bool:
        try:
            return self.rest.get("/connectors").status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    def _fetch(self) -> None:
        stamp = self._cache / "fetched"
        wanted = "".join(path.read_text() for path in sorted(HERE.rglob("pom.xml")))
        with exclusive(self._cache, "fetching", patience_s=_FETCH_DEADLINE_S):
            if stamp.exists() and stamp.read_text() == wanted:
                return
            command = [find_maven(), "--batch-mode", "--quiet", "-f", str(HERE / "pom.xml"), "package"]
            subprocess.run([*command, f"-Dcache={self._cache}"], check=True, timeout=_FETCH_DEADLINE_S)
            stamp.write_text(wanted)


def configuration(connector: str, converter: str) -> dict[str, str]:
    """Put a connector's file and a converter's file together."""
    parts = (HERE / "connectors" / f"{connector}.json", HERE / "converters" / f"{converter}.json")
    merged: dict[str, str] = {}
    for part in parts:
        merged |= json.loads(part.read_text())
    return merged
