import asyncio
import base64
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest

from console.app import create_app
from console.following import follow
from console.presence import Presence
from console.registrations import TrustedRegistrations
from signalbox.protocol.errors import NotAnAnswer, Unavailable
from signalbox.registry.presence import RegistryPresence
from signalbox.telemetry import Readiness
from signalbox.trust import TrustSettings


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def registry_presence(readiness) -> RegistryPresence:
    return RegistryPresence(readiness.degraded, lambda: datetime(2026, 1, 2, 12, tzinfo=UTC))


@pytest.fixture
async def http(views, readiness, registry_presence) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(views.queries, views.registry, views.schemas, readiness, Presence([]), registry_presence)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as client:
        yield client


async def test_a_lead_is_answered_with_status_and_timeline_as_promised(http, views, paper):
    paper.scheduled("lead-1")
    await views.show(*paper.records)
    answer = (await http.get("/api/leads/lead-1")).json()
    assert (answer["lead_id"], answer["status"]) == ("lead-1", "scheduled")
    for entry in answer["timeline"]:
        assert {"at", "stage", "record_type", "agent", "message_id", "detail"} <= set(entry)
        assert datetime.fromisoformat(entry["at"]).tzinfo is not None
    assert [entry["at"] for entry in answer["timeline"]] == sorted(
        entry["at"] for entry in answer["timeline"]
    )
    assert answer["lead"]["name"] == "Zoë Ångström"


async def test_every_page_says_that_the_registry_is_away_until_it_is_back(http, registry_presence):
    since = "away since 2026-01-02T12:00:00.000Z"
    said = f"The schema registry is {since}: &lt;gone&gt;; the contracts in force stay."
    registry_presence.missed(Unavailable("registry", "<gone>"))
    for path in ("/", "/agents", "/dead-letters"):
        assert said in (await http.get(path)).text
    assert (await http.get("/readyz")).status_code == 200
    registry_presence.answered()
    assert "registry" not in (await http.get("/agents")).text


async def test_a_lead_not_seen_is_a_problem_404(http):
    answer = await http.get("/api/leads/nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nobody" in answer.json()["detail"]


@pytest.mark.parametrize("lead_id", ["a/b", "ä ö", "../x", "50%", "a?b", "<b>"])
async def test_a_lead_id_may_be_any_text(http, views, paper, lead_id):
    paper.captured(lead_id)
    await views.show(*paper.records)
    for at in ("/api/leads/", "/leads/"):
        assert (await http.get(httpx2.URL("http://console" + at + _quoted(lead_id)))).status_code == 200


async def test_leads_are_listed_newest_first_in_pages_and_by_status(http, views, paper):
    for number in range(5):
        paper.captured(f"lead-{number}")
    paper.scheduled("done")
    await views.show(*paper.records)
    first = (await http.get("/api/leads", params={"limit": 4})).json()
    second = (await http.get("/api/leads", params={"limit": 4, "after": first["next"]})).json()
    listed = [lead["lead_id"] for lead in first["leads"] + second["leads"]]
    assert listed == ["done", "lead-4", "lead-3", "lead-2", "lead-1", "lead-0"]
    assert second["next"] is None
    only = (await http.get("/api/leads", params={"status": "scheduled"})).json()
    assert [lead["lead_id"] for lead in only["leads"]] == ["done"]


@pytest.mark.parametrize(
    "query", ["leads?status=lost", "leads?limit=0", "leads?after=nobody", "dead-letters?after=x/y"]
)
async def test_a_wrong_question_is_a_problem_422(http, query):
    answer = await http.get(f"/api/{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"]


async def test_dead_letters_are_listed_by_reason_and_shown_with_their_bytes(http, views, paper):
    captured = paper.captured("lead-1")
    paper.rejected(captured, "MALFORMED", "gate", detail="2 bytes left", field="lead")
    odd = paper.write("agent_messages", b"\xff", b"\x00\xff", [("x", None), ("x", b"\xfe"), ("x", b"t")])
    dead_letter = paper.rejected(odd, "NOT_FRAMED", "gate")
    await views.show(*paper.records)
    both = (await http.get("/api/dead-letters")).json()["dead_letters"]
    assert [one["reason"] for one in both] == ["NOT_FRAMED", "MALFORMED"]
    only = (await http.get("/api/dead-letters", params={"reason": "MALFORMED"})).json()["dead_letters"]
    assert (only[0]["key"], only[0]["field"], only[0]["detail"]) == ("lead-1", "lead", "2 bytes left")
    shown = (
        await http.get(f"/api/dead-letters/{dead_letter.topic}/{dead_letter.partition}/{dead_letter.offset}")
    ).json()
    assert base64.b64decode(shown["value_base64"]) == b"\x00\xff"
    assert base64.b64decode(shown["key_base64"]) == b"\xff"
    assert [(one["text"], one["base64"]) for one in shown["headers"][:3]] == [
        (None, None),
        (None, "/g=="),
        ("t", "dA=="),
    ]
    assert shown["decoded"] is None
    assert shown["decode_error"]
    whole = (await http.get("/api/dead-letters/agent_messages_dlt/0/0")).json()
    assert whole["decoded"]["lead"]["lead_id"] == "lead-1"
    assert (await http.get("/api/dead-letters/agent_messages_dlt/0/99")).status_code == 404


async def test_dead_letters_are_paged(http, views, paper):
    for number in range(3):
        paper.rejected(paper.captured(f"lead-{number}"), "MALFORMED", "gate")
    await views.show(*paper.records)
    first = (await http.get("/api/dead-letters", params={"limit": 2})).json()
    second = (await http.get("/api/dead-letters", params={"limit": 2, "after": first["next"]})).json()
    assert [one["key"] for one in first["dead_letters"]] == ["lead-2", "lead-1"]
    assert [one["key"] for one in second["dead_letters"]] == ["lead-0"]


async def test_dead_letters_of_one_millisecond_are_each_on_one_page(http, views, paper):
    paper.stop_the_clock()
    for number in range(3):
        paper.rejected(paper.captured(f"lead-{number}"), "MALFORMED", "gate")
        paper.rejected(paper.incoming(f"other-{number}"), "MALFORMED", "intake")
    await views.show(*paper.records)
    pages = await _pages(http, "dead-letters", "dead_letters")
    assert [len(page) for page in pages] == [2, 2, 2]
    places = [(one["topic"], one["offset"]) for page in pages for one in page]
    assert places == [
        (topic, at) for topic in ("incoming_leads_dlt", "agent_messages_dlt") for at in (2, 1, 0)
    ]


async def test_leads_of_one_millisecond_are_each_on_one_page(http, views, paper):
    paper.stop_the_clock()
    for number in (2, 0, 3, 1):
        paper.captured(f"lead-{number}")
    await views.show(*paper.records)
    pages = await _pages(http, "leads", "leads")
    assert [[one["lead_id"] for one in page] for page in pages] == [
        ["lead-3", "lead-2"],
        ["lead-1", "lead-0"],
    ]


async def _pages(http, path, name):
    """Turn the pages of two each; more than ten would have no end."""
    pages, after = [], ""
    while after is not None and len(pages) < 10:
        answer = (await http.get(f"/api/{path}", params={"limit": 2, "after": after})).json()
        pages.append(answer[name])
        after = answer["next"]
    return pages


async def test_a_dead_letter_is_decoded_as_soon_as_the_registry_knows_its_schema(http, views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "UNKNOWN_SCHEMA", "gate")
    schema_id = views.registry.ids["sdr.LeadCaptured"]
    text = views.registry.texts.pop(schema_id)
    await views.show(*paper.records)
    at = f"/api/dead-letters/{dead_letter.topic}/{dead_letter.partition}/{dead_letter.offset}"
    assert (await http.get(at)).json()["decode_error"].startswith(f"schema id {schema_id} is unknown")
    views.registry.texts[schema_id] = text
    assert (await http.get(at)).json()["decoded"]["lead"]["lead_id"] == "lead-1"


async def test_contracts_are_what_the_registry_has_with_what_agents_announced(http, views, paper):
    await views.show(paper.announced("greeter"))
    contracts = {one["record_type"]: one for one in (await http.get("/api/contracts")).json()["contracts"]}
    assert contracts["sdr.LeadScored"]["versions"][0]["version"] == 1
    assert contracts["x.Greeted"]["versions"] == []


async def test_stats_have_exactly_the_promised_counts(http):
    assert (await http.get("/api/stats")).json() == {
        "captured": 0,
        "scheduled": 0,
        "ended": 0,
        "dead_lettered": 0,
        "in_flight": 0,
        "unattributed": 0,
        "refused_at_intake": 0,
        "llm_calls": 0,
        "rejected_before_llm": 0,
    }


async def test_every_page_answers_also_when_there_is_nothing(http):
    for path in ("/", "/?status=ended", "/dead-letters", "/agents", "/console.css", "/metrics"):
        assert (await http.get(path)).status_code == 200
    assert (await http.get("/leads/nobody")).status_code == 404


async def test_pages_escape_what_came_from_outside_and_lists_hide_personal_data(http, views, paper):
    evil = "<script>alert(1)</script>"
    paper.scheduled("good")
    paper.rejected(paper.captured(evil), evil, "gate", detail=evil, field=evil)
    await views.show(*paper.records)
    pages = {path: (await http.get(path)).text for path in ("/", "/dead-letters", "/leads/" + _quoted(evil))}
    assert all("<script" not in html for html in pages.values())
    assert "zoe@" not in pages["/"]
    assert "zoe@widgets.example" in (await http.get("/leads/good")).text
    policy = (await http.get("/")).headers["content-security-policy"]
    assert "script" not in policy
    # default-src says nothing of who may frame a page.
    assert "frame-ancestors 'none'" in policy


async def test_the_offline_model_is_called_what_it_is(http, views, paper):
    paper.scheduled("lead-1")
    await views.show(*paper.records)
    assert "Decided by the offline stand-in, which is not an LLM." in (await http.get("/leads/lead-1")).text


async def test_the_console_is_ready_when_registry_answers_and_topics_were_read_to_their_ends(views, paper):
    class Topics:
        caught_up = False

        async def records(self):
            yield paper.records
            assert not readiness.ready
            self.caught_up = True
            yield []

    class Moody(type(views.registry)):
        failures = 1

        async def schema_text(self, schema_id):
            if self.failures:
                self.failures -= 1
                raise Unavailable("registry", "refused")
            return await super().schema_text(schema_id)

    paper.scheduled("lead-1")
    readiness = Readiness("registry", "topics")
    views.schemas._registry = Moody()
    registrations = TrustedRegistrations(TrustSettings(), views.schemas.decode)
    await follow(Topics(), views.schemas, registrations, views.projection, readiness)
    assert readiness.ready
    assert views.status("lead-1") == "scheduled"


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


async def test_a_parameter_without_a_value_counts_as_not_given(http, views, paper):
    paper.captured("lead-1")
    await views.show(*paper.records)
    answer = await http.get("/api/leads?status=&limit=&after=")
    assert [lead["lead_id"] for lead in answer.json()["leads"]] == ["lead-1"]
    assert (await http.get("/api/dead-letters?reason=")).status_code == 200


@pytest.mark.parametrize(
    "position",
    [
        "99999999999999999999999/0",
        "0/99999999999999999999999",
        "-1/0",
        "-99999999999999999999/0",
        "0/-99999999999999999999",
    ],
)
async def test_a_position_that_no_topic_has_is_not_there(http, position):
    answer = await http.get(f"/api/dead-letters/agent_messages_dlt/{position}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_not_offered_is_refused_with_a_problem(http):
    for answer in (await http.get("/api/nothing"), await http.post("/api/stats")):
        assert answer.status_code in {404, 405}
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_store_that_is_locked_is_waited_for_and_said(views, paper, tmp_path):
    class Topics:
        caught_up = True

        async def records(self):
            yield paper.records

    paper.scheduled("lead-1")
    readiness = Readiness("registry", "topics")
    views.projection._writer.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(views.queries._path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    registrations = TrustedRegistrations(TrustSettings(), views.schemas.decode)
    following = asyncio.create_task(
        follow(Topics(), views.schemas, registrations, views.projection, readiness)
    )
    async with asyncio.timeout(20):
        while not any("locked" in part for part in readiness.waiting_for):
            await asyncio.sleep(0.01)
        other.execute("ROLLBACK")
        await following
    assert readiness.ready
    assert views.status("lead-1") == "scheduled"


async def test_a_disk_that_is_full_is_waited_for_and_nothing_is_left_out(views, paper):
    for number in range(300):
        paper.captured(f"lead-{number}")
    await views.schemas.prepare(paper.records)
    pages = views.projection._writer.execute("PRAGMA page_count").fetchone()[0]
    views.projection._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable, match="full"):
        views.projection.apply(*paper.records)
    views.projection._writer.execute("PRAGMA max_page_count = 100000")
    views.projection.apply(*paper.records)
    assert views.queries.stats().captured == 300


async def test_what_fails_half_way_leaves_the_store_as_it_was_and_ready_for_the_next(views, paper):
    paper.captured("lead-1")
    await views.schemas.prepare(paper.records)
    writer = views.projection._writer
    writer.execute("CREATE TRIGGER fails BEFORE INSERT ON lead BEGIN SELECT raise(ABORT, 'not now'); END")
    with pytest.raises(sqlite3.IntegrityError, match="not now"):
        views.projection.apply(*paper.records)
    assert [row[0] for row in writer.execute("SELECT count(*) FROM message").fetchall()] == [0]
    writer.execute("DROP TRIGGER fails")
    views.projection.apply(*paper.records)
    assert views.status("lead-1") == "in_flight"


async def test_a_store_that_can_not_be_read_is_answered_with_503(http, views):
    views.queries._path.rename(views.queries._path.with_name("moved.db"))
    answer = await http.get("/api/stats")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await http.get("/metrics")).status_code == 200


async def test_an_id_that_has_no_answer_is_held_against_what_the_registry_says_otherwise(views, paper):
    asked = []

    class Erring(type(views.registry)):
        async def schema_text(self, schema_id):
            asked.append(schema_id)
            raise NotAnAnswer("registry", "HTTP 500")

        async def versions(self, subject):
            asked.append(subject)
            return []

    views.schemas._registry = Erring()
    paper.captured("lead-1")
    with pytest.raises(NotAnAnswer):
        await views.schemas.prepare(paper.records)
    assert asked[1:] == ["control.RouteDecided"]


async def test_readyz_names_what_the_console_can_not_answer_until_it_can_again(http, views):
    path = views.queries._path
    assert (await http.get("/api/stats")).status_code == 200
    path.rename(path.with_name("moved.db"))
    for route in ("/api/stats", "/api/leads", "/"):
        assert (await http.get(route)).status_code == 503
    ready = await http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["impaired"] == [
        f"{route}: its last answer was 503" for route in ("/api/stats", "/api/leads", "/")
    ]
    path.with_name("moved.db").rename(path)
    assert (await http.get("/api/nothing")).status_code == 404
    for route in ("/api/stats", "/api/leads", "/"):
        assert (await http.get(route)).status_code == 200
    assert (await http.get("/readyz")).json()["impaired"] == []
