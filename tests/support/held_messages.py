"""A way into a server that can hold one message back: to stop a process between two steps of its own."""

import socket
import threading
from contextlib import suppress


class HoldingDoor:
    """Hands connections on to a port of loopback; a request that contains ``marker`` never gets through."""

    def __init__(self, port: int, marker: bytes) -> None:
        self._inner = port
        self._marker = marker
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.held = threading.Event()
        """Set when the first such request has come."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                outer, _ = self._listener.accept()
                inner = socket.create_connection(("127.0.0.1", self._inner))
                for source, target, watched in ((outer, inner, True), (inner, outer, False)):
                    pump = threading.Thread(target=self._pump, args=(source, target, watched), daemon=True)
                    pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1_048_576):
                if watched and self._marker in data:
                    self.held.set()
                    return
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
