"""The error tree. A class says the reaction, so that no caller has to read the text.

::

    SignalboxError
    ├── Refusal              the message is bad: dead-letter it, never retry it
    │   └── (carries a Reason, a detail and the field)
    ├── Unavailable          the moment is bad: wait with backoff, never dead-letter
    │   ├── Paused           a limit of the operator's is reached: wait, and say that this process is well
    │   └── NotAnAnswer      the other side was reached, and what came back is no answer of its protocol
    ├── Unwritable           the broker will never take this record: write another one, never wait
    ├── Fatal                this process must stop: its work belongs to another now
    └── ConfigurationError   the operator must change something; say what
"""

from collections.abc import Iterator
from typing import Final

from signalbox.protocol.printable import bounded
from signalbox.protocol.reasons import Reason

DETAIL_LIMIT: Final = 2000
FIELD_LIMIT: Final = 500
"""Characters of a refusal's texts. They may quote foreign bytes, and are written where room is limited."""


class SignalboxError(Exception):
    """Every error that this project raises on purpose."""


class Refusal(SignalboxError):
    """A message that can't be accepted, now or later.

    ``field`` is the path inside the record (``lead.email``, ``emails[2].to``) or the header's name;
    empty when the message as a whole is meant.
    """

    def __init__(self, reason: Reason, detail: str, field: str = "") -> None:
        self.reason = reason
        self.detail = bounded(detail, DETAIL_LIMIT)
        self.field = bounded(field, FIELD_LIMIT)
        super().__init__(f"{reason}: {self.detail}" + (f" (at {self.field})" if field else ""))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error``, what it came from, and so on, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


class Unavailable(SignalboxError):
    """Something that is needed can't be reached now: registry, broker, model or agent.

    ``retry_after`` is in seconds, when the other side said it.
    """

    def __init__(self, what: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{what} is unavailable: {detail}")
        self.what = what
        self.detail = detail
        self.retry_after = retry_after


class Paused(Unavailable):
    """The operator set a limit, and it is reached: what waits goes on later, and nothing is broken.

    Whoever watches the limit tells people of it, once.
    """


class NotAnAnswer(Unavailable):
    """What came back is no well-formed answer of the protocol: a proxy's page, rubbish, a failure inside.

    It says nothing about the message. Only :mod:`signalbox.process.own_failures` may conclude otherwise.
    """


class Unwritable(SignalboxError):
    """A record that its topic will never take as it is: too large, or for a partition that is not there.

    ``topic`` is the one that it was for. ``misplaced`` says that the place is at fault, and not the record.
    """

    def __init__(self, topic: str, detail: str, *, misplaced: bool = False) -> None:
        self.topic = topic
        self.detail = bounded(detail, DETAIL_LIMIT)
        self.misplaced = misplaced
        super().__init__(f"{topic} does not take this record: {self.detail}")


class Fatal(SignalboxError):
    """The process must stop: it was fenced, or does not know whether its commit happened."""


class ConfigurationError(SignalboxError):
    """A setting, file or definition is wrong; the text says which and what would be right."""
