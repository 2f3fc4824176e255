import io

import pytest

from lead_capture.leads_csv import LeadTable, Row, UnreadableCsv

HEADER = "name,email,company_name,job_title,lead_source,project_description\n"


def table(text: str | bytes) -> LeadTable:
    return LeadTable(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def lines_and_names(text: str) -> list[tuple[int, str | None]]:
    return [
        (row.line, None if row.fault else row.fields["name"]) for row in table(text).rows() if not row.blank
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_row_has_the_physical_line_on_which_it_starts(newline: str) -> None:
    text = (
        HEADER
        + 'Ann,a@b.example,B,CTO,x,"one\n\nthree"\n\nBob,b@b.example,B,CTO,x,\nCy,c@b.example,B,CTO,x,y'
    )
    assert lines_and_names(text.replace("\n", newline)) == [(2, "Ann"), (6, "Bob"), (7, "Cy")]


def test_quoted_commas_quotes_and_newlines_stay_in_their_cell() -> None:
    (row,) = table(HEADER + '"Doe, Jane",j@b.example,B,CTO,x,"She said ""no"",\r\nthen left"').rows()
    assert row.fields["name"] == "Doe, Jane"
    assert row.fields["project_description"] == 'She said "no",\r\nthen left'


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    (row,) = table(b"\xef\xbb\xbf" + HEADER.encode() + b"Ann,a@b.example,B,CTO,x,").rows()
    assert row.fields["name"] == "Ann"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_the_delimiters_of_other_spreadsheets_are_understood(delimiter: str) -> None:
    (row,) = table((HEADER + "Ann,a@b.example,B,CTO,x,").replace(",", delimiter)).rows()
    assert row.fields["email"] == "a@b.example"


def test_column_names_match_as_people_write_them_and_unknown_ones_are_listed() -> None:
    read = table("Name, E-Mail ,EMAIL,Company name,job-title,Lead Source\nAnn,?,a@b.example,B,CTO,x")
    assert read.ignored_columns == ["e_mail"]
    (row,) = read.rows()
    assert dict(row.fields) == {
        "name": "Ann", "email": "a@b.example", "company_name": "B", "job_title": "CTO", "lead_source": "x",
    }  # fmt: skip


def test_missing_and_repeated_columns_are_named() -> None:
    with pytest.raises(UnreadableCsv) as raised:
        table("name,name,email\n")
    assert [(problem.field, problem.detail) for problem in raised.value.problems] == [
        ("company_name", "is a required column"),
        ("job_title", "is a required column"),
        ("lead_source", "is a required column"),
        ("name", "is there more than once"),
    ]


@pytest.mark.parametrize("text", ["", "\ufeff"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCsv, match="the file is empty"):
        table(text)


def test_a_file_that_is_not_utf8_is_refused_with_the_line() -> None:
    with pytest.raises(UnreadableCsv, match="line 3 is not UTF-8"):
        table(HEADER.encode() + b"Ann,a@b.example,B,CTO,x,\nZo\xeb,z@b.example,B,CTO,x,\n")


@pytest.mark.parametrize("size", [65_536 * 2 - 1, 65_536 * 2])
def test_a_character_on_the_border_of_two_chunks_is_read(size: int) -> None:
    row = "Ann,a@b.example,B,CTO,x," + "é" * ((size - len(HEADER)) // 2)
    assert len(list(table(HEADER + row).rows())) == 1
    with pytest.raises(UnreadableCsv, match="line 2 is not UTF-8"):
        table((HEADER + row).encode()[:-1])


def test_a_row_with_too_many_cells_is_a_fault_of_that_row() -> None:
    rows = list(table(HEADER + "Ann,a@b.example,B,CTO,x,y,z\nBob,b@b.example,B,CTO,x").rows())
    assert [row.fault is None for row in rows] == [False, True]


def test_a_quote_that_is_never_closed_is_reported_where_it_opens() -> None:
    rows = list(table(HEADER + 'Ann,a@b.example,B,CTO,x,"oh\nBob,b@b.example,B,CTO,x,\n').rows())
    assert [row.line for row in rows] == [2]
    assert rows[0].fault is not None
    assert "never closed" in rows[0].fault.detail


def test_a_stray_quote_spoils_its_own_row_only() -> None:
    text = HEADER + '"Ann"x,a@b.example,B,CTO,x,\nBob,b@b.example,B,CTO,x,\n'
    assert lines_and_names(text) == [(2, None), (3, "Bob")]


def test_an_endless_cell_is_a_fault_and_reading_goes_on() -> None:
    rows = list(table(HEADER + f"{'x' * 140_000},a@b.example,B,CTO,x,\nBob,b@b.example,B,CTO,x,\n").rows())
    assert isinstance(rows[0], Row)
    assert [row.fault is None for row in rows] == [False, True]
