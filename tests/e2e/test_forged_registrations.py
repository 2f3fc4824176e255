"""Whoever may write ``agent_registry`` gets neither messages nor tokens of others, and removes no one."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2

from committed_contracts import schema_text
from operating import Operator, free_port, lead
from signalbox.avro import decode, encode, parse, unframe
from signalbox.kafka import Producer, read_to_end
from signalbox.protocol.names import AGENT_REGISTRY, AgentId
from signalbox.protocol.records import Draft, Record
from signalbox.trust import SIGNATURE
from signing import by_keys_in, signed_in

VICTIM = AgentId("send_email")


@dataclass
class Impostor:
    """Listens like an agent, and says that all is well."""

    port: int
    got: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def impostor_listening() -> AsyncIterator[Impostor]:
    impostor = Impostor(free_port(), [])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        impostor.got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", impostor.port)
    async with server:
        yield impostor


def genuine(operator: Operator) -> Record:
    records = [one for one in read_to_end(operator.kafka, [AGENT_REGISTRY]) if one.key == VICTIM.encode()]
    return next(one for one in records if one.value and one.header(SIGNATURE))


def moved(record: Record, endpoint: str) -> Draft:
    schema_id, body = unframe(record.value)
    schema = parse(schema_text("control.AgentRegistered"))
    value = encode(schema_id, schema, {**decode(body, schema), "endpoint": endpoint})
    headers = tuple(header for header in record.headers if header[0] != SIGNATURE)
    return Draft(AGENT_REGISTRY, record.key, value, headers)


async def endpoint_of(operator: Operator) -> str:
    agents = (await operator.http.get(f"{operator.stack.addresses['orchestrator']}/agents")).json()
    (found,) = [agent for agent in agents if agent["id"] == VICTIM]
    return str(found["endpoint"])


async def until_refused(operator: Operator, count: int) -> list[str]:
    orchestrator = operator.stack.addresses["orchestrator"]
    async with asyncio.timeout(30):
        while True:
            agents = (await operator.http.get(f"{orchestrator}/agents")).json()
            refused = next(agent["refused"] for agent in agents if agent["id"] == VICTIM)
            if refused and refused["count"] >= count:
                impaired = (await operator.http.get(f"{orchestrator}/readyz")).json()["impaired"]
                return [why for why in impaired if VICTIM in why]
            await asyncio.sleep(0.1)


def command(operator: Operator, *words: str, status: int = 0) -> str:
    run = subprocess.run(
        [str(Path(sys.executable).with_name("signalbox")), *words],
        env=operator.stack.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    return run.stdout.strip()


async def test_forged_registrations_of_an_agent_lead_nothing_away(
    operator: Operator, producer: Producer
) -> None:
    home = operator.stack.addresses[VICTIM]
    own = genuine(operator)
    keys = Path(operator.stack.env["AGENT_KEYS_DIR"])
    async with impostor_listening() as impostor:
        unsigned = moved(own, impostor.url)
        by_another = signed_in(keys, replace(unsigned, key=b"lead_scoring"))
        await producer.publish(
            unsigned,
            replace(by_another, key=own.key),
            replace(unsigned, headers=own.headers),
            signed_in(keys, unsigned),  # with its own key, but from where it was not granted to live
            Draft(AGENT_REGISTRY, own.key, None),
        )
        told = await until_refused(operator, 5)
        assert told
        assert await endpoint_of(operator) == home
        lead_id = await operator.post(**lead(801))
        assert await operator.settled([lead_id]) == {lead_id: "scheduled"}
        assert impostor.got == []
    shown = (await operator.http.get(f"{operator.stack.addresses['console']}/api/agents")).json()["agents"]
    (agent,) = [one for one in shown if one["agent_id"] == VICTIM]
    assert (agent["removed"], agent["definition"]["endpoint"]) == (False, home)


async def test_people_with_curl_sign_one_request(operator: Operator, tmp_path: Path) -> None:
    url = f"{operator.stack.addresses['lead_scoring']}/messages"
    body = tmp_path / "lead.json"
    fields = lead(802) | {"lead_id": "by-hand", "captured_at": "2030-01-02T03:04:05Z"}
    report = {"summary": "Plans trucks.", "pain_points": [], "buying_signals": [], "sources": []}
    body.write_text(json.dumps({"lead": fields, "report": report}))
    token = command(
        operator, "agents", "token", "lead_scoring", "--body", str(body), "--header", "ce-id: by-hand-1"
    )
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "ce-id": "by-hand-1",
    }
    async with httpx2.AsyncClient(timeout=30) as http:
        answer = await http.post(url, content=body.read_bytes(), headers=headers)
        assert answer.status_code == 200, answer.text
        other = await http.post(url, content=body.read_bytes() + b" ", headers=headers)
        assert other.status_code == 401
        elsewhere = f"{operator.stack.addresses['active_outreach']}/messages"
        assert (await http.post(elsewhere, content=body.read_bytes(), headers=headers)).status_code == 401
        keys = Path(operator.stack.env["AGENT_KEYS_DIR"])
        unknown = await http.post(url, content=b"{}", auth=by_keys_in(tmp_path / "strangers", "lead_scoring"))
        assert unknown.status_code == 401
        known = await http.post(url, content=b"{}", auth=by_keys_in(keys, "lead_scoring"))
        assert known.status_code == 415


async def test_an_agent_is_removed_until_it_starts_again_and_revoked_until_it_is_granted(
    operator: Operator,
) -> None:
    async def there(expected: bool) -> None:
        async with asyncio.timeout(60):
            while (
                VICTIM
                in [
                    agent["id"]
                    for agent in (
                        await operator.http.get(f"{operator.stack.addresses['orchestrator']}/agents")
                    ).json()
                    if agent.get("endpoint")
                ]
            ) is not expected:
                await asyncio.sleep(0.1)

    command(operator, "agents", "remove", VICTIM)
    await there(False)
    command(operator, "agents", "remove", VICTIM, status=1)
    await asyncio.to_thread(operator.stack.redeploy, VICTIM)
    await there(True)
    command(operator, "agents", "revoke", VICTIM, "--why", "a test")
    await there(False)
    await asyncio.to_thread(operator.stack.redeploy, VICTIM)
    await there(False)
    home = operator.stack.addresses[VICTIM]
    command(operator, "agents", "grant", VICTIM, "--endpoint", home)
    # It announced itself after it was revoked, so its next repetition counts.
    await there(True)
    lead_id = await operator.post(**lead(803))
    assert await operator.settled([lead_id]) == {lead_id: "scheduled"}
