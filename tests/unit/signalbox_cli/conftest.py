"""Stand-ins for the console and lead capture at their HTTP ports, which are found free at run time."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from command_line import Outcome, outcome_of
from memory_broker import MemoryBroker, broker_behind_dead_letters


@dataclass
class StandIn:
    """Answers ``answers[path](request body)`` as JSON, and keeps what it was asked."""

    url: str = ""
    answers: dict[str, Callable[[bytes], tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            stand_in.asked.append((self.path, body))
            answer = stand_in.answers.get(self.path.partition("?")[0])
            status, value = answer(body) if answer else (404, {"detail": "not there"})
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield stand_in
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def signalbox(capsys, monkeypatch, service) -> Callable[..., Outcome]:
    monkeypatch.setenv("CONSOLE_URL", service.url)
    monkeypatch.setenv("LEAD_CAPTURE_URL", service.url)

    return partial(outcome_of, capsys)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryBroker:
    """What the commands about dead letters read and write."""
    return broker_behind_dead_letters(monkeypatch, tmp_path)
