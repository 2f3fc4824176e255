from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sql

from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AgentId, CorrelationId, LeadId, MessageId, RecordType
from signalbox_agent.store import Answer, Identity, StateStore

AGENT = AgentId("answering")
INPUT = Identity(CorrelationId("w-1"), MessageId("m-1"), RecordType("demo.Question"), LeadId("lead-1"))


def answer(name: str = "a-1") -> Answer:
    headers = (("ce_id", name.encode()), ("again", b"\xff\x00"), ("again", None), ("ü", "ü".encode()))
    return Answer(MessageId(name), RecordType("demo.Reply"), b"lead\xff", b"\x00\x01value", headers)


@pytest.fixture
def store(database_url: str) -> Iterator[StateStore]:
    made = StateStore(database_url, AGENT)
    yield made
    made.close()


def test_answers_come_back_byte_for_byte_and_in_order(store: StateStore, database_url: str) -> None:
    answers = [answer("b"), answer("a")]
    assert store.remember(INPUT, answers) == answers
    store.close()
    again = StateStore(database_url, AGENT)
    assert again.recall(INPUT) == answers
    again.close()


def test_a_message_that_is_new_has_no_answers(store: StateStore) -> None:
    assert store.recall(INPUT) == []


def test_the_first_answers_count_also_between_replicas(store: StateStore, database_url: str) -> None:
    replica = StateStore(database_url, AGENT)
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


def test_of_many_replicas_that_answer_at_once_one_counts(database_url: str) -> None:
    replicas = [StateStore(database_url, AGENT) for _ in range(4)]
    start = Barrier(len(replicas))

    def answer_as(number: int) -> list[list[Answer]]:
        kept = []
        for one in range(25):
            start.wait(60)
            message = replace(INPUT, message_id=MessageId(f"m-{one}"))
            kept.append(
                replicas[number].remember(message, [answer(f"{number}-{i}") for i in range(number + 1)])
            )
        return kept

    with ThreadPoolExecutor(len(replicas)) as pool:
        first, *others = pool.map(answer_as, range(len(replicas)))
    assert all(other == first for other in others)
    for replica in replicas:
        replica.close()


def test_replicas_that_start_at_once_make_the_table_once(database_url: str) -> None:
    start = Barrier(4)

    def open_and_use(number: int) -> None:
        start.wait(60)
        store = StateStore(database_url, AgentId(f"agent-{number}"))
        store.remember(INPUT, [answer()])
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_use, range(4)))


def test_agents_that_share_a_database_do_not_get_each_others_answers(
    store: StateStore, database_url: str
) -> None:
    store.remember(INPUT, [answer("ours")])
    other = StateStore(database_url, AgentId("other"))
    assert other.recall(INPUT) == []
    assert other.remember(INPUT, [answer("theirs")]) == [answer("theirs")]
    assert store.recall(INPUT) == [answer("ours")]
    other.close()


def test_answers_that_were_purged_while_others_were_written_are_not_taken_for_none(store: StateStore) -> None:
    store.remember(INPUT, [answer()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "recall", lambda _: [])
        with pytest.raises(Unavailable):
            store.remember(INPUT, [answer()])


def test_only_old_answers_are_forgotten(store: StateStore) -> None:
    store.remember(INPUT, [answer("a"), answer("b")])
    assert store.purge(timedelta(hours=1)) == 0
    assert store.purge(timedelta(hours=-1)) == 2
    assert store.recall(INPUT) == []


def test_a_store_that_breaks_later_is_unavailable_and_shows_no_values(
    store: StateStore, database_url: str
) -> None:
    store.prepare()
    engine = sql.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE workflow_answers")
    engine.dispose()
    with pytest.raises(Unavailable):
        store.recall(INPUT)
    with pytest.raises(Unavailable) as unavailable:
        store.remember(INPUT, [answer()])
    assert "w-1" not in f"{unavailable.value}{unavailable.value.__cause__}"
