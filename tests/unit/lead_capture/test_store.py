import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lead_capture.lead import CapturedLead, read_submission
from lead_capture.settings import LeadCaptureSettings
from lead_capture.store import Outcome, SqlLeadStore
from signalbox.errors import Unavailable
from signalbox.names import LeadId

NOW = datetime(2031, 5, 6, 7, 8, 9, 123000, UTC)


def lead(lead_id: str, name: str = "Ada") -> CapturedLead:
    fields = {
        "name": name,
        "email": "a@b.example",
        "company_name": "B",
        "job_title": "CTO",
        "lead_source": "x",
    }
    return CapturedLead(LeadId(lead_id), read_submission(fields).details(), NOW)


def test_leads_wait_in_the_order_of_capture_until_they_are_marked(store: SqlLeadStore) -> None:
    assert store.add([lead("b"), lead("a")]) == [Outcome.STORED, Outcome.STORED]
    store.add([lead("c")])
    assert [waiting.lead_id for waiting in store.waiting(10)] == ["b", "a", "c"]
    assert store.waiting(1) == [lead("b")]
    store.mark_published([LeadId("b"), LeadId("c")], NOW)
    assert [waiting.lead_id for waiting in store.waiting(10)] == ["a"]
    assert store.count_waiting() == 1
    state = store.state(LeadId("b"))
    assert state is not None
    assert (state.captured_at, state.published_at) == (NOW, NOW)


def test_the_same_lead_again_is_known_and_another_under_its_id_is_not_stored(store: SqlLeadStore) -> None:
    store.add([lead("a")])
    outcomes = store.add([lead("a"), lead("a", "Bob"), lead("b"), lead("b"), lead("b", "Cy")])
    assert outcomes == [Outcome.KNOWN, Outcome.TAKEN, Outcome.STORED, Outcome.KNOWN, Outcome.TAKEN]
    assert store.waiting(10) == [lead("a"), lead("b")]


def test_leads_survive_a_restart(settings: LeadCaptureSettings) -> None:
    first = SqlLeadStore(settings.store_url())
    first.add([lead("a", "Łukasz 山田")])
    first.close()
    second = SqlLeadStore(settings.store_url())
    assert second.waiting(10) == [lead("a", "Łukasz 山田")]
    second.close()


def test_threads_that_add_the_same_leads_store_each_once(store: SqlLeadStore) -> None:
    outcomes: list[Outcome] = []

    def add_all() -> None:
        for number in range(20):
            outcomes.extend(store.add([lead(str(number))]))

    threads = [threading.Thread(target=add_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.name for outcome in outcomes) == ["KNOWN"] * 60 + ["STORED"] * 20
    assert store.count_waiting() == 20


def test_a_store_that_is_broken_is_unavailable_without_personal_data_in_the_error(
    store: SqlLeadStore,
) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE leads")
    with pytest.raises(Unavailable) as raised:
        store.add([lead("a", "Secret Name")])
    assert "Secret Name" not in str(raised.value)


def test_the_leads_folder_is_for_this_user_alone(store: SqlLeadStore, tmp_path: Path) -> None:
    assert (tmp_path / "lead_capture").stat().st_mode & 0o077 == 0
