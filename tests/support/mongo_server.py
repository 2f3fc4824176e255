"""A server of MongoDB's protocol as a process, for tests: a Java one, since no MongoDB comes as a package.

It has unique ids, sorting, conditions and atomic updates of one document, and keeps its store in a file. It
has no transactions, one member, and change streams only on demand. services/lead_capture/README.md says how
it differs from a MongoDB. ``MONGODB_URL`` in the environment names a real one to test against instead.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from kafka_stack.java import find_java, find_maven
from local_stack.lock import exclusive

URL_VARIABLE: Final = "MONGODB_URL"
_SOURCES: Final = Path(__file__).parent / "mongodb"
_JVM: Final = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_FETCH_DEADLINE_S: Final = 600
_START_DEADLINE_S: Final = 120


def can_run() -> bool:
    """Say whether this machine has the Java (with its compiler) and the Maven that it takes."""
    return all(map(shutil.which, ("java", "javac", "mvn")))


class MongoServer:
    """One process; started again after a stop, it is at the same port with the same contents."""

    def __init__(self, root: Path, folder: Path, *, change_streams: bool = False) -> None:
        self._cache = root / ".cache" / "mongodb"
        self._file = folder / "mongodb"
        self._log = folder / "mongodb.log"
        self._change_streams = change_streams
        self._child: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    def url(self, database: str) -> str:
        """Return the URL of one of its databases; who uses it learns within 2 s that it is away."""
        return f"mongodb://127.0.0.1:{self.port}/{database}?timeoutMS=2000"

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        self._fetch()
        command = [find_java(), *_JVM, "-cp", str(self._cache / "libraries" / "*")]
        command += [str(_SOURCES / "MongoProtocolServer.java"), str(self._file), str(self.port)]
        with self._log.open("ab") as log:
            extra = ["oplog"] if self._change_streams else []
            self._child = subprocess.Popen([*command, *extra], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_DEADLINE_S
        while not _answers(self.port):
            assert self._child.poll() is None, f"the server ended: {self._log.read_text()}"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; what it acknowledged is in its file then."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(60)
            self._child = None

    def _fetch(self) -> None:
        with exclusive(self._cache, "fetching", patience_s=_FETCH_DEADLINE_S):
            if any((self._cache / "libraries").glob("mongo-java-server-core-*.jar")):
                return
            command = [find_maven(), "--batch-mode", "--quiet", "-f", str(_SOURCES / "pom.xml"), "package"]
            subprocess.run([*command, f"-Dcache={self._cache}"], check=True, timeout=_FETCH_DEADLINE_S)


def url_of_the_environment() -> str:
    """Return the MongoDB to test against instead of this one; empty: none."""
    return os.environ.get(URL_VARIABLE, "")


def url_of(server: MongoServer | None, database: str) -> str:
    """Return the URL of a database on ``server``, or on the MongoDB of the environment."""
    if server is not None:
        return server.url(database)
    parts = urlsplit(url_of_the_environment())
    return parts._replace(path=f"/{database}").geturl()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
