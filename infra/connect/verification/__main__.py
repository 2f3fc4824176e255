"""Run both connectors on STACK=kafka and say, line by line, what was seen; exit status 1: not all is well."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx2
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from local_stack import Stack
from local_stack.ports import free_ports
from mongo_server import MongoServer
from operating import FINAL, Operator
from signalbox.avro import unframe
from signalbox.protocol.names import INCOMING_LEADS
from verification.postgres import Postgres
from verification.worker import ConnectError, Worker, configuration

_ROOT: Final = Path(__file__).resolve().parents[3]
_OFFLINE: Final = {"LLM_MODEL": "offline", "ROUTER_LLM_MODEL": "offline", "AGENT_LLM_MODEL": "offline"}
_SECRETS: Final = "/run/secrets/connect"
_CONFLUENT_API: Final = "/apis/ccompat/v7"
_CONVERTER: Final = "apicurio-avro"
_PATIENCE_S: Final = 150
_CRM: Final = """
CREATE SCHEMA crm;
CREATE TABLE crm.leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, first_name text, last_name text,
    email text NOT NULL, company text NOT NULL, title text, website text, notes text,
    created_at timestamptz NOT NULL DEFAULT now());
"""
_INSERT: Final = """
INSERT INTO crm.leads (first_name, last_name, email, company, title, website, notes)
SELECT 'Zoë ' || n, '山田', 'zoe.' || n || '@ferrum.example', 'Ferrum ' || n, 'Head of Logistics',
    CASE n % 2 WHEN 0 THEN 'https://ferrum.example' END,
    'We want to plan 400 trucks a day; the budget is approved for this quarter.'
FROM generate_series({first}, {last}) AS n
"""
_BAD: Final = "INSERT INTO crm.leads (last_name, email, company) VALUES ('Nobody', 'no address', 'Nowhere')"


class Verification:
    """The stack, the two databases and the worker; ``say`` is what it has to tell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = free_ports(["postgres", "connect"])
        self.secrets = {"postgres-password": secrets.token_urlsafe(16)}
        self.stack = Stack(_ROOT, folder / "run", ports="free", extra_env=_OFFLINE, kind="kafka")
        self.postgres = Postgres(folder, ports["postgres"], self.secrets["postgres-password"])
        self.mongodb = MongoServer(_ROOT, folder, change_streams=True)
        self._listener = f"http://127.0.0.1:{ports['connect']}"
        self.failed = False

    def say(self, what: str, well: bool = True) -> None:
        """Print one line, and remember when it is a bad one."""
        self.failed |= not well
        _say(f"{'ok    ' if well else 'FAILED'}  {what}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the stack and the databases; stop them whatever happens."""
        with ExitStack() as started:
            started.callback(self.stack.down)
            self.stack.up()
            started.callback(self.postgres.stop)
            self.postgres.start()
            started.callback(self.mongodb.stop)
            self.mongodb.start()
            self.secrets["mongodb-url"] = f"mongodb://127.0.0.1:{self.mongodb.port}/crm"
            (self._folder / "secrets").mkdir(mode=0o700)
            for name, value in self.secrets.items():
                (self._folder / "secrets" / name).write_text(value)
            yield

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Start a worker that goes on where the one before it stopped."""
        registry = self.stack.addresses["registry"]
        settings = {
            "CONNECT_BOOTSTRAP_SERVERS": self.stack.env["KAFKA_BOOTSTRAP_SERVERS"],
            "CONNECT_GROUP_ID": "signalbox-connect",
            "CONNECT_REPLICATION_FACTOR": "1",
            "CONNECT_LISTENER": self._listener,
            "CONNECT_APICURIO_URL": registry.removesuffix(_CONFLUENT_API) + "/apis/registry/v2",
            "CONNECT_POSTGRES_HOST": "127.0.0.1",
            "CONNECT_POSTGRES_PORT": str(self.postgres.port),
            "CONNECT_POSTGRES_DATABASE": self.postgres.database,
            "CONNECT_POSTGRES_USER": self.postgres.user,
        }
        worker = Worker(_ROOT, self._folder, settings)
        try:
            worker.start()
            yield worker
        finally:
            worker.stop()

    def configuration(self, connector: str) -> dict[str, str]:
        """Return what the files say, with the secrets' folder of this run."""
        merged = configuration(connector, _CONVERTER)
        return {
            name: value.replace(_SECRETS, str(self._folder / "secrets")) for name, value in merged.items()
        }

    async def arrive(self, what: str, lead_ids: Iterable[str]) -> None:
        """Wait until these leads are scheduled, and hold their records against what intake expects."""
        wanted = list(lead_ids)
        async with httpx2.AsyncClient(timeout=30) as http:
            operator = Operator(self.stack, http)
            began = time.monotonic()
            states: dict[str, str] = {}
            while not (set(states.values()) <= FINAL and states) and time.monotonic() < began + _PATIENCE_S:
                states = {one: (await operator.journey(one))["status"] for one in wanted}
                await asyncio.sleep(0.3)
            seconds = time.monotonic() - began
            records = [r for r in await operator.records(INCOMING_LEADS) if (r.key or b"").decode() in wanted]
        scheduled = sum(state == "scheduled" for state in states.values())
        self.say(f"{what}: {scheduled} of {len(wanted)} scheduled, {seconds:.0f} s", scheduled == len(wanted))
        ids = {unframe(record.value)[0] for record in records}
        copies = len(records) - len(wanted)
        self.say(f"  keys are the lead ids as text, {copies} copies, schema ids {sorted(ids)}", len(ids) == 1)

    async def refused(self, lead_id: str) -> None:
        """Wait until this lead is a dead letter."""
        deadline = time.monotonic() + _PATIENCE_S
        async with httpx2.AsyncClient(timeout=30) as http:
            while not (found := await self._dead_letter_of(http, lead_id)):
                if time.monotonic() > deadline:
                    self.say(f"{lead_id} did not become a dead letter", well=False)
                    return
                await asyncio.sleep(0.3)
        self.say(f"a row that breaks a data rule: {found['reason']} ({found.get('field', '')})")

    async def _dead_letter_of(self, http: httpx2.AsyncClient, lead_id: str) -> dict[str, Any]:
        answer = await http.get(f"{self.stack.addresses['console']}/api/dead-letters")
        answer.raise_for_status()
        listed = answer.json()
        dead_letters = listed if isinstance(listed, list) else listed["dead_letters"]
        return next((one for one in dead_letters if one.get("lead_id") == lead_id), {})

    def versions(self) -> dict[str, list[int]]:
        """Return the registered versions of every subject."""
        registry = self.stack.addresses["registry"]
        subjects = httpx2.get(f"{registry}/subjects", timeout=30).raise_for_status().json()
        return {
            name: httpx2.get(f"{registry}/subjects/{name}/versions", timeout=30).json()
            for name in sorted(subjects)
        }


async def verify(run: Verification) -> None:
    """Take leads from both databases; a step that fails is said, and the others are tried."""
    registered = run.versions()
    run.postgres.make_outbox(_CRM, _ROOT / "infra" / "connect" / "postgres" / "outbox.sql")
    with run.worker() as worker:
        run.say(f"the worker answers: Connect {worker.rest.get('/').json()['version']}")
        for name in ("leads-from-postgres", "leads-from-mongodb"):
            wrong = worker.validate(run.configuration(name))
            run.say(f"{name}: the connector's own validation: {wrong or 'nothing wrong'}", not wrong)
        await attempt(run, worker, from_postgres)
        await attempt(run, worker, from_mongodb)
        worker.kill()
    run.postgres.execute(_INSERT.format(first=27, last=31))
    with run.worker() as worker:
        await attempt(run, worker, after_a_kill)
        logged = worker.log.read_text(errors="replace")
        run.say("no secret in the worker's log", not any(secret in logged for secret in run.secrets.values()))
    run.say("nothing was registered by the converter", run.versions() == registered)


_Step = Callable[[Verification, Worker], Awaitable[None]]


async def attempt(run: Verification, worker: Worker, step: _Step) -> None:
    """Do one step, and say it when it fails."""
    try:
        await step(run, worker)
    except (ConnectError, PyMongoError, httpx2.HTTPError) as error:
        run.say(f"{step.__name__}: {error}", well=False)


async def from_postgres(run: Verification, worker: Worker) -> None:
    """Take leads from rows: those that are there, new ones, and one that is no lead."""
    run.postgres.execute(_INSERT.format(first=1, last=5))
    worker.run("leads-from-postgres", run.configuration("leads-from-postgres"))
    await run.arrive("rows that were there (snapshot)", numbered(1, 5))
    run.postgres.execute(_INSERT.format(first=6, last=25))
    await run.arrive("rows inserted while it runs", numbered(6, 25))
    run.postgres.execute("UPDATE crm.leads SET notes = 'changed'; DELETE FROM signalbox.lead_outbox")
    run.postgres.execute(_BAD)
    await run.refused("crm-26")


async def from_mongodb(run: Verification, worker: Worker) -> None:
    """Take leads from documents, those that are there and new ones."""
    with MongoClient[dict[str, Any]](run.mongodb.url("crm")) as client:
        leads = client["crm"]["leads"]
        before = [f"crm-{one}" for one in leads.insert_many(list(map(document, range(3)))).inserted_ids]
        worker.run("leads-from-mongodb", with_namespace(run.configuration("leads-from-mongodb")))
        await run.arrive("documents that were there", before)
        after = [f"crm-{one}" for one in leads.insert_many(list(map(document, range(3, 8)))).inserted_ids]
        await run.arrive("documents inserted while it runs", after)


def with_namespace(config: dict[str, str]) -> dict[str, str]:
    """Add to the change events what this server leaves out: of which collection they are."""
    stages = [*json.loads(config["pipeline"]), {"$addFields": {"ns": {"db": "crm", "coll": "leads"}}}]
    return {**config, "pipeline": json.dumps(stages)}


async def after_a_kill(run: Verification, _: Worker) -> None:
    """Wait for the rows that came while no worker was there."""
    await run.arrive("rows inserted while the worker was dead", numbered(27, 31))


def document(number: int) -> dict[str, Any]:
    """Make a CRM's document of a lead that scores well."""
    return {
        "name": f"Łukasz {number}",
        "email": f"lukasz.{number}@ferrum.example",
        "company": f"Ferrum {number}",
        "title": "Head of Logistics",
        "notes": "We want to plan 400 trucks a day; the budget is approved for this quarter.",
        "created_at": datetime.now(UTC),
    }


def numbered(first: int, last: int) -> list[str]:
    """Return the lead ids of the CRM's rows from ``first`` to ``last``."""
    return [f"crm-{number}" for number in range(first, last + 1)]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Run it all in a temporary folder, which is kept when something is amiss."""
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="signalbox-connect-"))
    folder.chmod(0o755 if os.geteuid() == 0 else 0o700)  # the account of PostgreSQL's process has to get in
    run = Verification(folder)
    with run.running():
        asyncio.run(verify(run))
    if run.failed:
        _say(f"something is amiss: see {folder}")
        return 1
    shutil.rmtree(folder)
    _say("all well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
