from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from signalbox.agent.store import Answer, Identity, StateStore
from signalbox.errors import ConfigurationError, Unavailable
from signalbox.names import CorrelationId, LeadId, MessageId, RecordType

INPUT = Identity(CorrelationId("w-1"), MessageId("m-1"), RecordType("demo.Question"), LeadId("lead-1"))


def answer(name: str = "a-1") -> Answer:
    headers = (("ce_id", name.encode()), ("again", b"\xff\x00"), ("again", None), ("ü", "ü".encode()))
    return Answer(MessageId(name), RecordType("demo.Reply"), b"lead\xff", b"\x00\x01value", headers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[StateStore]:
    made = StateStore(f"sqlite:///{path}")
    yield made
    made.close()


def test_answers_come_back_byte_for_byte_and_in_order(store: StateStore, path: Path) -> None:
    answers = [answer("b"), answer("a")]
    assert store.remember(INPUT, answers) == answers
    store.close()
    again = StateStore(f"sqlite:///{path}")
    assert again.recall(INPUT) == answers
    again.close()


def test_a_message_that_is_new_has_no_answers(store: StateStore) -> None:
    assert store.recall(INPUT) == []


def test_the_first_answers_count_also_between_replicas(store: StateStore, path: Path) -> None:
    replica = StateStore(f"sqlite:///{path}")
    assert store.remember(INPUT, [answer("first")]) == [answer("first")]
    assert replica.remember(INPUT, [answer("second"), answer("third")]) == [answer("first")]
    assert store.recall(INPUT) == [answer("first")]
    replica.close()


def test_many_threads_can_write_at_once(store: StateStore) -> None:
    inputs = [replace(INPUT, message_id=MessageId(f"m-{number}")) for number in range(200)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: store.remember(one, [answer(one.message_id)]), inputs))
    assert [store.recall(one)[0].id for one in inputs] == [one.message_id for one in inputs]


@pytest.mark.parametrize(
    "change",
    [
        {"correlation_id": "w-2"},
        {"message_id": "m-2"},
        {"record_type": "demo.Other"},
        {"lead_id": "lead-2"},
        {"correlation_id": "w-1m", "message_id": "-1"},
    ],
)
def test_another_workflow_id_type_or_key_is_another_message(
    store: StateStore, change: dict[str, Any]
) -> None:
    store.remember(INPUT, [answer()])
    other = replace(INPUT, **change)
    assert store.recall(other) == []
    assert store.remember(other, [answer("own")]) == [answer("own")]
    assert store.recall(INPUT) == [answer()]


def test_ids_of_any_script_and_length_are_kept(store: StateStore) -> None:
    long = replace(INPUT, message_id=MessageId("鉛" * 512), lead_id=LeadId("🙂" * 512))
    store.remember(long, [answer()])
    assert store.recall(long) == [answer()]


def test_what_is_kept_survives_a_power_failure_as_sqlite_promises(store: StateStore) -> None:
    with store._engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    assert settings == ["wal", 2]


def test_a_store_that_can_not_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none/state.db", "nonsense", "no-such-driver://x"):
        with pytest.raises(ConfigurationError):
            StateStore(url)


def test_a_store_that_breaks_later_is_unavailable(store: StateStore) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE workflow_answers")
    for call in (lambda: store.recall(INPUT), lambda: store.remember(INPUT, [answer()])):
        with pytest.raises(Unavailable):
            call()


def test_an_error_of_the_store_shows_no_values(store: StateStore) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE workflow_answers")
    with pytest.raises(Unavailable) as unavailable:
        store.remember(INPUT, [answer()])
    assert "w-1" not in f"{unavailable.value}{unavailable.value.__cause__}"
