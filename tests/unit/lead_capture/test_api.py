import asyncio
import json
from typing import Any

import httpx2
import pytest

from lead_capture.sql_store import SqlLeadStore

HEADER = "name,email,company_name,job_title,lead_source,project_description\n"
CSV = {"content-type": "text/csv"}


async def none_waits(store: SqlLeadStore) -> bool:
    return await store.count_waiting() == 0


def bad_fields(answer: httpx2.Response) -> set[str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return {error["field"] for error in body.get("errors", [])}


async def test_a_lead_is_accepted_and_published_under_the_id_that_was_answered(
    client: httpx2.AsyncClient, publisher: Any, good: dict[str, str], eventually: Any
) -> None:
    answer = await client.post("/leads", json={**good, "company_website": None})
    assert answer.status_code == 202
    lead_id = answer.json()["lead_id"]
    assert answer.json() == {"lead_id": lead_id}
    await eventually(lambda: publisher.ids == [lead_id])
    assert publisher.published[0].details.name == good["name"]
    assert publisher.published[0].captured_at.microsecond % 1000 == 0


async def test_the_state_says_when_a_lead_was_published_and_nothing_about_the_person(
    client: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str], eventually: Any
) -> None:
    lead_id = (await client.post("/leads", json=good)).json()["lead_id"]
    await eventually(lambda: none_waits(store))
    state = (await client.get(f"/leads/{lead_id}")).json()
    assert set(state) == {"lead_id", "captured_at", "published_at"}
    assert state["published_at"] >= state["captured_at"]
    assert (await client.get("/leads/unknown")).status_code == 404


async def test_a_bad_lead_gets_a_problem_that_names_each_field(
    client: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str]
) -> None:
    answer = await client.post(
        "/leads", json={**good, "email": "nobody", "name": "", "age": 3, "job_title": 7}
    )
    assert answer.status_code == 422
    assert bad_fields(answer) == {"email", "name", "age", "job_title"}
    assert await store.count_waiting() == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"name": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b'{"name": %s}' % (b"9" * 5000), 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"name": "A", "name": "B"}', 422),
        (b'{"name": "\\ud800"}', 422),
    ],
)
async def test_what_is_no_json_object_is_a_problem(
    client: httpx2.AsyncClient, body: bytes, status: int
) -> None:
    answer = await client.post("/leads", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    bad_fields(answer)


async def test_other_media_types_methods_and_paths_are_problems(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/leads", content=b"<lead/>", headers={"content-type": "text/xml"})
    assert answer.status_code == 415
    bad_fields(answer)
    assert (await client.put("/leads")).headers["content-type"] == "application/problem+json"
    assert (await client.get("/nowhere")).headers["content-type"] == "application/problem+json"


async def test_curl_without_a_content_type_may_post_json(
    client: httpx2.AsyncClient, good: dict[str, str]
) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post("/leads", content=json.dumps(good).encode(), headers=headers)
    assert answer.status_code == 202
    assert answer.json()["lead_id"]


async def test_a_resubmission_with_the_same_key_is_one_lead(
    client: httpx2.AsyncClient, publisher: Any, store: SqlLeadStore, good: dict[str, str], eventually: Any
) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
    answers = await asyncio.gather(*[client.post("/leads", json=good, headers=headers) for _ in range(8)])
    assert {answer.status_code for answer in answers} == {202}
    (lead_id,) = {answer.json()["lead_id"] for answer in answers}
    await eventually(lambda: none_waits(store))
    assert publisher.ids == [lead_id]


async def test_a_key_that_was_used_for_another_lead_is_refused(
    client: httpx2.AsyncClient, good: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": "k"}
    await client.post("/leads", json=good, headers=headers)
    answer = await client.post("/leads", json={**good, "name": "Another"}, headers=headers)
    assert answer.status_code == 422
    assert bad_fields(answer) == {"Idempotency-Key"}


async def test_a_given_lead_id_is_kept_and_belongs_to_one_lead(
    client: httpx2.AsyncClient, publisher: Any, good: dict[str, str], eventually: Any
) -> None:
    for _ in range(2):
        answer = await client.post("/leads", json={**good, "lead_id": "crm-17"})
        assert answer.json() == {"lead_id": "crm-17"}
    answer = await client.post("/leads", json={**good, "lead_id": "crm-17", "name": "Another"})
    assert bad_fields(answer) == {"lead_id"}
    await eventually(lambda: publisher.ids == ["crm-17"])


async def test_a_body_over_the_limit_is_refused_whether_or_not_it_says_so(client: httpx2.AsyncClient) -> None:
    async def endless() -> object:
        for _ in range(100):
            yield b"x" * 64 * 1024

    announced = await client.post(
        "/leads", content=b"x" * 300_000, headers={"content-type": "application/json"}
    )
    assert announced.status_code == 413
    bad_fields(announced)
    for path in ("/leads", "/leads/import"):
        answer = await client.post(path, content=endless(), headers={"content-type": ""})
        assert answer.status_code == 413
        bad_fields(answer)


async def test_leads_are_accepted_while_the_broker_is_away_and_published_later_in_order(
    client: httpx2.AsyncClient, publisher: Any, good: dict[str, str], eventually: Any
) -> None:
    publisher.away = "broker"
    ids = []
    for number in range(5):
        answer = await client.post("/leads", json={**good, "name": f"Lead {number}"})
        assert answer.status_code == 202
        ids.append(answer.json()["lead_id"])
    async with asyncio.timeout(10):
        while (ready := await client.get("/readyz")).status_code != 503:
            await asyncio.sleep(0.01)
    assert "broker is unavailable" in ready.json()["waiting_for"][0]
    assert (await client.get("/healthz")).status_code == 200
    publisher.away = None
    await eventually(lambda: publisher.ids == ids)
    async with asyncio.timeout(10):
        while (await client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.01)


async def test_leads_that_waited_are_published_after_a_restart(
    serve: Any, publisher: Any, store: SqlLeadStore, good: dict[str, str], eventually: Any
) -> None:
    publisher.away = "registry"
    async with serve() as client:
        lead_id = (await client.post("/leads", json=good)).json()["lead_id"]
    publisher.away = None
    async with serve():
        await eventually(lambda: publisher.ids == [lead_id])


async def test_a_broken_store_answers_503_and_takes_nothing(
    client: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str]
) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE leads")
    answer = await client.post("/leads", json=good)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    bad_fields(answer)


async def test_metrics_count_what_was_accepted_and_refused(
    client: httpx2.AsyncClient, good: dict[str, str]
) -> None:
    await client.post("/leads", json=good)
    await client.post("/leads", json={})
    text = (await client.get("/metrics")).text
    assert 'lead_capture_accepted_total{via="api"}' in text
    assert 'lead_capture_rejected_total{via="api"}' in text


async def test_the_api_description_has_the_fields_of_a_lead(
    client: httpx2.AsyncClient, good: dict[str, str]
) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    schema = paths["/leads"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["required"]) == set(good)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
async def test_no_page_loads_scripts_from_elsewhere(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_an_import_takes_the_good_rows_and_says_why_not_for_each_bad_one(
    client: httpx2.AsyncClient, publisher: Any, eventually: Any
) -> None:
    text = HEADER + (
        'Ann,a@b.example,B,CTO,fair,"two\nlines"\n'
        "Bob,not an address,,CTO,fair,\n"
        "Cy,c@b.example,B,CTO,fair,,too,many\n"
        "Dee,d@b.example,B,CTO,fair\n"
    )
    answer = await client.post("/leads/import", content=text.encode(), headers=CSV)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["rejected"], len(body["lead_ids"])) == (2, 2, 2)
    assert [(error["line"], {bad["field"] for bad in error["problems"]}) for error in body["errors"]] == [
        (4, {"email", "company_name"}),
        (5, {"row"}),
    ]
    await eventually(lambda: publisher.ids == body["lead_ids"])


async def test_a_multipart_import_ignores_unknown_columns_and_says_so(client: httpx2.AsyncClient) -> None:
    text = (
        b"\xef\xbb\xbfname,email,company_name,job_title,lead_source,Shoe Size\nAnn,a@b.example,B,CTO,x,42\n"
    )
    answer = await client.post("/leads/import", files={"file": ("leads.csv", text, "text/csv")})
    assert answer.json()["accepted"] == 1
    assert answer.json()["ignored_columns"] == ["shoe_size"]
    assert bad_fields(await client.post("/leads/import", files={"other": b""})) == {"file"}


async def test_an_import_spans_batches_and_keeps_the_order(
    client: httpx2.AsyncClient, store: SqlLeadStore
) -> None:
    rows = [
        f"N{number},n{number}@b.example,{'' if number % 100 == 7 else 'B'},CTO,x" for number in range(1200)
    ]
    answer = await client.post("/leads/import", content=(HEADER + "\n".join(rows)).encode(), headers=CSV)
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (1188, 12)
    assert [error["line"] for error in body["errors"]] == [number + 2 for number in range(7, 1200, 100)]
    assert len(set(body["lead_ids"])) == 1188


async def test_an_import_with_a_key_can_be_repeated(
    client: httpx2.AsyncClient, publisher: Any, store: SqlLeadStore, eventually: Any
) -> None:
    text = (HEADER + "Ann,a@b.example,B,CTO,x\nAnn,a@b.example,B,CTO,x\n").encode()
    answers = [
        await client.post("/leads/import", content=text, headers={**CSV, "Idempotency-Key": "file-1"})
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    await eventually(lambda: none_waits(store))
    assert publisher.ids == answers[0].json()["lead_ids"]


async def test_a_lead_id_that_is_taken_is_a_problem_of_its_row(client: httpx2.AsyncClient) -> None:
    text = (
        "lead_id,"
        + HEADER
        + "1,Ann,a@b.example,B,CTO,x\n1,Bob,b@b.example,B,CTO,x\n2,Cy,c@b.example,B,CTO,x\n"
    )
    body = (await client.post("/leads/import", content=text.encode(), headers=CSV)).json()
    assert body["lead_ids"] == ["1", "2"]
    assert [(error["line"], error["problems"][0]["field"]) for error in body["errors"]] == [(3, "lead_id")]


async def test_nothing_is_stored_of_a_file_that_turns_out_not_to_be_utf8(
    client: httpx2.AsyncClient, publisher: Any, store: SqlLeadStore
) -> None:
    rows = "".join(f"N{number},n{number}@b.example,B,CTO,x\n" for number in range(900))
    answer = await client.post("/leads/import", content=(HEADER + rows).encode() + b"\xff", headers=CSV)
    assert answer.status_code == 422
    assert "line 902 is not UTF-8" in answer.json()["detail"]
    assert await store.count_waiting() == 0
    assert publisher.ids == []


async def test_an_import_says_what_it_takes(client: httpx2.AsyncClient) -> None:
    for kind, status in (("application/json", 415), ("text/csv; charset=latin-1", 422)):
        answer = await client.post("/leads/import", content=b"x", headers={"content-type": kind})
        assert answer.status_code == status
        bad_fields(answer)
    assert bad_fields(await client.post("/leads/import", content=b"name,email\n", headers=CSV)) == {
        "company_name", "job_title", "lead_source",
    }  # fmt: skip


async def test_after_very_many_bad_rows_reading_stops_and_says_where(
    client: httpx2.AsyncClient, store: SqlLeadStore
) -> None:
    rows = "Ann,a@b.example,B,CTO,x\n" + "\n" + "x\n" * 1500 + "Bob,b@b.example,B,CTO,x\n"
    body = (await client.post("/leads/import", content=(HEADER + rows).encode(), headers=CSV)).json()
    assert (body["accepted"], body["rejected"], len(body["errors"])) == (1, 1000, 1000)
    assert body["errors"][-1]["line"] == 1003
    assert "ended at line 1003" in body["stopped"]
    whole = await client.post("/leads/import", content=(HEADER + "x\n" * 999).encode(), headers=CSV)
    assert whole.json()["stopped"] is None
