"""The way to a broker that advertises this door: it can hold a client between two steps of publishing."""

import socket
import threading
from contextlib import suppress


class BrokerDoor:
    """Hands connections on to the port ``inner`` of loopback, but for marked requests or their answers.

    A record's key is a good marker: it comes first, so compression leaves it as it is. A request that
    is held never gets through. Of an answer that is held, the request gets through, and its connection stays
    silent from then on.
    """

    inner: int

    def __init__(self) -> None:
        self._requests: dict[bytes, threading.Event] = {}
        self._answers: dict[bytes, threading.Event] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_request(self, marker: bytes) -> threading.Event:
        """Hold the request with ``marker``; the event says that it came."""
        return self._requests.setdefault(marker, threading.Event())

    def hold_answer(self, marker: bytes) -> threading.Event:
        """Hold the answer to the request with ``marker``; the event says that the request came."""
        return self._answers.setdefault(marker, threading.Event())

    def hold_nothing(self) -> None:
        """Let everything through that comes from now on."""
        self._requests.clear()
        self._answers.clear()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                outer, _ = self._listener.accept()
                inner = socket.create_connection(("127.0.0.1", self.inner))
                silent = threading.Event()
                for pump, source, target in ((self._inwards, outer, inner), (_outwards, inner, outer)):
                    threading.Thread(target=pump, args=(source, target, silent), daemon=True).start()

    def _inwards(self, outer: socket.socket, inner: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while data := outer.recv(1_048_576):
                if came := _marked(self._requests, data):
                    came.set()
                    _await_end(outer)
                    break
                if came := _marked(self._answers, data):
                    silent.set()
                    inner.sendall(data)
                    came.set()
                    continue
                inner.sendall(data)
        _end(outer, inner)


def _outwards(inner: socket.socket, outer: socket.socket, silent: threading.Event) -> None:
    with suppress(OSError):
        while data := inner.recv(1_048_576):
            if not silent.is_set():
                outer.sendall(data)
    _end(outer, inner)


def _marked(markers: dict[bytes, threading.Event], data: bytes) -> threading.Event | None:
    return next((came for marker, came in list(markers.items()) if marker in data), None)


def _await_end(end: socket.socket) -> None:
    while end.recv(1_048_576):
        pass


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
