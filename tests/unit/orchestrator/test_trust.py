"""Only registrations that their agent signed, and that its grant allows, reach the directory."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from orchestrator.trust import Trust
from signalbox.control.models import AgentGranted, AgentInput, AgentOutput, AgentRegistered
from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.names import AGENT_GRANTS, AgentId, RecordType
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signalbox.trust import SigningKey, TrustSettings
from signalbox_decide.directory import Directory
from signalbox_decide.seats import Seats
from signing import registration

LOOPBACK = r"https?://(127\.0\.0\.1|localhost)(:\d+)?(/.*)?"
MAIL, OTHERS = SigningKey.generate(), SigningKey.generate()
HOME = "http://127.0.0.1:8105"


class JsonCodec:
    """Stands for the control codec: the value is the record as JSON."""

    async def read(self, model: Any, record: Record) -> Any:
        try:
            return model.model_validate_json(record.value or b"")
        except ValueError as error:
            raise Refusal(Reason.MALFORMED, "no JSON of ours") from error


class Scene:
    """A directory with the trust that stands before it."""

    def __init__(self, seats: Seats | None = None) -> None:
        self.readiness = Readiness()
        self.codec: Any = JsonCodec()
        settings = TrustSettings(agent_keys_dir=Path("/nonexistent"), agent_enrolment="granted")
        self.trust = Trust(self.codec, settings, self.readiness)
        self.directory = Directory(self.codec, LOOPBACK, seats)
        self.directory.judged_by(self.judge)
        self.clock = int(datetime.now(UTC).timestamp() * 1000) - 10_000

    async def grant(self, agent: str = "send_email", **fields: Any) -> None:
        base = {
            "agent_id": agent,
            "public_keys": [MAIL.public],
            "endpoints": [HOME],
            "granted_at": datetime.now(UTC),
            "who": "a test",
        }
        value = AgentGranted.model_validate(base | fields).model_dump_json().encode()
        record = Record(AGENT_GRANTS, 0, 0, agent.encode(), value)
        await self.trust.take_grant(record, self.directory.apply)

    def record(self, key: SigningKey = MAIL, agent: str = "send_email", **fields: Any) -> Record:
        self.clock += 1
        said = AgentRegistered(
            agent_id=agent,
            name=agent,
            description="Sends.",
            input=[AgentInput(record_type="sdr.CampaignDrafted")],
            output=[AgentOutput(record_type="sdr.CampaignScheduled", terminal=True)],
            endpoint=fields.pop("endpoint", HOME),
            registered_at=datetime.now(UTC),
            **fields,
        )
        return registration(agent, said.model_dump_json().encode(), key, self.clock)

    async def judge(self, record: Record, caught_up: bool = True) -> None:
        await self.trust.judge(record, self.directory.apply, caught_up)

    @property
    def endpoint(self) -> str | None:
        agent = self.directory.agents.get("send_email")
        return agent.definition.endpoint if agent else None


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.grant()
    await made.judge(made.record())
    assert made.endpoint == HOME
    assert made.readiness.impaired == []
    return made


async def test_a_forged_announcement_leaves_the_former_at_work_and_is_told(scene: Scene) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("signalbox_registrations_refused_total", {"why": "signature"}) or 0

    before = counted()
    evil = "http://127.0.0.1:6666"
    await scene.judge(scene.record(OTHERS, endpoint=evil))
    assert scene.endpoint == HOME
    assert counted() == before + 1
    assert any("registration of send_email: its signature is none" in why for why in scene.readiness.impaired)
    told = scene.trust.refusals.told()["send_email"]
    assert told["count"] == 1
    assert "signature" in told["why"]


async def test_an_unsigned_tombstone_removes_nobody(scene: Scene) -> None:
    await scene.judge(Record("agent_registry", 0, 9, b"send_email", None))
    assert scene.endpoint == HOME
    assert scene.readiness.impaired


async def test_a_refused_announcement_admits_no_record_type(scene: Scene) -> None:
    forged = scene.record(OTHERS, agent="ghost")
    await scene.judge(forged)
    assert "ghost" not in scene.directory.agents
    assert "ghost" not in scene.directory.at_work
    assert scene.directory.announces(RecordType("sdr.CampaignDrafted"))
    other = replace(scene.record(), headers=())
    await scene.judge(other)
    assert set(scene.directory.agents) == {"send_email"}


async def test_an_endpoint_that_the_grant_allows_and_the_setting_does_not_leaves_the_former(
    scene: Scene,
) -> None:
    outside = "http://mail.example:8105"
    await scene.grant(endpoints=[HOME, outside])
    await scene.judge(scene.record(endpoint=outside))
    assert scene.endpoint == HOME
    assert any("AGENT_ENDPOINT_ALLOW" in why for why in scene.readiness.impaired)
    # What was not taken does not count as the newest word either.
    await scene.judge(scene.record(endpoint=HOME + "/moved"))
    assert scene.endpoint == HOME + "/moved"


async def test_an_agent_whose_grant_is_revoked_leaves_and_releases_its_routes(scene: Scene) -> None:
    scene.directory.reached(AgentId("send_email"), HOME)
    await scene.grant(revoked=True)
    assert scene.endpoint is None
    assert scene.directory.at_work == {"send_email"}
    await scene.judge(scene.record())
    assert scene.endpoint is None
    assert any("revoked" in why for why in scene.readiness.impaired)


async def test_a_removed_agent_is_known_as_removed_from_the_start(scene: Scene) -> None:
    old = scene.record()
    later = Scene()
    later.directory.remember({AgentId("send_email"): HOME})
    await later.grant(removed_at=datetime.now(UTC))
    await later.judge(old, caught_up=False)
    assert later.endpoint is None
    assert later.directory.at_work == {"send_email"}
    assert later.readiness.impaired == []  # it lies there until the topic is compacted
    await later.judge(old)
    assert any("was removed" in why for why in later.readiness.impaired)


async def test_whoever_invents_ids_fills_nothing(scene: Scene) -> None:
    for number in range(500):
        await scene.judge(scene.record(OTHERS, agent=f"ghost{number}"))
    await scene.judge(Record("agent_registry", 0, 9, b"\xff" * 1000, b"x"))
    assert len(scene.trust.refusals.told()) <= 51
    assert set(scene.directory.agents) == {"send_email"}


async def test_invented_ids_do_not_hide_that_somebody_forges_an_agent_at_work(scene: Scene) -> None:
    for number in range(200):
        await scene.judge(scene.record(OTHERS, agent=f"invented{number}"))
    await scene.judge(scene.record(OTHERS, endpoint="http://127.0.0.1:6666"))
    assert scene.trust.refusals.told()["send_email"]["count"] == 1
    assert any("registration of send_email" in one for one in scene.readiness.impaired)


async def test_what_is_told_of_a_refused_announcement_is_one_bounded_line(scene: Scene) -> None:
    await scene.judge(scene.record(endpoint=f"{HOME}/\n{'9' * 5000}"))
    [told] = scene.readiness.impaired
    assert len(told) < 500
    assert "\n" not in told


async def test_garbage_in_the_grants_stops_nothing(scene: Scene) -> None:
    for key in (b"send_email", b"ghost", b"\xff", None):
        await scene.trust.take_grant(Record(AGENT_GRANTS, 0, 0, key, b"garbage"), scene.directory.apply)
    assert scene.endpoint == HOME


async def test_a_signed_record_that_is_no_announcement_is_refused(scene: Scene) -> None:
    scene.clock += 1
    await scene.judge(registration("send_email", b"no announcement", MAIL, scene.clock))
    assert scene.endpoint == HOME
    assert scene.readiness.impaired


async def test_an_announcement_that_the_directory_could_not_take_in_yet_is_judged_again(scene: Scene) -> None:
    async def away(_: Record) -> str | None:
        raise Unavailable("registry", "it is away")

    moved = scene.record(endpoint=HOME + "/moved")
    with pytest.raises(Unavailable):
        await scene.trust.judge(moved, away)
    await scene.judge(moved)
    assert scene.endpoint == HOME + "/moved"


async def test_who_waited_for_a_seat_is_judged_by_the_grant_that_there_is_when_it_is_free() -> None:
    scene = Scene(Seats(1))
    await scene.grant(agent="first", endpoints=[HOME])
    await scene.grant()
    await scene.judge(scene.record(agent="first"))
    await scene.judge(scene.record())
    assert set(scene.directory.agents) == {"first"}
    await scene.grant(endpoints=[f"{HOME}/elsewhere"])
    await scene.grant(agent="first", revoked=True)
    assert not scene.directory.agents
    assert any("outside" in why or "endpoint" in why for why in scene.readiness.impaired)


async def test_who_waited_for_a_seat_and_is_still_granted_has_it() -> None:
    scene = Scene(Seats(1))
    await scene.grant(agent="first")
    await scene.grant()
    await scene.judge(scene.record(agent="first"))
    await scene.judge(scene.record())
    await scene.grant(agent="first", revoked=True)
    assert scene.endpoint == HOME
    await scene.grant(endpoints=[f"{HOME}/elsewhere"])
    assert scene.endpoint is None  # what came in so is in force as any other


async def test_schemas_that_are_no_announcements_are_asked_for_a_few_times_whoever_signed_them(
    scene: Scene,
) -> None:
    asked = 0

    async def unknown(*_: Any) -> Any:
        nonlocal asked
        asked += 1
        raise Refusal(Reason.UNKNOWN_SCHEMA, "the registry does not know it")

    scene.codec.read = unknown
    for number in range(500):
        scene.clock += 1
        await scene.judge(registration("send_email", b"\0" + number.to_bytes(4, "big"), MAIL, scene.clock))
    assert asked <= 64
    assert scene.endpoint == HOME
