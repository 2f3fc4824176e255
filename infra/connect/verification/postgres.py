"""A PostgreSQL of our own, with logical decoding, in a folder of its own."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PLACES: Final = "/usr/lib/postgresql"
_ACCOUNT: Final = "postgres"
"""Whose process it is when we are root: PostgreSQL refuses to be root's."""


class Postgres:
    """One server on loopback. ``password`` is that of Connect's role; whoever is on its socket is trusted."""

    user = "signalbox_connect"
    database = "crm"

    def __init__(self, folder: Path, port: int, password: str) -> None:
        self._data = folder / "postgres"
        self.port = port
        self._password = password

    def start(self) -> None:
        """Make the database, start the server, and return when it takes connections."""
        self._data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self._data, _ACCOUNT, _ACCOUNT)
        self._run(
            "initdb",
            "--pgdata",
            str(self._data),
            "--username",
            _ACCOUNT,
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-instructions",
            "--encoding=UTF8",
        )
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._data,
            "wal_level": "logical",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run(
            "pg_ctl",
            "start",
            "--wait",
            "--pgdata",
            str(self._data),
            "--log",
            str(self._data / "log"),
            "--options",
            options,
        )
        self.execute(f"CREATE DATABASE {self.database}", database="postgres")

    def stop(self) -> None:
        """End the server at once."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "--mode", "fast", "--pgdata", str(self._data))

    def make_outbox(self, crm: str, outbox: Path) -> None:
        """Run the SQL of a CRM's table and of the outbox, and give the connector's role its password."""
        self.execute(crm)
        self.execute(outbox.read_text())
        self.execute(f"ALTER ROLE {self.user} PASSWORD '{self._password}'")

    def execute(self, sql: str, *, database: str = database) -> str:
        """Run statements; returns what they print, values separated by tabs."""
        arguments = [
            "--host",
            str(self._data),
            "--port",
            str(self.port),
            "--username",
            _ACCOUNT,
            "--dbname",
            database,
        ]
        quiet = [
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
        ]
        return self._run("psql", *arguments, *quiet, "--file=-", text=sql)

    def _run(self, program: str, *arguments: str, text: str = "") -> str:
        command = [_find(program), *arguments]
        account = pwd.getpwnam(_ACCOUNT) if os.geteuid() == 0 else None
        done = subprocess.run(
            command,
            input=text,
            capture_output=program == "psql",
            stdout=None if program == "psql" else subprocess.DEVNULL,
            text=True,
            check=False,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            cwd="/",
        )
        if done.returncode != 0:
            raise SystemExit(f"{program} failed: {done.stderr or ''}")
        return (done.stdout or "").strip()


def _find(program: str) -> str:
    found: Sequence[Path] = sorted(Path(_PLACES).glob(f"*/bin/{program}"))
    if found:
        return str(found[-1])
    if on_path := shutil.which(program):
        return on_path
    raise SystemExit(f"PostgreSQL's {program} was not found. Debian, Ubuntu: apt install postgresql")
