"""The door as a process: half-sent requests, hang-ups, strangers, files, and a full disk."""

import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

LEAD = {
    "name": "Zoë 山田",
    "email": "zoe@fjordworks.example",
    "company_name": "Fjordworks",
    "job_title": "COO",
    "lead_source": "webinar",
}
HALF_HEADERS = b"POST /leads HTTP/1.1\r\nHost: localhost\r\nContent-Type: app"
HALF_BODY = (
    b"POST /leads HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 500\r\n\r\n{"name'
)


def connected(process: Any, data: bytes) -> socket.socket:
    address = (process.client.base_url.host, process.client.base_url.port)
    opened = socket.create_connection(address, timeout=20)
    opened.sendall(data)
    return opened


def is_closed(opened: socket.socket) -> bool:
    try:
        while opened.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@contextmanager
def many_files() -> Iterator[None]:
    """Let this test have more connections than a shell's limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("half", [HALF_HEADERS, HALF_BODY], ids=["headers", "body"])
def test_1100_half_sent_requests_are_gone_soon_and_a_good_one_is_answered_meanwhile(
    start: Any, nowhere: dict[str, str], half: bytes, tmp_path: Path
) -> None:
    process = start({**nowhere, "HTTP_HEADERS_S": "3", "HTTP_BODY_GRACE_S": "3"})
    with many_files(), ExitStack() as held:
        began = time.monotonic()
        connections = [held.enter_context(connected(process, half)) for _ in range(1100)]
        asked = time.monotonic()
        # On a connection of its own: the client's, idle so long, may have made room for the others.
        assert httpx2.post(process.client.base_url.join("/leads"), json=LEAD).status_code == 202
        assert time.monotonic() - asked < 5
        assert all(map(is_closed, connections))
        assert time.monotonic() - began < 40
    assert (tmp_path / "lead_capture.log").stat().st_size < 20_000


def test_a_thousand_hang_ups_write_a_few_lines(start: Any, nowhere: dict[str, str], tmp_path: Path) -> None:
    process = start(nowhere)
    log = tmp_path / "lead_capture.log"
    before = log.stat().st_size
    for kind in (
        b"application/json",
        b"text/csv",
        b"multipart/form-data; boundary=b",
        b"application/x-www-form-urlencoded",
    ):
        for path in (b"/leads", b"/leads/import", b"/"):
            half = (
                b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 500\r\n\r\n--b"
                % (
                    path,
                    kind,
                )
            )
            for _ in range(100):
                connected(process, half).close()
    assert process.client.post("/leads", json=LEAD).status_code == 202
    written = log.read_text()[before:]
    assert "Traceback" not in written
    assert written.count("client_hung_up") <= 2
    assert len(written) < 5_000


def test_visitors_of_a_listed_proxy_share_no_limit_and_those_of_an_unlisted_one_are_not_local(
    start: Any, nowhere: dict[str, str], tmp_path: Path
) -> None:
    limits = {
        "LEADS_PER_ADDRESS_HOUR": "2",
        "LEADS_PER_RECIPIENT_HOUR": "100",
        "LEADS_PER_RECIPIENT_DAY": "100",
    }

    def post(process: Any, address: str) -> int:
        headers = {"X-Forwarded-For": f"6.6.6.6, {address}"}
        status: int = process.client.post("/leads", json=LEAD, headers=headers).status_code
        return status

    listed = start({**nowhere, **limits, "TRUSTED_PROXIES": "127.0.0.1"})
    assert [post(listed, "198.51.100.1") for _ in range(3)] == [202, 202, 429]
    assert [post(listed, "198.51.100.2") for _ in range(3)] == [202, 202, 429]
    assert {listed.client.post("/leads", json=LEAD).status_code for _ in range(9)} == {202}
    listed.end()

    unlisted = start({**nowhere, **limits})
    assert [post(unlisted, f"198.51.100.{n}") for n in range(3)] == [202, 202, 429]
    refused = unlisted.client.post("/leads/import", content=b"", headers={"X-Real-IP": "1.1.1.1"})
    assert refused.status_code == 401
    assert (tmp_path / "lead_capture.log").read_text().count("proxy_not_listed") == 1


def test_millions_of_bad_rows_cost_little_and_others_are_answered_meanwhile(
    start: Any, nowhere: dict[str, str]
) -> None:
    process = start(nowhere)
    header = b"name,email,company_name,job_title,lead_source\n"
    rows = {"bad": b"x\n", "blank": b"\n", "empty cells": b",\n"}
    with ThreadPoolExecutor() as beside:
        for name, row in rows.items():
            text = header + row * ((5 * 1024 * 1024 - len(header)) // len(row))
            importing = beside.submit(
                process.client.post, "/leads/import", content=text, headers={"content-type": "text/csv"}
            )
            slowest = 0.0
            while not importing.done():
                began = time.monotonic()
                assert httpx2.get(str(process.client.base_url.join("/healthz"))).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.1)
            body = importing.result().json()
            assert slowest < 4, name
            assert (body["accepted"], body["rejected"]) == (0, 1000 if name == "bad" else 0)
            assert bool(body["stopped"]) == (name == "bad")


def test_who_hangs_up_while_his_file_is_read_ends_the_reading(
    start: Any, nowhere: dict[str, str], eventually: Any
) -> None:
    process = start(nowhere)
    row = b"Ann,a@b.example,B,CTO,x\n"
    text = b"name,email,company_name,job_title,lead_source\n" + row * 150_000
    head = (
        b"POST /leads/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        b"Content-Length: %d\r\n\r\n"
    )

    def stored() -> float:
        text = process.client.get("/metrics").text
        return float(text.split("\nlead_capture_waiting ")[1].split("\n")[0])

    connected(process, head % len(text) + text).close()
    deadline = time.monotonic() + 30
    seen = [-1.0, -2.0]
    while seen[-1] != seen[-2] or seen[-1] == 0:  # the relay counts what waits when it tries to publish
        assert time.monotonic() < deadline
        process.client.post("/leads", json=LEAD)
        time.sleep(1.5)
        seen.append(stored())
        if len(seen) > 4 and seen[-1] - seen[-2] < 5:
            break
    assert seen[-1] < 100_000


def test_a_disk_without_room_is_in_readyz_and_leaves_it_again(
    start: Any, nowhere: dict[str, str], tmp_path: Path
) -> None:
    process = start({**nowhere, "STORE_PROBE_S": "0.2"})

    def waiting(for_store: bool) -> None:
        deadline = time.monotonic() + 30
        while True:
            parts = process.client.get("/readyz").json()["waiting_for"]
            if any(part.startswith("lead store") for part in parts) == for_store:
                return
            assert time.monotonic() < deadline, parts
            time.sleep(0.05)

    waiting(for_store=False)
    kept = process.client.post("/leads", json=LEAD).json()["lead_id"]
    size = (tmp_path / "data" / "lead_capture" / "leads.db").stat().st_size
    # No file may grow beyond this: SQLite's log of changes is there soon, as on a disk that is full.
    resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))
    waiting(for_store=True)
    assert (
        process.client.post("/leads", json={**LEAD, "project_description": "x" * 20_000}).status_code == 503
    )
    assert process.client.get("/healthz").status_code == 200
    assert process.client.get(f"/leads/{kept}").status_code == 200
    resource.prlimit(
        process.child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    waiting(for_store=False)
    assert process.client.post("/leads", json=LEAD).status_code == 202
    assert process.client.get(f"/leads/{kept}").status_code == 200
