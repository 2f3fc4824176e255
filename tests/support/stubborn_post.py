"""An SMTP server that keeps its clients waiting at a point of their conversation (RFC 5321)."""

import socket
import threading
from collections import deque
from contextlib import suppress
from email import message_from_bytes
from enum import Enum, auto


class Point(Enum):
    """Where a connection is held."""

    GREETING = auto()
    """Nothing is said."""
    RECIPIENT = auto()
    """The recipient is named, and not answered: no text is given."""
    TEXT = auto()
    """The text is taken, and not answered."""
    ANSWER = auto()
    """The text is taken, and answered when ``go`` is set."""


class StubbornPost:
    """Takes every mail; the next connections are held as ``holds`` says, one each."""

    def __init__(self) -> None:
        self.holds: deque[Point] = deque()
        self.reached: set[Point] = set()
        self.go = threading.Event()
        self.said_goodbye = threading.Event()
        """The client whose answer waited for ``go`` has it."""
        self.taken: list[str] = []
        """The Message-IDs of the texts that came, in angle brackets."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                hold = self.holds.popleft() if self.holds else None
                threading.Thread(target=self._serve, args=(connection, hold), daemon=True).start()

    def _serve(self, connection: socket.socket, hold: Point | None) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            if hold is Point.GREETING:
                self._keep(connection, hold)
                return
            connection.sendall(b"220 here\r\n")
            for line in lines:
                match line[:4].upper():
                    case b"RCPT" if hold is Point.RECIPIENT:
                        self._keep(connection, hold)
                        return
                    case b"DATA":
                        connection.sendall(b"354 go on\r\n")
                        text = b"".join(iter(lines.readline, b".\r\n"))
                        self.taken.append(str(message_from_bytes(text)["Message-ID"]))
                        if hold is Point.TEXT:
                            self._keep(connection, hold)
                            return
                        if hold is Point.ANSWER:
                            self.reached.add(hold)
                            self.go.wait(60)
                        connection.sendall(b"250 taken\r\n")
                    case b"QUIT":
                        connection.sendall(b"221 bye\r\n")
                        if hold is Point.ANSWER:
                            self.said_goodbye.set()
                        return
                    case _:
                        connection.sendall(b"250 OK\r\n")

    def _keep(self, connection: socket.socket, point: Point) -> None:
        self.reached.add(point)
        while connection.recv(65536):
            pass
