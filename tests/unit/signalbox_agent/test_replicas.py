"""Two replicas of one agent share a PostgreSQL: a message that both get has one answer."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from pydantic import BaseModel

from postgres_server import text_of
from signalbox_agent import Message, Work


@pytest.fixture
def replicas(make_bench: Callable[[Path], Any], tmp_path: Path, postgres: sql.URL) -> list[Any]:
    made = [make_bench(tmp_path / name) for name in ("one", "other")]
    for bench in made:
        bench.settings = {"state_store_url": text_of(postgres)}
    return made


def each_its_own(replicas: Sequence[Any], reply: type[BaseModel]) -> None:
    """Let each replica answer differently, when both have begun: neither has found an answer, then."""
    both_began = asyncio.Barrier(len(replicas))
    for number, bench in enumerate(replicas):

        async def answer(message: Message[Any], work: Work, number: int = number) -> Sequence[BaseModel]:
            await both_began.wait()
            return [reply(text=f"{message.record.text} by replica {number}")]

        bench.handle = answer


async def test_a_message_that_two_replicas_get_at_once_has_the_same_bytes_and_is_kept_once(
    replicas: list[Any], reply: type[BaseModel], postgres: sql.URL
) -> None:
    each_its_own(replicas, reply)
    async with AsyncExitStack() as running, asyncio.timeout(60):
        for bench in replicas:
            await running.enter_async_context(bench.running())
        for number in range(10):
            answers = await asyncio.gather(*(bench.ask(message_id=f"m-{number}") for bench in replicas))
            assert [answer.status_code for answer in answers] == [200, 200]
    one, other = ([(draft.value, draft.headers) for draft in bench.published] for bench in replicas)
    assert len(one) == 10
    assert one == other
    engine = sql.create_engine(postgres)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM workflow_answers").scalar_one() == 10
    engine.dispose()


async def test_a_replica_answers_what_the_other_has_handled_before(
    replicas: list[Any], reply: type[BaseModel]
) -> None:
    for bench in replicas:
        async with bench.running():
            assert (await bench.ask()).status_code == 200
    one, other = replicas
    assert other.published == one.published
    assert (len(one.handled), len(other.handled)) == (1, 0)


async def test_an_agent_waits_for_its_database_and_says_so(bench: Any) -> None:
    bench.settings = {"state_store_url": "postgresql://agent:geheim@127.0.0.1:9/state"}
    async with bench.running(ready=False):

        async def says_so() -> bool:
            waiting = (await bench.get("/readyz")).json()["waiting_for"]
            return any(why.startswith("state store: ") for why in waiting)

        await bench.until(says_so)
        assert "geheim" not in (await bench.get("/readyz")).text
        assert (await bench.ask()).status_code == 503
