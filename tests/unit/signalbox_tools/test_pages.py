import time

import pytest

from signalbox_agent.tools.pages import page_text

ODD = [
    b"",
    b" ",
    b"<",
    b"</",
    b"<!",
    b"<![",
    b"<![foo[",
    b"<![foo[<p>",
    b"<![CDATA[",
    b"<!--",
    b"<!-->",
    b"<?",
    b"<?x",
    b"<!DOCTYPE [<!ENTITY a 'b'>]>&a;",
    b"&#xD800;",
    b"&#99999999999;",
    b"&#x110000;",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"<a b='",
    b"<p" * 1000,
    b"<meta charset=",
    b"<meta charset=punycode>",
]


@pytest.mark.parametrize("page", ODD)
@pytest.mark.parametrize("html", [True, False])
def test_no_page_raises(page: bytes, html: bool) -> None:
    page_text(page, None, html=html)


@pytest.mark.parametrize(
    "page", [b"<![foo[<p>We make steel.", b"<!x [<p>We make steel.", b"</ ><p>We make steel.</p></p></z>"]
)
def test_what_is_wrong_on_a_page_does_not_hide_the_rest(page: bytes) -> None:
    assert "We make steel." in page_text(page, None, html=True).text


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 52_000,
        "<a" + "".join(f" x{number}=1" for number in range(35_000)) + ">",
        "<b><i><p>" * 28_000,
        "<p><font size=1>" * 17_000,
        "<svg><math>" * 24_000,
        "<table><td>" * 24_000,
        "<" * 262_144,
        "&" * 262_144,
        "<!--" * 65_000,
        "<![x[" * 52_000,
        "<a href='" * 29_000,
        "<select><option>" * 16_000,
    ],
    ids=lambda page: page[:12],
)
def test_a_page_is_read_in_a_bounded_time(page: str) -> None:
    started = time.thread_time()
    page_text(page.encode(), None, html=True)
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    "charset",
    [
        "punycode",
        "idna",
        "utf_7",
        "utf-7",
        "rot13",
        "bz2",
        "zip",
        "hex",
        "base64",
        "unicode_escape",
        "undefined",
        "raw_unicode_escape",
        "mbcs",
        "uu",
        "quopri",
        "x" * 500,
        "",
        "utf-8\x00",
        "\u0130",
        "replacement",
    ],
)
def test_a_charset_that_is_none_of_the_web_is_not_used(charset: str) -> None:
    started = time.thread_time()
    page = page_text(b"<p>" + "zażółć ".encode() * 30_000, charset, html=True)
    assert time.thread_time() - started < 1
    assert page.text.startswith("zażółć") or charset == "replacement"


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("windows-1250", "cp1250"),
        ("ISO-8859-2", "iso8859-2"),
        ("UTF-16LE", "utf-16-le"),
        ("koi8-r", "koi8-r"),
        ("gb2312", "gb18030"),
        ("latin1", "cp1252"),
    ],
)
def test_the_charsets_of_the_web_are_read(charset: str, codec: str) -> None:
    text = "Привет" if codec in ("koi8-r", "gb18030") else "café ß" if codec == "cp1252" else "żółć"
    assert page_text(f"<p>{text}".encode(codec), charset, html=True).text == text


def test_what_a_reader_does_not_see_is_left_out() -> None:
    page = page_text("<p>a\u202eb\u200b\U000e0041c&#x202e;&#xD800;</p>".encode(), None, html=True)
    assert page.text == "abc\ufffd"
