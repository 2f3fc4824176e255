"""Whatever bytes come: rows or a refusal, an answer below 500, and never a text that was not sent."""

import io
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lead_capture.forwarding import Proxies, address_of
from lead_capture.leads_csv import LeadTable, UnreadableCsv

HEADER = b"name,email,company_name,job_title,lead_source\n"
PIECES = st.sampled_from(
    [b'"', b",", b";", b"\t", b"|", b"\n", b"\r\n", b"\r", b" ", b"\xc2\xa0", b"\xef\xbb\xbf", b"\x00",
     b"sep=;\n", b"x",     b"a@b.example", HEADER, b"\xff\xfe", b"\xe9", "\u200b".encode(), b'""', b"=1+1"]
)  # fmt: skip


WORDS = st.sampled_from([b"--b", b"\r\n", b"&", b"=", b"%ff", b"{", b'"', b"name"])


@given(st.lists(PIECES, max_size=40).map(b"".join), st.sampled_from([b"", HEADER]))
def test_a_file_of_any_bytes_is_rows_or_refused(data: bytes, header: bytes) -> None:
    try:
        table = LeadTable(io.BytesIO(header + data))
    except UnreadableCsv as refused:
        assert refused.detail
        return
    lines = (header + data).replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 2
    assert all(0 < row.line <= lines for row in table.rows())
    table.close()


@given(st.lists(st.text(alphabet='ab ",;\u00a0\n', max_size=8), min_size=5, max_size=5))
def test_what_a_careful_writer_writes_is_read_as_it_was_written(cells: list[str]) -> None:
    written = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    row = next(LeadTable(io.BytesIO(HEADER + written.encode() + b"\nend,end,end,end,end")).rows())
    assert row.fault is None
    assert row.blank or list(row.fields.values()) == cells


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "text/csv",
        "",
        "a/b;;=",
    ],
)
async def test_a_body_of_any_bytes_is_answered(client: httpx2.AsyncClient, kind: str) -> None:
    bodies: list[bytes] = []

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.binary(max_size=200) | st.lists(WORDS).map(b"".join))
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    for path in ("/leads", "/leads/import", "/"):
        for body in bodies:
            answer = await client.post(path, content=body, headers={"content-type": kind})
            assert answer.status_code < 500, (path, body)


@given(st.text(max_size=60) | st.from_regex(r"\[?[0-9a-f:.]{1,30}\]?(:\d+)?", fullmatch=True))
def test_a_hop_of_any_text_is_an_address_or_none(text: str) -> None:
    found: Any = address_of(text)
    assert found is None or found in Proxies(str(found), "x-forwarded-for")
