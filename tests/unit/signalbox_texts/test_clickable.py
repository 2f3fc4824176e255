import time

import pytest

from signalbox_agent.texts import foreign_links

OURS = ("larkspan.example",)
FOREIGN = [
    "evil.example/login",
    "open evil.example now",
    "mailto:x@evil.example",
    "mailto:someone",
    "tel:+49301234567",
    "tel: 110",
    "ftp://evil.example",
    "//evil",
    "https:\\\\evil",
    "_https://evil",
    "seehttps://evil",
    "ｈｔｔｐｓ：／／ｅｖｉｌ",
    "h\u200bttps://evil",
    "https://larkspan.example/r?u=https://evil.test",
    "https://larkspan.example/r?u=evil.test",
    "https://larkspan.example/r?u=%2f%2fevil",
    "https://larkspan.example/r?u=%252f%252fevil.test",
    "https://larkspan.example/redirect/evil.test",
    "https://larkspan.example@evil.test/",
    "https://larkspan.example.evil.test/",
    "https://larkspan.example:8443/",
    "http://larkspan.example:443/x",
    "https://evil.test\u200b.larkspan.example/",
    "www.evil",
    "www.evil.example",
    "1.2.3.4",
    "http://2130706433/",
    "javascript:alert(1)",
    "data:text/html,hi",
    "<a href=evil>x</a>",
    "[x](evil)",
    "💩.la",
    "i❤.ws",
    "कि.से",
    "उदाहरण.परीक्षा",
    "яндекс.рф",
    "例子。中国",
    "evil.example—now",
    "…evil.example",
    "Tel.0900 123456",
    "call0900123456",
    "0900123456x",
    "0900 123 456 0900 123 456 0900 123 456 0900",
    "0049 30 1234567",
    "sms:123",
    "раураl.example",
    "xn--pypal-4ve.com",
    "evil。com",
    "evil．com",
    "evil․com",
    "&#104;ttps://evil",
    "https&colon;//evil",
    "+49 30 1234567",
    "call 0900 123456",
    "0900/123 456",
    "(030) 123-4567",
    "1-800-FLOWERS",
    "1-900-LOANSNOW",
    "+1 (900) CALL-NOW",
    "0900 ~ 123 ~ 4567",
    "0900    123    4567",
    "0900*123*4567",
    "0️⃣9️⃣0️⃣0️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣",
    "٠٩٠٠١٢٣٤٥٦",
    "９００ １２３ ４５６",
    "x@evil.example",
    "maya@larkspan.example.evil.test",
    "https://larkspan.example\\@evil.test",
    "https://larkspan.example%2eevil.test/",
    "https://larkspan.example／evil.test",
    "hxxps://evil",
    "https:///evil.test",
    "https:evil.test",
    "\u202ehttps://evil",
    "https://larkspan.example?next=//evil",
    "https://larkspan.example/#//evil",
    "https://user:pw@larkspan.example/",
    "ftp://larkspan.example/",
    "https://xn--larkspan-.example/",
    "https://lаrkspan.example/",
    "skype:evil?call",
    "evil.co.uk",
    "pay at paypa1-login.example",
    "http://[::1]/",
    "例子.公司",
    "evil.zip",
    "//larkspan.example/x",
    "a..evil.example",
    "-evil.example",
    "_evil.example",
    "evil.example.",
    "EVIL.EXAMPLE",
    "x.evil.example:8080",
    "see\u00adhttps://evil",
    "hotel:5551234",
]
HARMLESS = [
    "see https://larkspan.example/library/x.",
    "(https://larkspan.example/library/x)",
    "https://www.larkspan.example/a?utm_source=mail&x=1",
    "write to maya@larkspan.example",
    "larkspan.example/library",
    "400 trucks in 2024-2026, 5,000 employees, e.g. z.B. a.m. p.m.",
    "on 2026-11-29 at 10:30",
    "29.11.2026 - 01.12.2026",
    "1 000 000 rows",
    "Node.js and C++",
    "S.r.l. Modena",
    "https://larkspan.example",
    "HTTPS://LARKSPAN.EXAMPLE/X",
    "<https://larkspan.example/x>",
    "“https://larkspan.example/x”",
    "We have v1.2.3 and 3.5 kg, 24/7",
    "12:30-14:00",
    "https://larkspan.example/library/12345678",
    "24 hours; 7 days.",
    "and/or",
    "10 000 – 20 000 items",
    "in 2 weeks: 3 steps",
    "“Data contracts: agree once, check always”",
    "مرحبا بكم",
    "Q1/Q2 2026",
    "https://larkspan.example/library/page.html",
    "S.A.S. Co., Ltd.",
    "今天。我们",
    "SAP S/4HANA",
    "2024 2025 2026",
    "2026-11-29 10:30",
    "am 29.11.2026 um 10 Uhr",
    "今天。我们用SAP",
    "end…start",
    "1,234,567.89",
    "S4HANA2025",
    "900 ERP-users, and 900 SERVERS",
    "[1] 2024, [2] 2025",
    "anna.maria.schmidt+x@larkspan.example",
]


@pytest.mark.parametrize("text", FOREIGN)
def test_what_a_client_makes_clickable_is_found(text: str) -> None:
    assert foreign_links(f"Please see {text} now", OURS)
    assert foreign_links(text, OURS)


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_words_and_links_to_us_are_harmless(text: str) -> None:
    assert foreign_links(text, OURS) == []


@pytest.mark.parametrize(
    "text",
    ["https://larkspan.example/", "larkspan.example", "maya@larkspan.example", "https://x.larkspan.example"],
)
def test_with_nothing_allowed_every_link_is_foreign(text: str) -> None:
    for nothing in ((), ("",), (" ",), ("https://larkspan.example/",), ("/",), (".",), ("*",)):
        assert foreign_links(text, nothing)


def test_an_allowed_host_allows_what_is_below_it_and_nothing_above_or_beside_it() -> None:
    allowed = ("www.larkspan.example", "bücher.example")
    assert not foreign_links(
        "https://a.www.larkspan.example/ https://xn--bcher-kva.example/ BÜCHER.example", allowed
    )
    for link in (
        "https://larkspan.example/",
        "https://wwwwlarkspan.example",
        "https://awww.larkspan.example.test",
    ):
        assert foreign_links(link, allowed)


def test_a_phone_number_may_be_allowed_in_any_spelling() -> None:
    assert not foreign_links("call +49 (30) 123-4567", ("+49 30 1234567",))
    assert foreign_links("call +49 (30) 123-4568", ("+49 30 1234567",))


@pytest.mark.parametrize(
    "part",
    [
        "a.",
        "a",
        "a@",
        "/",
        "http://",
        "1 ",
        "1.",
        "&#",
        "[x](",
        "x=",
        "\\",
        "mailto:",
        "a.b@",
        "%25",
        "\u200b",
        "://",
        "-",
        "_",
        "a:",
        "(",
        "+1",
    ],
)
def test_hostile_texts_are_read_in_a_bounded_time(part: str) -> None:
    started = time.thread_time()
    foreign_links(part * (8_000 // len(part)), OURS)
    foreign_links("https://larkspan.example/?" + part * (8_000 // len(part)), OURS)
    assert time.thread_time() - started < 2
