import asyncio
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from lead_capture.sql_store import SqlLeadStore
from lead_capture.sql_tables import COUNTERS

KEY = "k" * 32
PROXY = "10.0.0.1"
MANY = {"leads_per_address_hour": 1000, "leads_per_address_day": 1000}


async def posted(client: httpx2.AsyncClient, good: dict[str, str], **headers: str) -> httpx2.Response:
    return await client.post("/leads", json=good, headers=headers)


async def statuses(client: httpx2.AsyncClient, leads: list[dict[str, str]], **headers: str) -> list[int]:
    return [(await posted(client, lead, **headers)).status_code for lead in leads]


def leads(good: dict[str, str], count: int, domain: str = "") -> list[dict[str, str]]:
    return [{**good, "email": f"p{n}@{domain or f'd{n}.example'}"} for n in range(count)]


def counted(store: SqlLeadStore) -> int:
    with store._engine.connect() as connection:
        return connection.execute(sa.select(sa.func.coalesce(sa.func.sum(COUNTERS.c.count), 0))).scalar_one()


async def test_a_stranger_may_post_so_many_leads_an_hour(
    serve: Any, good: dict[str, str], store: SqlLeadStore
) -> None:
    async with serve("203.0.113.5", leads_per_address_hour=3) as client:
        assert await statuses(client, leads(good, 5)) == [202, 202, 202, 429, 429]
        answer = await posted(client, good)
        assert answer.headers["content-type"] == "application/problem+json"
        assert 0 < int(answer.headers["retry-after"]) <= 3600
        assert await store.count_waiting() <= 3


async def test_and_so_many_a_day(serve: Any, good: dict[str, str]) -> None:
    async with serve("203.0.113.5", leads_per_address_day=2) as client:
        assert await statuses(client, leads(good, 3)) == [202, 202, 429]
        assert int((await posted(client, good)).headers["retry-after"]) > 3600


async def test_a_hundred_strangers_can_not_flood_one_recipient(serve: Any, good: dict[str, str]) -> None:
    spellings = ["v.ictim@gmail.com", "victim+1@gmail.com", "VICTIM@googlemail.com", "victim@gmail.com"]
    async with serve(PROXY, trusted_proxies=PROXY, leads_per_recipient_hour=3) as client:
        got = [
            (
                await posted(
                    client,
                    {**good, "email": spellings[n % 4], "name": f"N {n}"},
                    **{"X-Forwarded-For": f"198.51.100.{n}"},
                )
            ).status_code
            for n in range(100)
        ]
    assert got == [202] * 3 + [429] * 97


@pytest.mark.parametrize(("domain", "taken"), [("victim.example", 4), ("gmail.com", 8), ("my.example", 8)])
async def test_a_domain_has_a_limit_and_a_mail_providers_a_higher_one(
    serve: Any, good: dict[str, str], domain: str, taken: int
) -> None:
    limits = {"leads_per_domain_hour": 4, "leads_per_provider_hour": 8, "mail_providers": "my.example"}
    async with serve("203.0.113.5", **limits) as client:
        got = await statuses(client, leads(good, 10, domain))
    assert got == [202] * taken + [429] * (10 - taken)


async def test_a_post_that_is_refused_counts_against_its_poster_and_not_against_the_recipient(
    serve: Any, good: dict[str, str]
) -> None:
    limits = {"leads_per_address_hour": 5, "leads_per_recipient_hour": 2, "leads_per_domain_hour": 3}
    async with serve(PROXY, trusted_proxies=PROXY, **limits) as client:
        attacker = {"X-Forwarded-For": "198.51.100.1"}
        mails = [{**good, "name": f"N {n}", "email": "victim@victim.example"} for n in range(20)]
        assert await statuses(client, mails, **attacker) == [202, 202] + [429] * 18
        # He has used up what he may post at all ...
        assert (await posted(client, {**good, "email": "else@else.example"}, **attacker)).status_code == 429
        # ... but his refused posts did not use up what others may post for this domain.
        other = {"X-Forwarded-For": "198.51.100.2"}
        assert (await posted(client, {**good, "email": "b@victim.example"}, **other)).status_code == 202


async def test_a_bad_lead_counts_against_nobody(
    serve: Any, good: dict[str, str], store: SqlLeadStore
) -> None:
    async with serve("203.0.113.5") as client:
        assert await statuses(client, [{**good, "email": "nobody"}] * 5) == [422] * 5
    assert counted(store) == 0


async def test_a_repeat_is_the_same_lead_and_counts_once(
    serve: Any, good: dict[str, str], store: SqlLeadStore
) -> None:
    async with serve("203.0.113.5", leads_per_address_hour=2) as client:
        answers = [await posted(client, good, **{"Idempotency-Key": "a"}) for _ in range(10)]
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["lead_id"] for answer in answers}) == 1
        assert (await posted(client, {**good, "name": "B"})).status_code == 202
        assert (await posted(client, {**good, "name": "C"})).status_code == 429
        # What was taken before is answered as before.
        assert (await posted(client, good, **{"Idempotency-Key": "a"})).status_code == 202


async def test_posts_at_the_same_moment_do_not_slip_through(
    serve: Any, good: dict[str, str], store: SqlLeadStore
) -> None:
    async with serve("203.0.113.5", leads_per_recipient_hour=3) as client:
        answers = await asyncio.gather(*(posted(client, {**good, "name": f"N {n}"}) for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 9


async def test_limits_hold_over_a_restart(serve: Any, good: dict[str, str]) -> None:
    for expected in ([202, 202], [202, 429]):
        async with serve("203.0.113.5", leads_per_address_hour=3) as client:
            assert await statuses(client, leads(good, 2)) == expected


async def test_who_is_on_this_machine_or_has_a_key_posts_without_limit(
    serve: Any, good: dict[str, str], store: SqlLeadStore
) -> None:
    async with serve(leads_per_address_hour=1, leads_per_recipient_hour=1) as client:
        assert await statuses(client, [good] * 5) == [202] * 5
    keys = SecretStr(f"crm={KEY}")
    async with serve("203.0.113.5", lead_api_keys=keys, leads_per_address_hour=1) as client:
        assert await statuses(client, [good] * 5, Authorization=f"Bearer {KEY}") == [202] * 5
        assert await statuses(client, [good], Authorization="Bearer wrong") == [401]
    assert counted(store) == 0


async def test_a_spoofed_hop_does_not_help(serve: Any, good: dict[str, str]) -> None:
    async with serve(PROXY, trusted_proxies=PROXY, leads_per_address_hour=2) as client:
        got = [
            (await posted(client, lead, **{"X-Forwarded-For": f"192.0.2.{n}, 198.51.100.7"})).status_code
            for n, lead in enumerate(leads(good, 4))
        ]
    assert got == [202, 202, 429, 429]


async def test_an_ipv6_subscriber_is_one_poster_however_many_addresses_he_has(
    serve: Any, good: dict[str, str]
) -> None:
    async with serve(PROXY, trusted_proxies=PROXY, leads_per_address_hour=2) as client:
        got = [
            (await posted(client, lead, **{"X-Forwarded-For": f"2001:db8:9:9::{n:x}"})).status_code
            for n, lead in enumerate(leads(good, 4))
        ]
        assert got == [202, 202, 429, 429]
        got = [
            (await posted(client, lead, **{"X-Forwarded-For": f"2001:db8:8:{n:x}::1"})).status_code
            for n, lead in enumerate(leads(good, 30))
        ]
    assert got == [202] * 20 + [429] * 10


async def test_the_form_says_it_on_a_page_that_keeps_what_was_typed(serve: Any, good: dict[str, str]) -> None:
    async with serve("203.0.113.5", leads_per_address_hour=1) as client:
        assert (await client.post("/", data=good)).status_code == 202
        answer = await client.post("/leads", data=good)
    assert answer.status_code == 429
    assert answer.headers["retry-after"]
    assert "try again later" in answer.text
    assert good["name"] in answer.text


async def test_the_answer_does_not_say_which_limit_it_was(serve: Any, good: dict[str, str]) -> None:
    async with serve("203.0.113.5", leads_per_recipient_hour=1) as client:
        await posted(client, good)
        by_recipient = (await posted(client, good)).json()
    async with serve("203.0.113.6", leads_per_address_hour=1) as client:
        await statuses(client, leads(good, 1))
        by_address = (await posted(client, {**good, "email": "z@z.example"})).json()
    assert by_recipient == by_address


async def test_strangers_get_ids_of_ours(serve: Any, good: dict[str, str], store: SqlLeadStore) -> None:
    async with serve("203.0.113.5") as client:
        answer = await posted(client, {**good, "lead_id": "crm-1001"})
        assert answer.status_code == 422
        assert [bad["field"] for bad in answer.json()["errors"]] == ["lead_id"]
        assert "API key" in answer.json()["errors"][0]["detail"]
        assert (await posted(client, {**good, "lead_id": ""})).status_code == 202
    assert await store.count_waiting() <= 1


@pytest.mark.parametrize("peer", ["203.0.113.5", "127.0.0.1"])
@pytest.mark.parametrize("path", ["/", "/leads"])
async def test_a_form_chooses_no_id_whoever_posts_it(
    serve: Any, good: dict[str, str], store: SqlLeadStore, peer: str, path: str
) -> None:
    async with serve(peer) as client:
        answer = await client.post(path, data={**good, "lead_id": "crm-1001"})
        assert answer.status_code == 202
        assert "crm-1001" not in answer.text
        assert (await client.get("/leads/crm-1001")).status_code == 404
    assert await store.state("crm-1001") is None  # type: ignore[arg-type]


async def test_callers_on_this_machine_and_with_a_key_keep_their_ids(
    serve: Any, good: dict[str, str]
) -> None:
    async with serve() as client:
        assert (await posted(client, {**good, "lead_id": "crm-1"})).json() == {"lead_id": "crm-1"}
    async with serve("203.0.113.5", lead_api_keys=SecretStr(f"crm={KEY}")) as client:
        key = {"Authorization": f"Bearer {KEY}"}
        assert (await posted(client, {**good, "lead_id": "crm-2"}, **key)).json() == {"lead_id": "crm-2"}
        assert (await posted(client, {**good, "lead_id": "crm-2", "name": "B"}, **key)).status_code == 422
        assert (await client.get("/leads/crm-2", headers=key)).status_code == 200


async def test_nobody_takes_or_learns_of_anothers_idempotency_key(serve: Any, good: dict[str, str]) -> None:
    keys = SecretStr(f"crm={KEY},shop={'s' * 32}")
    key = {"Idempotency-Key": "order-17"}
    async with serve("203.0.113.5", lead_api_keys=keys) as client:
        squatted = (await posted(client, {**good, "name": "Squatter"}, **key)).json()["lead_id"]
        ids = [squatted]
        for one in (KEY, "s" * 32):
            answer = await posted(client, good, Authorization=f"Bearer {one}", **key)
            assert answer.status_code == 202
            ids.append(answer.json()["lead_id"])
        other = await posted(client, {**good, "name": "Another stranger"}, **key)
        assert other.status_code == 202
        ids.append(other.json()["lead_id"])
    assert len(set(ids)) == 4


async def test_a_stranger_learns_the_state_of_ids_that_can_not_be_guessed_alone(
    serve: Any, good: dict[str, str]
) -> None:
    async with serve() as client:
        await posted(client, {**good, "lead_id": "crm-1001"})
        assert (await client.get("/leads/crm-1001")).status_code == 200
    async with serve("203.0.113.5") as client:
        assert (await client.get("/leads/crm-1001")).json() == (await client.get("/leads/crm-1002")).json()
        mine = (await posted(client, {**good, "name": "B"})).json()["lead_id"]
        assert (await client.get(f"/leads/{mine}")).status_code == 200


async def test_files_are_taken_from_this_machine_and_with_a_key_alone(serve: Any) -> None:
    text = b"name,email,company_name,job_title,lead_source\nAnn,a@b.example,B,CTO,x\n"
    csv = {"content-type": "text/csv"}
    async with serve("203.0.113.5", lead_api_keys=SecretStr(f"crm={KEY}")) as client:
        refused = await client.post("/leads/import", content=text, headers=csv)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        taken = await client.post(
            "/leads/import", content=text, headers={**csv, "Authorization": f"Bearer {KEY}"}
        )
        assert taken.json()["accepted"] == 1


async def test_counters_whose_time_has_ended_are_forgotten(
    serve: Any, good: dict[str, str], store: SqlLeadStore
) -> None:
    async with serve("203.0.113.5") as client:
        await statuses(client, leads(good, 3))
    with store._engine.begin() as connection:
        connection.execute(sa.update(COUNTERS).values(ends_ms=1))
    async with serve("203.0.113.5", leads_per_address_hour=1) as client:
        assert (await posted(client, good)).status_code == 202
        async with asyncio.timeout(10):
            while counted(store) > 6:
                await asyncio.sleep(0.01)
    with store._engine.connect() as connection:
        keys = [row.key for row in connection.execute(sa.select(COUNTERS))]
    assert len(keys) == 6
    assert all(len(key) == 64 for key in keys)
