"""Lead capture as a process, with real HTTP, a real store, a real broker and a real registry."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from committed_contracts import schema_text
from local_stack import Stack
from signalbox.avro import decode, parse, unframe
from signalbox.kafka import KafkaSettings, read_to_end
from signalbox.protocol.envelope import Envelope, derived_id
from signalbox.protocol.names import INCOMING_LEADS
from signalbox.protocol.records import Record

LEAD = {
    "name": "Zoë 山田",
    "email": "zoe@fjordworks.example",
    "company_name": "Fjordworks",
    "job_title": "COO",
    "lead_source": "webinar",
}


def published(stack: Stack, ids: Sequence[str], seconds: float = 40) -> list[Record]:
    """Return the records of these leads, when there is one for each."""
    settings = KafkaSettings(bootstrap_servers=stack.addresses["broker"])
    deadline = time.monotonic() + seconds
    while True:
        records = [r for r in read_to_end(settings, [INCOMING_LEADS]) if (r.key or b"").decode() in set(ids)]
        if {(record.key or b"").decode() for record in records} == set(ids):
            return records
        assert time.monotonic() < deadline, f"{len(records)} of {len(ids)} leads were published in time"
        time.sleep(0.1)


def test_leads_are_published_once_in_order_and_as_the_contract_says(governed: Stack, start: Any) -> None:
    process = start(governed.env)
    process.wait_for("/readyz", 200)
    answers = [process.client.post("/leads", json={**LEAD, "name": f"Lead {n}"}) for n in range(30)]
    assert {answer.status_code for answer in answers} == {202}
    ids = [answer.json()["lead_id"] for answer in answers]
    records = published(governed, ids)
    assert len(records) == 30
    for partition in {record.partition for record in records}:
        keys = [(record.key or b"").decode() for record in records if record.partition == partition]
        assert keys == sorted(keys, key=ids.index)
    schema = parse(schema_text("sdr.LeadCaptured"))
    for record in records:
        lead_id = (record.key or b"").decode()
        lead = decode(unframe(record.value)[1], schema)["lead"]
        assert (lead["lead_id"], lead["name"]) == (lead_id, f"Lead {ids.index(lead_id)}")
        assert Envelope.parse(record.headers).id == derived_id("lead_capture", lead_id)
    assert process.end() in (0, -15)


def test_leads_survive_a_kill_while_everything_else_is_away(
    governed: Stack, start: Any, nowhere: dict[str, str]
) -> None:
    process = start({**governed.env, **nowhere})
    ids = [process.client.post("/leads", json=LEAD).json()["lead_id"] for _ in range(10)]
    assert "registry" in process.wait_for("/readyz", 503).json()["waiting_for"][0]
    process.kill()

    again = start(governed.env)
    assert len(published(governed, ids)) == 10
    again.wait_for("/readyz", 200)
    assert again.client.get(f"/leads/{ids[0]}").json()["published_at"]


def test_a_broker_that_is_away_is_named_while_leads_are_accepted(
    governed: Stack, start: Any, nowhere: dict[str, str]
) -> None:
    bootstrap = {"KAFKA_BOOTSTRAP_SERVERS": nowhere["KAFKA_BOOTSTRAP_SERVERS"]}
    process = start({**governed.env, **bootstrap})
    process.wait_for("/readyz", 200)
    assert process.client.post("/leads", json=LEAD).status_code == 202
    assert "broker" in process.wait_for("/readyz", 503).json()["waiting_for"][0]
    assert process.client.post("/leads", json=LEAD).status_code == 202
    assert process.end() in (0, -15)


def test_the_example_leads_are_imported_and_published(governed: Stack, start: Any, root: Path) -> None:
    process = start(governed.env)
    with (root / "examples" / "leads.csv").open("rb") as file:
        result = process.client.post("/leads/import", files={"file": file}).json()
    assert result["errors"] == []
    assert len(published(governed, result["lead_ids"])) == result["accepted"] >= 240


def test_a_body_that_is_too_large_is_refused_over_a_real_connection(
    start: Any, nowhere: dict[str, str]
) -> None:
    process = start(nowhere)
    answer = process.client.post(
        "/leads", content=b" " * 300_000, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    chunks = (b"x" * 65_536 for _ in range(100))
    answer = process.client.post("/leads/import", content=chunks, headers={"content-type": "text/csv"})
    assert answer.status_code == 413
    assert process.client.post("/leads", json=LEAD).status_code == 202
