from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signalbox.agent.store import Answer, StateStore
from signalbox.errors import ConfigurationError, Unavailable
from signalbox.names import MessageId, RecordType

INPUT = MessageId("m-1")


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
    ids = [MessageId(f"m-{number}") for number in range(200)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: store.remember(name, [answer(name)]), ids))
    assert [store.recall(name)[0].id for name in ids] == ids


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
        connection.exec_driver_sql("DROP TABLE answers")
    for call in (lambda: store.recall(INPUT), lambda: store.remember(INPUT, [answer()])):
        with pytest.raises(Unavailable):
            call()
