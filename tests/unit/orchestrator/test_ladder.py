"""Step by step down: what is written in place of an outcome that is not taken, and who is told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from orchestrator.consume.ladder import Ladder, References, nothing_instead
from signalbox.protocol.dead_letters import dead_letter_of
from signalbox.protocol.errors import Refusal, Unwritable
from signalbox.protocol.headers import DL
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness

WRITTEN_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RECORD = Record("leads", 5, 0, b"lead-1", b"value", (), int(WRITTEN_AT.timestamp() * 1000))
DEAD_LETTER = dead_letter_of(RECORD, Stage.GATE, Refusal(Reason.MALFORMED, "bad"))
AUDIT = Draft("governance_audit", b"lead-1", b"event")
TOO_LARGE = Unwritable("leads_dlt", "too large")
NOT_THERE = Unwritable("leads_dlt", "no such partition", misplaced=True)
NO_EVENT = Unwritable("governance_audit", "too large")


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def ladder(readiness: Readiness) -> Ladder:
    references = References(readiness, {"leads": 3_600_000}.__getitem__)
    return Ladder("ladder", RECORD, [DEAD_LETTER, AUDIT], nothing_instead, references)


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"stage": "ladder"}) or 0


def left_out(draft: Draft) -> bytes | None:
    return dict(draft.headers).get(DL.BY_REFERENCE)


def down(ladder: Ladder, *whys: Unwritable) -> Sequence[Draft]:
    for why in whys:
        assert ladder.step_down(why)
    return ladder.drafts


def test_a_dead_letter_loses_its_headers_then_its_value_then_a_large_key_and_then_there_is_nothing(
    readiness: Readiness,
) -> None:
    record = replace(RECORD, key=b"k" * 1000)
    whole = dead_letter_of(record, Stage.GATE, Refusal(Reason.MALFORMED, "bad"))
    references = References(readiness, {"leads": 3_600_000}.__getitem__)
    ladder = Ladder("ladder", record, [whole, AUDIT], nothing_instead, references)
    for lost in (b"headers", b"headers,value", b"headers,key,value"):
        dead_letter, audit = down(ladder, TOO_LARGE)
        assert sorted((left_out(dead_letter) or b"").split(b",")) == lost.split(b",")
        assert dict(dead_letter.headers)[DL.EXPIRES_AT] == b"2026-01-02T04:04:05.000Z"
        assert audit is AUDIT
    assert not ladder.step_down(TOO_LARGE)


def test_where_the_source_topic_deletes_nothing_the_bytes_do_not_go(readiness: Readiness) -> None:
    ladder = Ladder(
        "ladder", RECORD, [DEAD_LETTER], nothing_instead, References(readiness, {"leads": None}.__getitem__)
    )
    [dead_letter] = down(ladder, TOO_LARGE)
    assert dict(dead_letter.headers)[DL.EXPIRES_AT] == b""
    ladder.written()
    assert "until never" in readiness.impaired[0]


def test_a_dead_letter_whose_partition_is_not_there_is_written_whole_to_any_other(ladder: Ladder) -> None:
    assert DEAD_LETTER.partition == 5
    assert down(ladder, NOT_THERE) == [replace(DEAD_LETTER, partition=None), AUDIT]
    assert not ladder.step_down(NOT_THERE)


@pytest.mark.parametrize("whys", [(NOT_THERE, TOO_LARGE, TOO_LARGE), (TOO_LARGE, NOT_THERE, TOO_LARGE)])
def test_one_that_went_to_another_partition_stays_there_however_little_is_left_of_it(
    ladder: Ladder, whys: Sequence[Unwritable]
) -> None:
    dead_letter = down(ladder, *whys)[0]
    assert dead_letter.partition is None
    assert left_out(dead_letter) == b"headers,value"


def test_without_the_audit_event_the_dead_letter_is_whole_and_then_the_event_is_not_at_fault(
    ladder: Ladder,
) -> None:
    assert down(ladder, NO_EVENT) == [DEAD_LETTER]
    [dead_letter] = down(ladder, NO_EVENT)  # whoever is named: there is nothing else to leave out
    assert left_out(dead_letter) == b"headers"


def test_a_decision_becomes_what_is_made_of_it_instead(readiness: Readiness) -> None:
    asked: list[tuple[Record, Sequence[Draft], Unwritable]] = []

    def instead(*given: object) -> Sequence[Draft]:
        asked.append(given)  # type: ignore[arg-type]
        return [DEAD_LETTER]

    route, why = Draft("routes", b"lead-1", b"route"), Unwritable("routes", "too large")
    ladder = Ladder("ladder", RECORD, [route], instead, References(readiness, lambda _: None))
    assert down(ladder, why) == [DEAD_LETTER]
    assert asked == [(RECORD, [route], why)]


def test_a_decision_of_which_nothing_is_made_holds_its_place(readiness: Readiness) -> None:
    route = Draft("routes", b"lead-1", b"route")
    ladder = Ladder("ladder", RECORD, [route], nothing_instead, References(readiness, lambda _: None))
    assert not ladder.step_down(Unwritable("routes", "too large"))


def test_each_step_is_counted_and_each_dead_letter_without_bytes_that_was_written(
    ladder: Ladder, readiness: Readiness
) -> None:
    steps, references = counted("signalbox_lesser_outcomes_total"), "signalbox_letters_by_reference_total"
    before = counted(references)
    down(ladder, NO_EVENT)
    ladder.written()
    assert (counted(references), readiness.impaired) == (before, [])
    down(ladder, TOO_LARGE)
    assert counted("signalbox_lesser_outcomes_total") == steps + 2
    ladder.written()
    assert counted(references) == before + 1
    assert readiness.impaired == [
        "dead letters by reference: 1 were written without their bytes, which leads has until"
        " 2026-01-02T04:04:05.000Z: run `signalbox topics apply`, then replay or discard these dead letters"
        " before that"
    ]
    gone_at = REGISTRY.get_sample_value("signalbox_letter_bytes_gone_at_seconds")
    assert gone_at == WRITTEN_AT.timestamp() + 3600
