import io
import time

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


ROW = "Ann,a@b.example,B,CTO,x,hello"


def only(text: str | bytes) -> Row:
    (row,) = (row for row in table(text).rows() if not row.blank)
    return row


@pytest.mark.parametrize("before", [" ", "  ", "\t", "\u00a0", "\u200b", "\u3000", " \ufeff"])
def test_a_quote_with_something_before_it_is_a_fault_of_its_row(before: str) -> None:
    text = HEADER + f'Ann,a@b.example,{before}"Doe, Inc",CTO,x,y\nBob,b@b.example,B,CTO,x,\n'
    rows = list(table(text).rows())
    assert rows[0].fault is not None
    assert "before its opening quote" in rows[0].fault.detail
    assert rows[1].fault is None


def test_such_a_quote_in_the_first_cell_or_over_two_lines_shifts_nothing_silently() -> None:
    text = (
        HEADER
        + ' "Ann",a@b.example,B,CTO,x,\nBob,b@b.example,B,CTO,x, "one\ntwo"\nCy,c@b.example,B,CTO,x,y\n'
    )
    rows = list(table(text).rows())
    assert [row.fault is not None for row in rows[:2]] == [True, True]
    assert rows[-1].fields["name"] == "Cy"


def test_quotes_inside_cells_are_no_such_quotes() -> None:
    text = HEADER + 'Ann "Nan" Doe,a@b.example,"B, ""C""",CTO,"x "" y","one, "" two\n"" three"\n'
    row = only(text)
    assert row.fault is None
    assert row.fields["name"] == 'Ann "Nan" Doe'
    assert row.fields["company_name"] == 'B, "C"'


def test_a_header_with_a_quote_behind_a_space_is_refused() -> None:
    with pytest.raises(UnreadableCsv, match="before its opening quote"):
        table(HEADER.replace("email,", '"email", "a,b",'))


@pytest.mark.parametrize("sep", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;;;;"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_the_line_that_names_the_separator_is_read_and_counted(sep: str, bom: str) -> None:
    text = f"{bom}{sep}\r\n" + f"{HEADER}{ROW}\n".replace(",", ";")
    row = only(text)
    assert (row.line, row.fields["name"]) == (3, "Ann")


def test_a_separator_that_is_none_of_ours_is_said() -> None:
    with pytest.raises(UnreadableCsv, match="separated by 'x'"):
        table("sep=x\n" + HEADER)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_with_its_byte_order_mark_is_read(encoding: str) -> None:
    text = (HEADER + ROW.replace("Ann", "Zoë 山田") + "\n").replace(",", "\t")
    if encoding != "utf-16":
        text = "\ufeff" + text
    assert only(text.encode(encoding)).fields["name"] == "Zoë 山田"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_said(encoding: str) -> None:
    with pytest.raises(UnreadableCsv, match="CSV UTF-8"):
        table((HEADER + ROW).encode(encoding))


def test_utf16_that_breaks_off_is_said() -> None:
    with pytest.raises(UnreadableCsv, match="not UTF-16 text"):
        table((HEADER + ROW).encode("utf-16")[:-1])


@pytest.mark.parametrize("marks", [b"\xef\xbb\xbf" * 2, b"\xef\xbb\xbf" * 3])
def test_two_byte_order_marks_are_no_part_of_the_first_column(marks: bytes) -> None:
    assert only(marks + HEADER.encode() + ROW.encode()).fields["name"] == "Ann"


def test_a_quoted_header_behind_two_byte_order_marks_is_read() -> None:
    header = ",".join(f'"{name}"' for name in HEADER.strip().split(","))
    assert only(b"\xef\xbb\xbf" * 2 + f"{header}\n{ROW}".encode()).fields["name"] == "Ann"


@pytest.mark.parametrize("odd", ["\u00a0Name\u00a0", "\u200bName", "Na\u00adme", "NAME\ufeff", "\u2060name "])
def test_what_can_not_be_seen_is_no_part_of_a_column_name(odd: str) -> None:
    assert only(HEADER.replace("name", odd, 1) + ROW).fields["name"] == "Ann"


def test_company_name_with_a_no_break_space_is_the_column() -> None:
    assert only(HEADER.replace("company_name", "Company\u00a0name") + ROW).fields["company_name"] == "B"


def test_empty_cells_behind_the_last_column_are_nothing() -> None:
    read = table(HEADER.strip() + ",,\n" + ROW + ",,,,\n" + ROW + ", ,\u00a0,\u200b\n")
    assert read.ignored_columns == []
    assert [row.fault for row in read.rows()] == [None, None]


@pytest.mark.parametrize("blank", [",,,,,", "", "   ", ";;;;", "\t\t", " , ,\u00a0,", '"","",""', "\u200b"])
def test_rows_without_anything_to_see_are_blank(blank: str) -> None:
    text = f"{HEADER}{blank}\n{ROW}\n"
    if set(blank) & set(";\t"):
        delimiter = ";" if ";" in blank else "\t"
        text = f"{HEADER}{ROW}\n".replace(",", delimiter).replace("\n", f"\n{blank}\n", 1)
    (row,) = (row for row in table(text).rows() if not row.blank)
    assert (row.line, row.fault) == (3, None)


def test_very_many_blank_rows_are_counted_as_lines() -> None:
    assert only(HEADER + "\n" * 25_000 + ROW).line == 25_002


def test_a_header_alone_has_no_rows() -> None:
    assert list(table(HEADER).rows()) == []
    assert list(table(HEADER.strip()).rows()) == []


def test_a_row_with_another_delimiter_than_the_header_is_told_so() -> None:
    row = only(HEADER + ROW.replace(",", ";"))
    assert row.fault is not None
    assert "separated otherwise" in row.fault.detail


def test_a_delimiter_inside_quoted_names_of_columns_does_not_mislead() -> None:
    header = HEADER.strip() + ',"a;b;c;d;e;f;g;h;i"\n'
    assert only(header + ROW + ",z").fields["name"] == "Ann"


@pytest.mark.parametrize("where", [1, 40, -1])
def test_a_nul_byte_is_no_text(where: int) -> None:
    data = bytearray((HEADER + ROW).encode())
    data[where] = 0
    with pytest.raises(UnreadableCsv, match=r"CSV UTF-8"):
        table(bytes(data))


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "+1-2", "-2+3", "@SUM(1)", "=1+1"])
def test_formulas_are_text_to_us(cell: str) -> None:
    assert only(HEADER + f"Ann,a@b.example,B,CTO,x,{cell}").fields["project_description"] == cell


@pytest.mark.parametrize(
    "header",
    ["," * 4_900_000, "name," * 900_000, "x" * 4_900_000, '"a\n",' * 900_000, "sep=,\n" + "," * 4_900_000],
    ids=["nothing", "names", "one name", "many lines", "behind its separator"],
)
def test_an_endless_header_is_refused_before_it_takes_a_core(header: str) -> None:
    begun = time.process_time()
    with pytest.raises(UnreadableCsv, match="the header is too long"):
        table(header + "\n")
    assert time.process_time() - begun < 2


def test_a_header_with_many_further_columns_is_read() -> None:
    read = table(HEADER.strip() + "".join(f",further {number}" for number in range(900)) + "\n")
    assert len(read.ignored_columns) == 900
