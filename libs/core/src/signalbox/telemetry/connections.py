"""No connection is held open for nothing: time limits that uvicorn does not have, and room when it is full.

uvicorn waits without limit for the first request of a connection, for the end of its headers, for the rest of
a body that was answered early, and for a client that does not read. Bodies are timed in
:mod:`signalbox.telemetry.request_bodies`, where it is known whether somebody waits for them.
"""

import asyncio
from enum import Enum, auto
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from signalbox.telemetry.http_limits import HttpLimits

_LINGER_S: Final = 5.0
"""How long the rest of an answer, or of a body that no one wants, may take after all was said."""
_PIECE: Final = 16 * 1024
_LEAST_READ: Final = 16 * 1024
"""What a client must take of an answer within ``http_unread_s``, in bytes."""


class _Wait(Enum):
    """What the server waits for from a client; None when it does not."""

    HEADERS = auto()
    REST = auto()
    """The end of a body whose request was answered before."""


class Crowd:
    """A server's connections, by their peer. When there are too many, the oldest that waits goes."""

    def __init__(self, limits: HttpLimits) -> None:
        self._total = limits.connections()
        self._per_peer = limits.http_connections_per_peer
        self._peers: dict[str, dict[GuardedProtocol, None]] = {}
        self._count = 0

    def enter(self, connection: "GuardedProtocol", peer: str) -> None:
        """Note a new connection and make room for it; where none can be made, it is sent away itself."""
        mine = self._peers.setdefault(peer, {})
        mine[connection] = None
        self._count += 1
        if self._count > self._total:
            _make_room(max(self._peers.values(), key=len), connection)
        elif len(mine) > self._per_peer and not _loopback(peer):
            _make_room(mine, connection)

    def leave(self, connection: "GuardedProtocol", peer: str) -> None:
        """Forget a connection."""
        mine = self._peers.get(peer, {})
        if connection in mine:
            del mine[connection]
            self._count -= 1
            if not mine:
                del self._peers[peer]


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with time limits; made by :func:`guarded`."""

    limits: HttpLimits
    crowd: Crowd

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits: _Wait | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._peer = ""
        self._requests = 0

    @property
    def waits_for_client(self) -> bool:
        """True while the client has the word: nothing is lost but his time when it ends."""
        return not self.transport.is_closing() and self.conn.their_state in {h11.IDLE, h11.SEND_BODY}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self.crowd.enter(self, self._peer)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks, also that of uvicorn, which forgets it when the connection breaks."""
        self.crowd.leave(self, self._peer)
        for timer in (self._deadline, self._unread):
            if timer:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and see what is waited for now."""
        # In pieces, since h11 limits what is incomplete: headers that came whole would have no limit.
        for start in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _PIECE])
        self._watch()

    def on_response_complete(self) -> None:
        """See what is waited for when a request was answered."""
        self._requests += 1
        super().on_response_complete()
        self._watch()
        self._watch_reading()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; where an answer is on its way already, only close."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def pause_writing(self) -> None:
        """Give the client a time to read."""
        super().pause_writing()
        self._watch_reading()

    def let_go(self, status: HTTPStatus) -> None:
        """Close the connection; a client that has begun a request is told why."""
        if self.transport.is_closing():
            return
        begun = self._partial() or self.conn.their_state is h11.SEND_BODY
        if begun and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._say(status)
        self.transport.close()
        self.loop.call_later(_LINGER_S, self.transport.abort)

    def _say(self, status: HTTPStatus) -> None:
        text = status.description.encode() or status.phrase.encode()
        headers = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=text),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _partial(self) -> bool:
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])

    def _watch(self) -> None:
        """Run the clock of what is waited for; more bytes of the same do not start it again."""
        waits = self._awaited()
        if waits is self._waits:
            return
        if self._deadline:
            self._deadline.cancel()
        self._waits = waits
        seconds = self.limits.http_headers_s if waits is _Wait.HEADERS else _LINGER_S
        self._deadline = self.loop.call_later(seconds, self._too_late) if waits else None

    def _awaited(self) -> _Wait | None:
        if self.conn.their_state is h11.IDLE:
            return _Wait.HEADERS if self._partial() or not self._requests else None
        # `our_state` is MUST_CLOSE when the answer said that it is the last one.
        ended = self.conn.our_state in {h11.DONE, h11.MUST_CLOSE}
        return _Wait.REST if ended and self.conn.their_state is h11.SEND_BODY else None

    def _too_late(self) -> None:
        self.let_go(HTTPStatus.REQUEST_TIMEOUT)

    def _watch_reading(self) -> None:
        if self._unread is None and self.transport.get_write_buffer_size():
            left = self.transport.get_write_buffer_size()
            self._unread = self.loop.call_later(self.limits.http_unread_s, self._still_unread, left)

    def _still_unread(self, before: int) -> None:
        self._unread = None
        now = self.transport.get_write_buffer_size()
        stalled = self.flow.write_paused or (self.cycle is not None and self.cycle.response_complete)
        if stalled and now > before - _LEAST_READ and now:
            self.transport.abort()
        else:
            self._watch_reading()


def guarded(limits: HttpLimits) -> type[GuardedProtocol]:
    """Make the protocol of one server."""
    return type("LimitedProtocol", (GuardedProtocol,), {"limits": limits, "crowd": Crowd(limits)})


def _make_room(among: dict[GuardedProtocol, None], newest: GuardedProtocol) -> None:
    oldest = next((one for one in among if one is not newest and one.waits_for_client), newest)
    oldest.let_go(HTTPStatus.SERVICE_UNAVAILABLE)


def _loopback(peer: str) -> bool:
    try:
        return ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return False
