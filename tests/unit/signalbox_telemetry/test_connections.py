import asyncio
import time
from contextlib import suppress
from typing import Any

import httpx2
import pytest

GOOD = b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_HEADERS = b"GET /ok HTTP/1.1\r\nHost: localhost\r\nX-Part: "
HALF_BODY = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(port: int, data: bytes) -> Pair:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    return reader, writer


async def until_closed(reader: asyncio.StreamReader, seconds: float = 10) -> bytes:
    answer = b""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionResetError):
            while piece := await reader.read(65_536):
                answer += piece
    return answer


async def dripping(writer: asyncio.StreamWriter, piece: bytes) -> None:
    try:
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
    except OSError:
        return


@pytest.mark.parametrize("data", [b"", b"G", HALF_HEADERS])
async def test_headers_that_do_not_end_are_closed_in_time(serve: Any, data: bytes) -> None:
    async with serve(HTTP_HEADERS_S=0.3) as port:
        reader, writer = await opened(port, data)
        answer = await until_closed(reader)
        assert answer.startswith(b"HTTP/1.1 408") if data else answer == b""
        writer.close()


@pytest.mark.parametrize("kept_alive", [False, True])
async def test_bytes_that_drip_do_not_start_the_clock_again(serve: Any, kept_alive: bool) -> None:
    async with serve(HTTP_HEADERS_S=0.5) as port:
        reader, writer = await opened(port, (GOOD if kept_alive else b"") + HALF_HEADERS)
        drip = asyncio.create_task(dripping(writer, b"x"))
        answer = await until_closed(reader, 5)
        assert answer.count(b"HTTP/1.1 200") == kept_alive
        assert b"HTTP/1.1 408" in answer
        drip.cancel()
        writer.close()


async def test_a_body_that_stops_is_answered_408_and_closed(serve: Any) -> None:
    async with serve(HTTP_BODY_GRACE_S=0.3) as port:
        reader, writer = await opened(port, HALF_BODY)
        answer = await until_closed(reader)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in answer
        writer.close()


async def test_a_body_that_drips_is_too_slow_and_a_steady_one_is_taken(serve: Any) -> None:
    async with serve(HTTP_BODY_GRACE_S=0.5, HTTP_BODY_BYTES_PER_S=1000) as port:
        head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
        slow_reader, slow = await opened(port, head)
        drip = asyncio.create_task(dripping(slow, b"x"))
        refused = asyncio.create_task(until_closed(slow_reader, 5))
        reader, steady = await opened(port, head)
        for _ in range(10):
            steady.write(b"x" * 500)
            await asyncio.sleep(0.1)
        assert (await reader.readuntil(b"5000")).startswith(b"HTTP/1.1 200")
        assert (await refused).startswith(b"HTTP/1.1 408")
        drip.cancel()
        steady.close()


async def test_a_body_has_a_last_moment_however_steady_it_is(serve: Any) -> None:
    async with serve(HTTP_BODY_S=0.5, HTTP_BODY_GRACE_S=60) as port:
        reader, writer = await opened(
            port, b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        drip = asyncio.create_task(dripping(writer, b"1\r\nx\r\n"))
        assert (await until_closed(reader, 5)).startswith(b"HTTP/1.1 408")
        drip.cancel()
        writer.close()


@pytest.mark.parametrize("path", [b"/unread", b"/nowhere"])
async def test_the_rest_of_a_body_that_nobody_wants_holds_no_connection(
    serve: Any, path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox.telemetry.connections._LINGER_S", 0.3)
    async with serve() as port:
        head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
        reader, writer = await opened(port, head)
        drip = asyncio.create_task(dripping(writer, b"x"))
        assert b"HTTP/1.1" in await until_closed(reader, 4)
        drip.cancel()
        writer.close()


async def test_a_client_that_does_not_read_is_let_go(serve: Any) -> None:
    async with serve(HTTP_UNREAD_S=0.4) as port:
        reader, writer = await opened(port, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        began = time.monotonic()
        async with asyncio.timeout(10):
            while not writer.transport.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.05)
        assert time.monotonic() - began > 0.3
        assert len(await until_closed(reader)) < 50_000_000
        writer.close()


@pytest.mark.parametrize("half", [HALF_HEADERS, HALF_BODY])
async def test_half_sent_requests_are_all_gone_soon_and_a_good_one_is_answered_meanwhile(
    serve: Any, half: bytes
) -> None:
    async with serve(HTTP_HEADERS_S=2, HTTP_BODY_GRACE_S=2, HTTP_CONNECTIONS=100) as port:
        held = [await opened(port, half) for _ in range(300)]
        async with httpx2.AsyncClient() as client:
            began = time.monotonic()
            assert (await client.get(f"http://127.0.0.1:{port}/ok")).status_code == 200
            assert time.monotonic() - began < 5
        await asyncio.gather(*(until_closed(reader) for reader, _ in held))
        for _, writer in held:
            writer.close()


async def test_when_it_is_full_the_oldest_that_waits_for_its_client_makes_room(serve: Any) -> None:
    async with serve(HTTP_CONNECTIONS=2, HTTP_BODY_GRACE_S=5) as port:
        first = await opened(port, HALF_BODY)
        second = await opened(port, HALF_BODY)
        third_reader, third = await opened(port, GOOD)
        assert b"200 OK" in await third_reader.readuntil(b"}")
        assert (await until_closed(first[0])).startswith(b"HTTP/1.1 503")
        for writer in (first[1], second[1], third):
            writer.close()


async def test_what_is_no_http_after_an_answer_only_closes_the_connection(serve: Any, caplog: Any) -> None:
    async with serve() as port:
        reader, writer = await opened(
            port, b"POST /unread HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await reader.readuntil(b"not wanted")
        writer.write(b"zz\r\nnonsense\r\n")
        assert await until_closed(reader) == b""
        writer.close()
    assert "Traceback" not in caplog.text
    assert "Fatal error" not in caplog.text


@pytest.mark.parametrize("long", [b"X: y\r\n" * 20_000, b"X: " + b"y" * 100_000 + b"\r\n"])
async def test_headers_have_a_limit_however_they_come(serve: Any, long: bytes) -> None:
    async with serve() as port:
        reader, writer = await opened(port, GOOD[:-2] + long + b"\r\n")
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_a_length_that_is_told_twice_is_refused(serve: Any) -> None:
    async with serve() as port:
        reader, writer = await opened(
            port,
            b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        answer = await until_closed(reader)
        assert answer.startswith(b"HTTP/1.1 400")
        assert answer.count(b"HTTP/1.1") == 1
        writer.close()


async def test_a_hang_up_is_at_most_one_line_and_a_thousand_are_few(
    serve: Any, caplog: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve() as port:
        for _ in range(300):
            _, writer = await opened(port, HALF_BODY)
            writer.transport.abort()
        for _ in range(300):
            _, writer = await opened(port, b"nonsense\r\n\r\n")
            writer.close()
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/ok")).status_code == 200
    written = capsys.readouterr().out + caplog.text
    assert "Traceback" not in written
    assert written.count("client_hung_up") <= 1
    assert written.count("Invalid HTTP request") <= 1


async def test_forwarding_headers_are_not_believed_by_the_server_itself(serve: Any) -> None:
    async with serve() as port, httpx2.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/ok", headers={"X-Forwarded-For": "203.0.113.9"})
        assert answer.json() == {"client": "127.0.0.1"}


async def test_requests_that_come_together_and_large_answers_are_served(serve: Any) -> None:
    async with serve(HTTP_UNREAD_S=0.2, HTTP_HEADERS_S=0.3) as port:
        reader, writer = await opened(port, GOOD * 3)
        for _ in range(3):
            await reader.readuntil(b"}")
        await asyncio.sleep(0.5)
        writer.write(GOOD)
        assert b"200 OK" in await reader.readuntil(b"}")
        writer.close()
        async with httpx2.AsyncClient() as client:
            assert len((await client.get(f"http://127.0.0.1:{port}/large")).content) == 50_000_000
