"""Answer as no registry and no model should, and see what follows: ``protocol_fuzz.py --count 5000``.

A real server on loopback spoils its answers: status, content type, encoding, length, JSON, shapes. Exit
status 0 says: nothing but Unavailable ever escaped; a good message was accepted (routed), or waited and was
accepted (routed) as soon as the server was itself again; a bad one never was; what was in force stayed so.
What is well-formed and a lie is no part of it.
"""

import asyncio
import copy
import json
import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Run as a script, too; pytest has this folder on its path by itself.
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

import structlog

from fuzz_command import run, show
from http_answers import Asked, answering, said
from memory_registry import headers, record, sdr_admission
from signalbox.avro import Limits, encode, parse
from signalbox.gate import Accepted, Contracts, Gate
from signalbox.gate.schemas import WriterSchemas
from signalbox.models import Model, ModelSettings
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import SchemaId
from signalbox.protocol.records import Record
from signalbox.registry.client import Registry, RegistrySettings
from signalbox_decide.router import Router

S = "sdr.LeadScored"
JSON = "application/json"
TEXT = json.dumps(
    {
        "type": "record",
        "name": "LeadScored",
        "namespace": "sdr",
        "fields": [
            {"name": "a", "type": "int", "confluent:rules": [{"name": "positive", "expr": "this > 0"}]}
        ],
    }
)
GOOD: dict[str, Any] = {
    "/schemas/ids/7": {"schema": TEXT},
    "/schemas/ids/7/versions?deleted=true": [{"subject": S, "version": 1}],
    f"/subjects/{S}/versions": [1],
    f"/subjects/{S}/versions/1": {"subject": S, "version": 1, "id": 7, "schema": TEXT},
}
UNKNOWN = said(404, '{"error_code": 40403, "message": "Schema not found"}')
OTHERS: list[Any] = [None, True, False, 0, -1, 1.5, "", "x", [], {}, [None], {"error": "x"}]
PAGE = b"<!doctype html><html><body>Welcome to the hotel's network</body></html>"


@dataclass
class Tally:
    count: int = 0
    waited: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.wrong) or not (self.waited and self.taken)


class Spoiler:
    """Spoils answers so that none of them is an answer any more."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def spoilt(self, good: Any) -> tuple[str, bytes | None]:
        """Return how an answer is spoilt, and its bytes; None is a hang-up."""
        ways = (self._status, self._kind, self._cut, self._bytes, self._shape, self._page, self._wire)
        way = self._chance.choice(ways)
        return way.__name__, way(good)

    def _status(self, good: Any) -> bytes:
        status = self._chance.choice((201, 202, 203, 301, 304, 404, 407, 409, 418, 429, 500, 502, 503, 599))
        body = self._chance.choice((good, {"message": "no"}, {"error_code": status}, {"error_code": "40403"}))
        return said(status, json.dumps(body), JSON)

    def _kind(self, good: Any) -> bytes:
        kind = self._chance.choice(("text/html", "text/plain", "application/octet-stream", "json", "", None))
        return said(200, json.dumps(good), kind)

    def _cut(self, good: Any) -> bytes:
        body = json.dumps(good).encode()
        return said(200, body[: self._chance.randrange(len(body))], JSON)

    def _bytes(self, good: Any) -> bytes:
        body = json.dumps(good).encode()
        at = self._chance.randrange(len(body) + 1)
        return said(200, body[:at] + self._chance.choice((b"\xff", b"\0", b"\x1f")) + body[at:], JSON)

    def _shape(self, good: Any) -> bytes:
        """Put something of another type in the place of anything that must be there."""
        return said(200, json.dumps(self._replaced(copy.deepcopy(good))), JSON)

    def _page(self, _: Any) -> bytes:
        status = self._chance.choice((200, 204, 302, 400, 403, 404, 500, 502, 503, 504))
        return said(status, PAGE, self._chance.choice(("text/html", JSON)), location="/login")

    def _wire(self, good: Any) -> bytes | None:
        whole = said(200, json.dumps(good), JSON)
        match self._chance.randrange(6):
            case 0:
                return None
            case 1:
                return whole[: self._chance.randrange(len(whole))]
            case 2:
                return whole.replace(b"content-length: ", b"content-length: 9")
            case 3:
                return said(
                    200, json.dumps(good), JSON, content_encoding=self._chance.choice(("gzip", "deflate"))
                )
            case 4:
                return self._chance.randbytes(80)
            case _:
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                return head + b"transfer-encoding: chunked\r\n\r\nzz"

    def _replaced(self, value: Any) -> Any:
        chance = self._chance
        if isinstance(value, dict) and chance.random() < 0.8:
            name = chance.choice(sorted(value))
            if chance.random() < 0.3:
                del value[name]
            else:
                value[name] = self._replaced(value[name])
            return value
        if isinstance(value, list) and value and chance.random() < 0.8:
            value[0] = self._replaced(value[0])
            return value
        return chance.choice([other for other in OTHERS if not _same_kind(other, value)])


def _same_kind(left: Any, right: Any) -> bool:
    return type(left) is type(right) and not (isinstance(left, list | dict) and bool(left) != bool(right))


def message(schema_id: int, value: int) -> Record:
    return record(encode(SchemaId(schema_id), parse(TEXT), {"a": value}), headers(S))


async def fuzz_registry(count: int, chance: random.Random, tally: Tally) -> None:
    """Ask the gate for verdicts while the registry's answers are spoilt."""
    spoilt: dict[str, bytes | None] = {}

    def answer(asked: Asked) -> bytes | None:
        if asked.path in spoilt:
            return spoilt[asked.path]
        return said(200, json.dumps(GOOD[asked.path]), JSON) if asked.path in GOOD else UNKNOWN

    spoiler, good = Spoiler(chance), message(7, 1)
    bad = [message(7, -1), message(8, 1), record(b"\0\0\0\0\x07", headers(S))]
    async with answering(answer) as server:
        registry = Registry(RegistrySettings(url=server.url, timeout_s=5))
        lasting = Contracts(registry)
        for _ in range(count):
            tally.count += 1
            server.asked.clear()
            spoilt.clear()
            if await lasting.get(S) is None:  # type: ignore[arg-type]
                tally.wrong.append("what was in force is gone")
            for path in chance.sample(sorted(GOOD), chance.choice((1, 1, 2, 4))):
                way, spoilt[path] = spoiler.spoilt(GOOD[path])
            gate = _gate(registry)
            what = f"{way}: {spoilt!r:.600}"
            await _expect(gate, good, True, what, tally)
            await _expect(gate, chance.choice(bad), False, what, tally)
            await _expect(_gate(registry, lasting), good, True, what, tally)
            try:
                await lasting.refresh()
            except Unavailable:
                tally.waited["refresh"] += 1
            except Exception as error:  # noqa: BLE001  (finding any is the purpose)
                tally.wrong.append(f"a refresh raised {error!r} for {what}")
            spoilt.clear()
            if not isinstance(await gate.check(good), Accepted):
                tally.wrong.append(f"not accepted afterwards: {what}")
        await registry.close()


def _gate(registry: Registry, contracts: Contracts | None = None) -> Gate:
    schemas = WriterSchemas(registry, Limits(), ask_again_s=0, unknown_for_s=0, usages_for_s=0)
    return Gate(registry, contracts or Contracts(registry), sdr_admission(), schemas=schemas)


async def _expect(gate: Gate, of: Record, is_good: bool, what: str, tally: Tally) -> None:
    try:
        verdict = await gate.check(of)
    except Unavailable:
        tally.waited["gate"] += 1
        return
    except Exception as error:  # noqa: BLE001  (finding any is the purpose)
        tally.wrong.append(f"the gate raised {error!r} for {what}")
        return
    tally.taken["gate"] += 1
    if isinstance(verdict, Accepted) is not is_good:
        tally.wrong.append(f"{verdict!r:.300} for {what}")


RIGHT = {"agent": "beta", "reason": "it fits"}
HABITS: dict[str, Callable[[dict[str, Any], random.Random], None]] = {}


def habit(change: Callable[[dict[str, Any], random.Random], None]) -> None:
    HABITS[change.__name__] = change


@habit
def arguments(whole: dict[str, Any], chance: random.Random) -> None:
    text = json.dumps({"agent": chance.choice(("beta", "Beta", ' "beta" ', "`BETA`.")), "reason": "r" * 1500})
    given = [text, json.loads(text), json.dumps(text), f"```json\n{text}\n```", {"Route": json.loads(text)}]
    _call(whole)["function"]["arguments"] = chance.choice([*given, {"arguments": text}, text[:-1] + ",}"])


@habit
def call(whole: dict[str, Any], chance: random.Random) -> None:
    for name in chance.sample(["id", "type"], chance.randrange(3)):
        _call(whole)[name] = chance.choice((None, 7, ""))
    _call(whole)["function"]["name"] = chance.choice(("final_result", "Route", None, ""))


@habit
def usage(whole: dict[str, Any], chance: random.Random) -> None:
    whole["usage"] = chance.choice((None, {}, [], {"prompt_tokens": None}, {"prompt_tokens": 1e9, "x": "y"}))


@habit
def outside(whole: dict[str, Any], chance: random.Random) -> None:
    for name in chance.sample(["id", "object", "created", "model", "service_tier"], chance.randrange(6)):
        whole[name] = chance.choice((None, 1.5, "x", [], -7, 1e300))


@habit
def end(whole: dict[str, Any], chance: random.Random) -> None:
    whole["choices"][0]["finish_reason"] = chance.choice((None, "", "eos", "length", 3))
    whole["choices"][0]["message"].pop("role", None)


@habit
def prose(whole: dict[str, Any], chance: random.Random) -> None:
    text = json.dumps(RIGHT)
    inside = chance.choice((text, f"I say {text}.", f"```\n{text}\n```", f"<think>{{no</think> {text}"))
    whole["choices"][0]["message"] = {"content": inside, "tool_calls": chance.choice((None, []))}


def _call(whole: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = whole["choices"][0]["message"].setdefault("tool_calls", None) or {}
    if not made:
        made = {"function": {"name": "final_result", "arguments": json.dumps(RIGHT)}}
        whole["choices"][0]["message"]["tool_calls"] = made
        return made
    one: dict[str, Any] = made[0] if isinstance(made, list) else made
    return one


def completion() -> dict[str, Any]:
    function = {"name": "final_result", "arguments": json.dumps(RIGHT)}
    called = [{"id": "call_1", "type": "function", "function": function}]
    choice = {
        "index": 0,
        "finish_reason": "tool_calls",
        "message": {"role": "assistant", "tool_calls": called},
    }
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


async def fuzz_model(count: int, chance: random.Random, tally: Tally) -> None:
    """Let the router choose while the model's answers are spoilt, or have servers' habits."""
    first: list[bytes | None] = []

    def answer(_: Asked) -> bytes | None:
        return first.pop() if first else said(200, json.dumps(completion()), JSON)

    spoiler = Spoiler(chance)
    agents = [
        AgentDefinition.model_validate(
            {"id": name, "name": name, "description": name, "input": [S], "output": [S]}
        )
        for name in ("alpha", "beta")
    ]
    async with answering(answer) as server:
        settings = ModelSettings(base_url=f"{server.url}/v1", timeout_s=5)
        router = Router(Model("fuzzed", settings))
        for number in range(count):
            tally.count += 1
            server.asked.clear()
            whole, way = completion(), ""
            if chance.random() < 0.5:
                names = chance.sample(sorted(HABITS), chance.randrange(1, 4))
                for way in names:
                    HABITS[way](whole, chance)
                first[:] = [said(200, json.dumps(whole), "application/json; charset=utf-8")]
            else:
                way, bad = spoiler.spoilt(whole)
                first[:] = [bad]
            await _route(router, agents, f"m-{number}", f"{way}: {first!r:.600}", tally)
            if first:
                tally.wrong.append(f"the model was not asked: {way}")
                first.clear()
            if number % 7 == 0:
                await _route(router, agents, f"m-{number}", "", tally, must=True)


async def _route(
    router: Router, agents: list[AgentDefinition], name: str, what: str, tally: Tally, *, must: bool = False
) -> None:
    try:
        choice = await router.choose(_accepted(name), agents)
    except Unavailable as error:
        tally.waited["router"] += 1
        if must:
            tally.wrong.append(f"a good answer was waited for: {error}")
        return
    except Exception as error:  # noqa: BLE001  (finding any is the purpose)
        tally.wrong.append(f"the router raised {error!r:.300} for {what}")
        return
    tally.taken["router"] += 1
    if choice.agent != "beta" or len(choice.reason) > 1000:
        tally.wrong.append(f"{choice!r:.200} for {what}")


def _accepted(name: str) -> Accepted:
    envelope = Envelope.parse(headers(S, ce_id=name.encode()))
    given: Any = {"record": message(7, 1), "envelope": envelope, "lead_id": "lead-1", "record_type": S}
    return Accepted(**given, datum={"a": 1}, contract=None)  # type: ignore[arg-type]


async def fuzz(count: int, seed: int) -> Tally:
    tally, chance = Tally(), random.Random(seed)
    await fuzz_registry(count // 2, chance, tally)
    await fuzz_model(count - count // 2, chance, tally)
    return tally


def report(tally: Tally, seed: int, took_s: float) -> None:
    print(f"seed {seed}: {tally.count:,} spoilt answers in {took_s:.0f} s")
    print(f"  taken {dict(tally.taken)}, waited {dict(tally.waited)}")
    show({"wrong": tally.wrong}, most=10)


def main() -> int:
    os.environ.pop("MODEL_CALL_LOG", None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    return run(
        __doc__,
        count=5_000,
        what="spoilt answers",
        fuzz=lambda count, seed: asyncio.run(fuzz(count, seed)),
        report=report,
    )


if __name__ == "__main__":
    sys.exit(main())
