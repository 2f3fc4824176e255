"""Only an agent itself announces itself, where it was granted to live; no one else removes it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signalbox.control.models import AgentGranted, AgentInput, AgentOutput, AgentRegistered
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox.trust import (
    SIGNATURE,
    Fault,
    Grant,
    Registrations,
    SigningKey,
    TrustSettings,
    Untrusted,
    sealed,
)
from signalbox.trust.announcements import Seal
from signing import registration

NOW_MS = 1_800_000_000_000
AGENT = AgentId("send_email")
KEY, OTHERS = SigningKey.generate(), SigningKey.generate()
HOME = "http://127.0.0.1:8105"


def said(**fields: Any) -> AgentRegistered:
    base = {
        "agent_id": AGENT,
        "name": "Send Email",
        "description": "Sends.",
        "input": [AgentInput(record_type="sdr.CampaignDrafted", when=None)],
        "output": [AgentOutput(record_type="sdr.CampaignScheduled", terminal=True)],
        "endpoint": HOME,
        "contracts": [],
        "registered_at": datetime.now(UTC),
    }
    return AgentRegistered.model_validate(base | fields)


def granted(**fields: Any) -> Grant:
    base = {
        "agent_id": AGENT,
        "public_keys": [KEY.public],
        "endpoints": [HOME],
        "granted_at": datetime.now(UTC),
        "who": "a test",
    }
    return Grant.of(AGENT, AgentGranted.model_validate(base | fields))


class Judge:
    """Judges records as the orchestrator does: opened, decoded, accepted."""

    def __init__(self, *, enrolment: str = "granted", folder: Path = Path("/nonexistent")) -> None:
        settings = TrustSettings(agent_keys_dir=folder, agent_enrolment=enrolment)
        self.registrations = Registrations(settings, clock=lambda: NOW_MS / 1000)

    def judge(self, record: Record, announcement: AgentRegistered | None) -> bool:
        seal = self.registrations.open(record)
        return seal is not None and self.registrations.accept(seal, announcement)

    def announce(self, time_ms: int = NOW_MS, key: SigningKey = KEY, **fields: Any) -> Record:
        announcement = said(**fields)
        record = registration(AGENT, announcement.model_dump_json().encode(), key, time_ms)
        self.judge(record, announcement)
        return record

    def remove(self, time_ms: int, key: SigningKey = KEY) -> bool:
        return self.judge(registration(AGENT, None, key, time_ms), None)

    @property
    def endpoint(self) -> str | None:
        in_force = self.registrations.in_force.get(AGENT)
        return in_force.said.endpoint if in_force else None


@pytest.fixture
def judge() -> Judge:
    made = Judge()
    made.registrations.grant(AGENT, granted())
    made.announce(NOW_MS - 1000)
    return made


def refused(fault: Fault) -> Any:
    return pytest.raises(Untrusted, check=lambda error: error.fault is fault)


def test_an_agent_announces_itself_and_removes_itself(judge: Judge) -> None:
    assert judge.endpoint == HOME
    assert judge.remove(NOW_MS)
    assert judge.endpoint is None
    judge.announce(NOW_MS + 1)
    assert judge.endpoint == HOME


FORGED = registration(AGENT, b"value", KEY, NOW_MS)
[(_, SIGNED)] = [header for header in FORGED.headers if header[0] == SIGNATURE]

FORGERIES: dict[str, tuple[Record, Fault]] = {
    "unsigned": (replace(FORGED, headers=()), Fault.UNSIGNED),
    "an unsigned tombstone": (replace(FORGED, headers=(), value=None), Fault.UNSIGNED),
    "another agent's key": (registration(AGENT, b"value", OTHERS, NOW_MS), Fault.SIGNATURE),
    "a tombstone by another agent": (registration(AGENT, None, OTHERS, NOW_MS), Fault.SIGNATURE),
    "a changed value": (replace(FORGED, value=b"valuE"), Fault.CHANGED),
    "a value in the place of a tombstone": (
        replace(registration(AGENT, None, KEY, NOW_MS), value=b"value"),
        Fault.CHANGED,
    ),
    "a tombstone in the place of a value": (replace(FORGED, value=None), Fault.CHANGED),
    "an empty value": (replace(FORGED, value=b""), Fault.CHANGED),
    "a signature for another agent": (
        replace(FORGED, headers=sealed(KEY, AgentId("lead_scoring"), b"value", NOW_MS)),
        Fault.SIGNATURE,
    ),
    "two signatures": (replace(FORGED, headers=((SIGNATURE, b"x"), *FORGED.headers)), Fault.REPEATED),
    "the same signature twice": (replace(FORGED, headers=FORGED.headers * 2), Fault.REPEATED),
    "garbage": (replace(FORGED, headers=((SIGNATURE, b"\xff\x00\xfe"),)), Fault.SIGNATURE),
    "a null signature": (replace(FORGED, headers=((SIGNATURE, None),)), Fault.SIGNATURE),
    "a megabyte": (replace(FORGED, headers=((SIGNATURE, b"a" * 1_000_000),)), Fault.SIGNATURE),
    "headers that can't be read": (
        replace(FORGED, headers=(), unreadable_headers=True),
        Fault.UNSIGNED,
    ),
    "from the future": (registration(AGENT, b"value", KEY, NOW_MS + 5 * 60_000 + 1), Fault.FUTURE),
    "another purpose": (
        replace(FORGED, headers=((SIGNATURE, KEY.sign("signalbox-request", {"agent": AGENT}).encode()),)),
        Fault.SIGNATURE,
    ),
    "a time that is none": (
        replace(
            FORGED,
            headers=(
                (
                    SIGNATURE,
                    KEY.sign(
                        "signalbox-announcement",
                        {
                            "agent": AGENT,
                            "purpose": "agent_registry",
                            "value": "cd42404d52ad55ccfa9aca4adc828aa5800ad9d385a0671fbcbf724118320619",
                            "time": "soon",
                        },
                    ).encode(),
                ),
            ),
        ),
        Fault.SIGNATURE,
    ),
    "an id that nobody granted": (registration("ghost", b"value", KEY, NOW_MS), Fault.NO_GRANT),
    "a key that is no id": (replace(FORGED, key=b"Send Email"), Fault.NO_AGENT_ID),
    "a key that is no text": (replace(FORGED, key=b"\xff"), Fault.NO_AGENT_ID),
    "no key": (replace(FORGED, key=None), Fault.NO_AGENT_ID),
}


@pytest.mark.parametrize(("forged", "fault"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_record_is_refused_and_the_former_stays(judge: Judge, forged: Record, fault: Fault) -> None:
    with refused(fault):
        judge.judge(forged, said(endpoint="http://127.0.0.1:6666"))
    assert judge.endpoint == HOME


def test_an_older_announcement_of_its_own_is_refused(judge: Judge) -> None:
    with refused(Fault.STALE):
        judge.announce(NOW_MS - 5000, description="As it was before.")
    with refused(Fault.STALE):
        judge.remove(NOW_MS - 5000)
    with refused(Fault.STALE):
        judge.announce(NOW_MS - 1000, description="At the same moment.")
    assert judge.endpoint == HOME


def test_one_from_before_a_removal_is_refused(judge: Judge) -> None:
    old = judge.announce(NOW_MS - 500)
    assert judge.remove(NOW_MS)
    with refused(Fault.REMOVED):
        judge.judge(old, said())
    assert judge.endpoint is None


def test_a_removal_is_remembered_by_the_grant_when_everything_else_is_forgotten() -> None:
    renewed = Judge()
    renewed.registrations.grant(AGENT, granted(removed_at=datetime.fromtimestamp(NOW_MS / 1000, UTC)))
    assert renewed.registrations.was_removed(AGENT)
    with refused(Fault.REMOVED):
        renewed.announce(NOW_MS)
    renewed.announce(NOW_MS + 1)
    assert renewed.endpoint == HOME


def test_the_same_record_again_changes_nothing_and_is_no_fault(judge: Judge) -> None:
    record = judge.announce(NOW_MS)
    assert not judge.judge(record, said())
    # With its signature and another value it is a forgery like any other.
    with refused(Fault.CHANGED):
        judge.judge(replace(record, value=b"another"), said())


def test_an_older_record_that_says_what_is_in_force_is_no_fault(judge: Judge) -> None:
    judge.announce(NOW_MS - 5000)  # another replica, which started before
    assert judge.endpoint == HOME


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:8106",
        "https://127.0.0.1:8105",
        "http://127.0.0.1:8105@evil.example",
        "http://user@127.0.0.1:8105",
        "http://127.0.0.1:8105.evil.example",
        "http://127.0.0.1:8105?x=http://127.0.0.1:8105",
        "http://127.0.0.1:8105#x",
        "http://localhost:8105",
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "gopher://127.0.0.1:8105",
        "http://[::ffff:127.0.0.1]:8105",
    ],
)
def test_an_endpoint_outside_the_grant_is_refused(judge: Judge, endpoint: str) -> None:
    with refused(Fault.OUTSIDE_GRANT):
        judge.announce(NOW_MS, endpoint=endpoint)
    assert judge.endpoint == HOME


def test_an_origin_allows_any_path_and_a_path_only_itself(judge: Judge) -> None:
    judge.announce(NOW_MS, endpoint=f"{HOME}/mail")
    assert judge.endpoint == f"{HOME}/mail"
    judge.registrations.grant(AGENT, granted(endpoints=[f"{HOME}/mail/"]))
    assert judge.endpoint == f"{HOME}/mail"
    with refused(Fault.OUTSIDE_GRANT):
        judge.announce(NOW_MS + 1, endpoint=f"{HOME}/mailbox")


def test_a_grant_says_what_an_agent_may_take_and_give(judge: Judge) -> None:
    types = {"takes": ["sdr.CampaignDrafted"], "gives": ["sdr.CampaignScheduled"]}
    judge.registrations.grant(AGENT, granted(**types))
    assert judge.endpoint == HOME
    with refused(Fault.OUTSIDE_GRANT):
        judge.announce(NOW_MS, input=[AgentInput(record_type="sdr.LeadCaptured", when=None)])
    with refused(Fault.OUTSIDE_GRANT):
        judge.announce(NOW_MS, output=[AgentOutput(record_type="sdr.LeadScored", terminal=True)])


def test_an_agent_speaks_for_itself_alone(judge: Judge) -> None:
    with refused(Fault.RECORD):
        judge.announce(NOW_MS, agent_id="lead_scoring")


@pytest.mark.parametrize(
    "changed",
    [
        {"revoked": True},
        {"public_keys": [OTHERS.public]},
        {"endpoints": ["http://127.0.0.1:1"]},
        {"takes": ["sdr.LeadCaptured"]},
        {"removed_at": datetime.fromtimestamp(NOW_MS / 1000, UTC)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_grant_that_changes_takes_effect_at_once(judge: Judge, changed: dict[str, Any]) -> None:
    assert judge.registrations.grant(AGENT, granted(**changed))
    assert judge.endpoint is None


def test_a_grant_that_can_not_be_read_changes_nothing_and_allows_nothing_new(judge: Judge) -> None:
    assert not judge.registrations.grant(AGENT, None, readable=False)
    assert judge.endpoint == HOME
    renewed = Judge(enrolment="folder")
    renewed.registrations.grant(AGENT, None, readable=False)
    with refused(Fault.REVOKED):
        renewed.announce()


def test_two_keys_count_during_a_rotation(judge: Judge) -> None:
    judge.registrations.grant(AGENT, granted(public_keys=[KEY.public, OTHERS.public]))
    judge.announce(NOW_MS, key=OTHERS, description="Signed with the new key.")
    assert not judge.registrations.grant(AGENT, granted(public_keys=[OTHERS.public]))
    assert judge.endpoint == HOME


def test_where_folders_count_an_agent_without_a_grant_is_known_by_its_key(tmp_path: Path) -> None:
    key = TrustSettings(agent_keys_dir=tmp_path).own_key(AGENT)
    judge = Judge(enrolment="folder", folder=tmp_path)
    judge.announce(NOW_MS - 1, key=key)
    assert judge.endpoint == HOME
    with refused(Fault.SIGNATURE):
        judge.announce(NOW_MS, key=OTHERS)
    # With a grant it is held to that.
    judge.registrations.grant(AGENT, granted())
    assert judge.endpoint is None
    with refused(Fault.SIGNATURE):
        judge.announce(NOW_MS, key=key)


def test_elsewhere_the_folder_does_not_count(tmp_path: Path) -> None:
    key = TrustSettings(agent_keys_dir=tmp_path).own_key(AGENT)
    with refused(Fault.NO_GRANT):
        Judge(enrolment="granted", folder=tmp_path).announce(key=key)


def test_a_removal_without_a_grant_pins_nothing(tmp_path: Path) -> None:
    key = TrustSettings(agent_keys_dir=tmp_path).own_key(AGENT)
    judge = Judge(enrolment="folder", folder=tmp_path)
    judge.announce(NOW_MS - 1, key=key)
    removal = granted(public_keys=[], endpoints=[], removed_at=datetime.fromtimestamp(NOW_MS / 1000, UTC))
    assert judge.registrations.grant(AGENT, removal)
    judge.announce(NOW_MS + 1, key=key)
    assert judge.endpoint == HOME


@pytest.mark.parametrize(
    "fields", [{"public_keys": ["no key"]}, {"endpoints": ["nowhere"]}, {"agent_id": "another"}]
)
def test_a_grant_with_a_key_or_an_endpoint_that_is_none_or_for_another_agent_is_unreadable(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError):
        granted(**fields)


def test_a_seal_is_all_that_a_repetition_needs() -> None:
    seal = Seal(AGENT, NOW_MS, KEY.public, "text", "digest")
    assert seal.signed == ("text", "digest")
