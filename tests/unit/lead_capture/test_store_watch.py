"""A store that can't be written shows in /readyz before a lead is refused, and again when it is well."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lead_capture.sql_store import SqlLeadStore
from signalbox.protocol.names import LeadId


async def ready(client: httpx2.AsyncClient, status: int) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (answer := await client.get("/readyz")).status_code != status:
            await asyncio.sleep(0.02)
    body: dict[str, Any] = answer.json()
    return body


def set_pages(store: SqlLeadStore, more: int | None) -> None:
    """Leave room for so many more pages on the connections of the store; None: for very many."""
    with store._engine.connect() as connection:
        there = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {there + more if more is not None else 2**30}")


@pytest.fixture
def one_connection(store: SqlLeadStore) -> SqlLeadStore:
    """The limit of pages is one connection's, so there is one."""
    import sqlalchemy as sa

    store._engine.dispose()
    store._engine = sa.create_engine(
        store._engine.url, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0, hide_parameters=True
    )
    return store


async def test_a_full_disk_is_in_readyz_before_and_after_a_post_and_leaves_it_when_there_is_room(
    one_connection: SqlLeadStore, serve: Any, good: dict[str, str]
) -> None:
    async with serve(store_probe_s=0.1) as client:
        await ready(client, 200)
        kept = (await client.post("/leads", json=good)).json()["lead_id"]
        set_pages(one_connection, 0)
        big = {**good, "project_description": "x" * 20_000}
        answers = [await client.post("/leads", json=big) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503] * 3
        assert "full" in " ".join((await ready(client, 503))["waiting_for"])
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get(f"/leads/{kept}")).status_code == 200
        set_pages(one_connection, None)
        await ready(client, 200)
        assert (await client.post("/leads", json=big)).status_code == 202


async def test_a_store_that_fails_without_a_post_is_found_by_the_probe(
    store: SqlLeadStore, serve: Any, tmp_path: Path
) -> None:
    async with serve(store_probe_s=0.05) as client:
        await ready(client, 200)
        with store._engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE store_probes RENAME TO gone")
        assert any(why.startswith("lead store") for why in (await ready(client, 503))["waiting_for"])
        with store._engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO store_probes")
        await ready(client, 200)


async def test_a_probe_leaves_one_row_however_often_it_is_written(store: SqlLeadStore) -> None:
    for size in (10, 100_000, 10):
        await store.probe(size)
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT length(filler) FROM store_probes").scalars().all() == [10]
    assert await store.state(LeadId("none")) is None


async def test_no_room_for_temporary_files_is_a_bad_moment(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", full)
    text = b"name\n" * 1000
    plain = await client.post("/leads/import", content=text, headers={"content-type": "text/csv"})
    parts = await client.post("/leads/import", files={"file": ("leads.csv", text, "text/csv")})
    for answer in (plain, parts):
        assert answer.status_code == 503
        assert "No space left" in answer.text or "temporary files" in answer.text
