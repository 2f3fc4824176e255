"""What the client hands out becomes records and our errors, and nothing is lost between the two."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from signalbox.kafka.faults import converted, record_of, refused, split
from signalbox.kafka.producer import enqueue
from signalbox.protocol.errors import ConfigurationError, Fatal, Refusal, Unavailable, Unwritable
from signalbox.protocol.printable import quoted
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft


class Message:
    """Stands for the client's message, which can't be made in Python."""

    def __init__(self, offset: int = 0, error: KafkaError | None = None, headers: Any = ()) -> None:
        self._offset, self._error, self._headers = offset, error, headers
        self.asked_for_headers = 0

    def error(self) -> KafkaError | None:
        return self._error

    def headers(self) -> Any:
        self.asked_for_headers += 1
        if isinstance(self._headers, Exception):
            raise self._headers
        return list(self._headers)

    def topic(self) -> str:
        return "agent_messages"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return b"value"

    def timestamp(self) -> tuple[int, int]:
        return (1, 5)


def test_the_records_of_a_batch_that_also_holds_an_error_are_not_lost_with_it() -> None:
    error = KafkaError(KafkaError._ALL_BROKERS_DOWN)
    records, fault = split([Message(1), Message(2), Message(error=error), Message(3)])
    assert [record.offset for record in records] == [1, 2, 3]
    assert isinstance(fault, Unavailable)


def test_headers_that_the_client_cannot_read_are_asked_for_once_and_said_to_be_unreadable() -> None:
    message = Message(headers=SystemError("headers() returned a result with an exception set"))
    record = record_of(message)
    assert record.unreadable_headers
    assert record.headers == ()
    assert (record.key, record.value) == (b"key", b"value")
    assert message.asked_for_headers == 1


def test_a_fenced_client_must_stop_one_that_is_refused_be_reconfigured_and_one_that_is_cut_off_wait() -> None:
    assert isinstance(converted(KafkaError(KafkaError._FENCED)), Fatal)
    assert isinstance(converted(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)), ConfigurationError)
    assert isinstance(converted(KafkaError(KafkaError._TRANSPORT)), Unavailable)


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_MSG,
        KafkaError._INVALID_ARG,
    ],
)
def test_what_no_waiting_mends_is_unwritable_for_a_producer(code: int) -> None:
    error = refused(KafkaError(code), "agent_routes")
    assert isinstance(error, Unwritable)
    assert (error.topic, error.misplaced) == ("agent_routes", False)


@pytest.mark.parametrize(
    "code",
    [KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART],
)
def test_a_place_that_is_not_there_is_told_apart_from_a_record_that_is_bad(code: int) -> None:
    error = refused(KafkaError(code), "agent_routes")
    assert isinstance(error, Unwritable)
    assert error.misplaced
    assert isinstance(converted(KafkaError(code)), Unavailable)  # for a reader, it may come


@pytest.mark.parametrize(
    "code", [KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT, KafkaError.NOT_ENOUGH_REPLICAS]
)
def test_what_may_pass_is_waited_out_by_a_producer(code: int) -> None:
    assert isinstance(refused(KafkaError(code), "agent_routes"), Unavailable)


@pytest.fixture
def client() -> Iterator[Producer]:
    made = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    yield made
    made.purge()


@pytest.mark.parametrize(
    "draft",
    [
        pytest.param(Draft("t", None, b"v" * 1_000_001), id="larger than the client takes"),
        pytest.param(Draft("t", None, b"v", (("a\ud800", b""),)), id="a header's name that is no text"),
        pytest.param(Draft("t", None, b"v", (("a", 7),)), id="a header that is no bytes"),  # type: ignore[arg-type]
        pytest.param(Draft("t", b"k" * 1_000_001, None), id="a large key"),
        pytest.param(Draft("t", None, b"", (("h", b"v" * 1_000_001),)), id="a large header"),
    ],
)
def test_what_the_client_itself_does_not_take_is_unwritable(client: Producer, draft: Draft) -> None:
    with pytest.raises(Unwritable):
        enqueue(client, draft)


def test_odd_headers_that_kafka_allows_are_taken(client: Producer) -> None:
    many = tuple((name, value) for name in ("", "a\0b", "ä") for value in (None, b"", b"\xff")) * 5_000
    enqueue(client, Draft("t", None, None, many))
    assert len(client) >= 1


def test_texts_of_errors_are_bounded_whatever_they_quote() -> None:
    refusal = Refusal(Reason.HEADER_INVALID, "\ud800" * 10_000_000, "\ud800" * 100_000)
    assert len(refusal.detail.encode()) <= 4 * 2_000
    assert len(refusal.field.encode()) <= 4 * 500
    assert len(str(Unwritable("t", "x" * 1_000_000))) < 3_000
    assert len(quoted(b"\xff" * 10_000_000, 512)) == 512
    assert quoted(("ä" * 512).encode(), 512) == "ä" * 512
