"""Dead letters that say less: for a broker that does not take all of a record, and would never.

What such a dead letter leaves out still lies where the record lay, until the topic's retention deletes it:
the dead letter names the place, a digest to know the bytes again, and when they go.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from signalbox.protocol.dead_letters import DeadLetter, foreign
from signalbox.protocol.headers import CE, DL
from signalbox.protocol.names import Headers
from signalbox.protocol.printable import bounded
from signalbox.protocol.records import Draft, Record

_ATTRIBUTES: Final = frozenset({CE.ID, CE.TYPE, CE.SOURCE, CE.TIME, CE.SPECVERSION, CE.HOP, CE.CORRELATIONID})
_IDENTITY: Final = frozenset({CE.ID, CE.CORRELATIONID})
_TELLING_BYTES: Final = 512
_KEY_BYTES: Final = 2048
_TINY_BYTES: Final = 128
_TINY_DETAIL: Final = 100


def lesser_dead_letters(dead_letter: Draft, expires_at: str) -> list[Draft]:
    """Return what to try in place of ``dead_letter``, which is not taken: each has less than the one before.

    First the headers stay behind that nothing needs, then the value too, then all but the reason, and what
    says which message of which lead was stopped: without these its lead would stand still forever.
    """
    told = _own(dead_letter.headers) + _reference(dead_letter, expires_at)
    attributes = tuple(
        (name, value)
        for name, value in foreign(dead_letter.headers)
        if name in _ATTRIBUTES and len(value or b"") <= _TELLING_BYTES
    )
    identity = tuple(
        (name, value) for name, value in attributes if name in _IDENTITY and len(value or b"") <= _TINY_BYTES
    )
    tiny = tuple((name, _shortened(name, value)) for name, value in told)
    return [
        replace(dead_letter, headers=attributes + told + _left_out("headers")),
        _without_value(dead_letter, attributes + told, _KEY_BYTES),
        _without_value(dead_letter, identity + tiny, _TINY_BYTES),
    ]


def leaves_out(dead_letter: DeadLetter) -> frozenset[str]:
    """Return what ``dead_letter`` leaves out; nothing for a whole one, or one that was :func:`completed`."""
    said = (dead_letter.record.header(DL.BY_REFERENCE) or b"").decode(errors="replace")
    return frozenset(said.split(",")) - {""}


def completed(dead_letter: DeadLetter, source: Record | None) -> DeadLetter:
    """Return ``dead_letter`` with what it leaves out, if ``source`` is the record that was stopped."""
    record = dead_letter.record
    if source is None or not leaves_out(dead_letter) or record.header(DL.DIGEST) != _digest(source):
        return dead_letter
    own = tuple(pair for pair in _own(record.headers) if pair[0] != DL.BY_REFERENCE)
    whole = replace(record, key=source.key, value=source.value, headers=foreign(source.headers) + own)
    return replace(dead_letter, record=whole)


def expiry(dead_letter: DeadLetter) -> str:
    """Say when what ``dead_letter`` leaves out is gone."""
    said = dead_letter.record.header(DL.EXPIRES_AT) or b""
    return said.decode(errors="replace") or "(its topic keeps it)"


def _reference(dead_letter: Draft, expires_at: str) -> Headers:
    size = str(len(dead_letter.value or b""))
    return ((DL.DIGEST, _digest(dead_letter)), (DL.SIZE, size.encode()), (DL.EXPIRES_AT, expires_at.encode()))


def _without_value(dead_letter: Draft, headers: Headers, key_bytes: int) -> Draft:
    key = dead_letter.key if len(dead_letter.key or b"") <= key_bytes else None
    keys = () if key == dead_letter.key else ("key",)
    return replace(dead_letter, key=key, value=None, headers=headers + _left_out("headers", *keys, "value"))


def _left_out(*parts: str) -> Headers:
    return ((DL.BY_REFERENCE, ",".join(parts).encode()),)


def _shortened(name: str, value: bytes | None) -> bytes | None:
    if name != DL.DETAIL or value is None:
        return value
    return bounded(value.decode(errors="replace"), _TINY_DETAIL).encode()


def _own(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if pair[0].startswith(DL.PREFIX))


def _digest(record: Draft | Record) -> bytes:
    digest = hashlib.sha256()
    for part in _parts(record):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.hexdigest().encode()


def _parts(record: Draft | Record) -> Iterable[bytes | None]:
    yield record.key
    yield record.value
    for name, value in foreign(record.headers):
        yield name.encode("utf-8", "surrogatepass")
        yield value
