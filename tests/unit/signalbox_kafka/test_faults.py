"""What the client hands out becomes records and our errors, and nothing is lost between the two."""

from typing import Any

from confluent_kafka import KafkaError

from signalbox.errors import ConfigurationError, Fatal, Unavailable
from signalbox.kafka.faults import converted, record_of, split


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
