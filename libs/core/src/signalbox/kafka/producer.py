"""An idempotent producer whose ``publish`` returns when the records are durable."""

import asyncio
import threading
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from signalbox.kafka.credentials import CredentialWatch
from signalbox.kafka.faults import converted, producing, refused
from signalbox.kafka.settings import KafkaSettings
from signalbox.protocol.errors import SignalboxError, Unavailable
from signalbox.protocol.records import Draft

_POLL_S: Final = 0.1
_DELIVERY_TIMEOUT_MS: Final = 30_000
_FLUSH_S: Final = 10.0
_LOOK_S: Final = 0.5
"""How often a publish that takes long looks whether the credentials are refused."""


def enqueue(client: Client, draft: Draft, **options: Any) -> None:
    """Hand ``draft`` to the client's queue, as every kind of producer here does it.

    Raises:
        Unwritable: the client knows that the topic will never take it.
        Unavailable: its queue is full.
    """
    with producing(draft.topic):
        for name, _ in draft.headers:
            name.encode()  # a lone surrogate in a name would crash the client (confluent-kafka 2.16)
        client.produce(
            draft.topic,
            key=draft.key,
            value=draft.value,
            headers=list(draft.headers),
            partition=-1 if draft.partition is None else draft.partition,
            **options,
        )


class Producer:
    """Publishes records with ``acks=all``; safe to share between tasks of one event loop.

    ``confluent_kafka.aio.AIOProducer`` refuses headers (2.16), so this is the synchronous client with a
    thread that serves its delivery reports.
    """

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        properties = settings.producer(client_id) | {"delivery.timeout.ms": _DELIVERY_TIMEOUT_MS}
        self._credentials = CredentialWatch()
        self._client = Client(self._credentials.added_to(properties))
        self._fault: SignalboxError | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve_reports, name=f"{client_id}-reports", daemon=True)
        self._thread.start()

    async def publish(self, *drafts: Draft) -> None:
        """Write ``drafts`` in order, and return when the broker has acknowledged each.

        Raises:
            Unavailable: the broker did not acknowledge in time; some of the drafts may be written, so
                publish all of them again with the same ids.
            Unwritable: one of them will never be taken, however often it is published; the others may be.
            Fatal: the client can't go on.
            ConfigurationError: the broker refuses the credentials, or they don't allow to write this topic.
        """
        self._check()
        waiting = {self._enqueue(draft) for draft in drafts}
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=_LOOK_S, return_when=asyncio.FIRST_EXCEPTION
                )
                if failed := [error for one in done if (error := one.exception()) is not None]:
                    raise failed[0]
                if waiting:
                    self._check()
        except Unavailable as error:
            self._check()
            raise self._credentials.explained(error) from error
        finally:
            for one in waiting:
                one.cancel()

    async def close(self) -> None:
        """Hand over what is queued, for at most ten seconds, unless the broker refuses us; and stop."""
        if self._closing.is_set():
            return
        with suppress(SignalboxError):
            self._check()
            await asyncio.to_thread(self._client.flush, _FLUSH_S)
        self._closing.set()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._thread.join()
        self._client.purge()  # what the broker did not take by now
        self._client.close()  # otherwise it connects again and again for as long as this object is there

    def _enqueue(self, draft: Draft) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[None] = loop.create_future()

        def settle(error: KafkaError | None) -> None:
            if delivered.done():  # the caller was cancelled meanwhile
                return
            if error is None:
                delivered.set_result(None)
            else:
                delivered.set_exception(refused(error, draft.topic))

        def report(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(settle, error)

        enqueue(self._client, draft, on_delivery=report)
        return delivered

    def _check(self) -> None:
        self._credentials.check()
        if self._fault is not None:
            raise self._fault

    def _serve_reports(self) -> None:
        while not self._closing.is_set():
            try:
                self._client.poll(_POLL_S)
            except KafkaException as error:
                # A fatal error is told here, once and to no one else; records that wait may get no report.
                self._fault = converted(error.args[0])
