"""A PostgreSQL server as a process, for tests; ``POSTGRES_URL`` in the environment names one to use instead.

Each test works in a schema of its own, which costs less than a database. The server refuses to be root's:
where we are root it runs as the account ``postgres`` or ``no one``.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg
import sqlalchemy as sql

URL_VARIABLE: Final = "POSTGRES_URL"
"""For example ``postgresql+psycopg://user:password@127.0.0.1/database``; its user may make schemas."""

_USER: Final = "signalbox"
_PASSWORD: Final = "word-of-the-tests"
_START_DEADLINE_S: Final = 120
_FAST: Final = ("fsync=off", "shared_buffers=16MB", "max_connections=100", "listen_addresses=127.0.0.1")


def why_not() -> str:
    """Say what is missing to run one; empty: nothing."""
    return "" if _program("initdb") else "no PostgreSQL server is installed (apt install postgresql)"


class PostgresServer:
    """One process with a database in a folder of its own; started again it has what it had."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="signalbox-postgres-"))
        self._account = _account()
        self._child: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        if self._account:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)

    @property
    def url(self) -> sql.URL:
        return sql.URL.create("postgresql+psycopg", _USER, _PASSWORD, "127.0.0.1", self.port, "postgres")

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        data = self._folder / "data"
        if not data.exists():
            self._make(data)
        settings = [part for setting in (*_FAST, f"port={self.port}") for part in ("-c", setting)]
        command = [_program("postgres"), "-D", str(data), "-k", str(self._folder), *settings]
        with (self._folder / "log").open("ab") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as_account())
        deadline = time.monotonic() + _START_DEADLINE_S
        while not self._answers():
            assert self._child.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start in time"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, and the connections to it, at once."""
        if self._child is not None:
            self._child.send_signal(3)  # SIGQUIT: its processes end with it, and no one is waited for
            self._child.wait(60)
            self._child = None

    def remove(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self, data: Path) -> None:
        secret = self._folder / "password"
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        options = ["--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={secret}", "--encoding=UTF8"]
        command = [_program("initdb"), f"--pgdata={data}", "--no-sync", "--no-instructions", *options]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd="/", check=False, **self._as_account()
        )
        assert done.returncode == 0, done.stderr

    def _as_account(self) -> dict[str, int]:
        return {"user": self._account.pw_uid, "group": self._account.pw_gid} if self._account else {}

    def _answers(self) -> bool:
        try:
            connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


def url_of_the_environment() -> sql.URL | None:
    """Return the PostgreSQL to test against instead of one of our own."""
    named = os.environ.get(URL_VARIABLE, "")
    return sql.make_url(named).set(drivername="postgresql+psycopg") if named else None


def connect(url: sql.URL) -> "psycopg.Connection[tuple[object, ...]]":
    """Connect as a test does, to look or to lock."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=10)


def with_own_schema(url: sql.URL) -> sql.URL:
    """Make a schema, and return the URL whose connections find their tables in it."""
    schema = f"test_{uuid.uuid4().hex}"
    with connect(url) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    return url.update_query_dict({"options": f"-csearch_path={schema}"})


def drop_schema(url: sql.URL) -> None:
    """Remove the schema of ``url`` with what is in it; a server that is away keeps it."""
    schema = str(url.query["options"]).rpartition("=")[2]
    with suppress(psycopg.OperationalError), connect(url) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def text_of(url: sql.URL) -> str:
    """Return the URL as a setting takes it."""
    return url.render_as_string(hide_password=False)


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: path.parts[4])
    return str(installed[-1]) if installed else shutil.which(name) or ""


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("PostgreSQL can't run as root, and there is no other account")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
