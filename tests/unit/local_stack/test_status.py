import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer

from local_stack.state import Readiness, StackProcess, find_run_dir, probe, read_stack, write_stack
from local_stack.status import status
from signalbox.protocol.errors import ConfigurationError


def process_at(port: int, *, readyz: str = "/readyz", pid: int | None = None) -> StackProcess:
    return StackProcess(
        service="console",
        pid=os.getpid() if pid is None else pid,
        create_time=0,
        address=f"http://127.0.0.1:{port}",
        host="127.0.0.1",
        port=port,
        readyz=readyz,
    )


def http_server(code: int, body: bytes) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("code", "body", "answer"),
    [
        (200, b'{"ready": true, "waiting_for": []}', Readiness(True)),
        (
            200,
            b'{"waiting_for": [], "impaired": ["a: b", "c: d"]}',
            Readiness(True, impaired=("a: b", "c: d")),
        ),
        (503, b'{"ready": false, "waiting_for": ["registry"]}', Readiness(False, "waits for registry")),
        (503, b"no JSON", Readiness(False, "answers 503")),
        (404, b'["no object"]', Readiness(False, "answers 404")),
    ],
)
def test_a_process_is_ready_when_it_says_so(code: int, body: bytes, answer: Readiness) -> None:
    server = http_server(code, body)
    try:
        assert probe(process_at(server.server_port)) == answer
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("readyz", ["/readyz", ""])
def test_a_process_that_does_not_listen_is_not_ready(readyz: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not probe(process_at(port, readyz=readyz)).ready


@pytest.mark.parametrize("readyz", ["/readyz", ""])
def test_a_process_that_accepts_but_never_answers_is_not_ready(readyz: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not probe(process_at(server.getsockname()[1], readyz=readyz)).ready


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    processes = [process_at(1), process_at(2)]
    write_stack(tmp_path, processes)
    assert read_stack(tmp_path) == processes


@pytest.mark.parametrize("text", ["", "[{", "{}", '[{"service": "console"}]'])
def test_a_damaged_state_is_told_with_what_helps(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(ConfigurationError, match="make down"):
        read_stack(tmp_path)


def test_the_json_has_an_object_for_each_process_and_no_pid_for_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = process_at(server.getsockname()[1], pid=2**22 + 1)
    write_stack(tmp_path, [gone])
    monkeypatch.setenv("RUN_DIR", str(tmp_path))
    with pytest.raises(typer.Exit) as ended:
        status(json=True)
    assert ended.value.exit_code == 1
    assert json.loads(capsys.readouterr().out) == [
        {"service": "console", "pid": None, "address": gone.address, "ready": False, "impaired": []}
    ]


def test_what_is_impaired_stands_behind_what_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = http_server(
        200, b'{"ready": true, "waiting_for": [], "impaired": ["registry: away since noon"]}'
    )
    write_stack(tmp_path, [process_at(server.server_port)])
    monkeypatch.setenv("RUN_DIR", str(tmp_path))
    try:
        status()
        assert capsys.readouterr().out.endswith("  ready  impaired: registry: away since noon\n")
        status(json=True)
    finally:
        server.shutdown()
        server.server_close()
    assert json.loads(capsys.readouterr().out)[0]["impaired"] == ["registry: away since noon"]


def test_the_stack_is_found_from_a_folder_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".run").mkdir()
    write_stack(tmp_path / ".run", [])
    below = tmp_path / "docs" / "decisions"
    below.mkdir(parents=True)
    monkeypatch.delenv("RUN_DIR", raising=False)
    monkeypatch.chdir(below)
    assert find_run_dir() == tmp_path / ".run"
