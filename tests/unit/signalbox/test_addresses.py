import re
from email.utils import getaddresses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signalbox.addresses import Mailbox, mailbox, recipient_key

# What the contract sdr.Lead demands of an address, in Python's spelling.
SHAPE = re.compile(r"[^@]+@[^@.]+([.][^@.]+)+")
FORBIDDEN = re.compile(
    r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff<>(),;:\"\[\]\\]"
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@fjord.example", "ada@fjord.example"),
        ("Ada.Fjord+news@Fjord.Example", "Ada.Fjord+news@fjord.example"),
        ("Info@fjord.example", "Info@fjord.example"),
        ("o'neil_1-x@a.b.c.example", "o'neil_1-x@a.b.c.example"),
        ("a@b.test", "a@b.test"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("x@straße.example", "x@xn--strae-oqa.example"),
        ("आशा@हिन्दी.भारत", "आशा@xn--j2bd4cyah0f.xn--h2brj9c"),
        ("info@डाटामेल.भारत", "info@xn--c2bd4bq1db8d.xn--h2brj9c"),
        ("அன்பு@உதாரணம்.பரிட்சை", "அன்பு@xn--zkc6cc5bi7f6e.xn--hlcj6aya9esc7a"),
        ("a@মানুষ.বাংলা", "a@xn--85bl2a0aq.xn--54b7fta0cc"),
        ("a@ตัวอย่าง.ไทย", "a@xn--72c1a1bt4awk9o.xn--o3cw4h"),
        ("محمد@مثال.إختبار", "محمد@xn--mgbh0fb.xn--kgbechtv"),
        ("用户@例え.example", "用户@xn--r8jz45g.example"),
        ("用户@例え。example", "用户@xn--r8jz45g.example"),
        ("Ünal@x.example", "Ünal@x.example"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        (f"{'a' * 64}@b.example", f"{'a' * 64}@b.example"),
        ("a@3com.example1", "a@3com.example1"),
    ],
)
def test_an_address_of_any_script_is_taken_and_its_domain_is_written_as_dns_carries_it(
    text: str, address: str
) -> None:
    found = mailbox(text)
    assert found.address == address
    assert mailbox(found.address) == mailbox(found.readable) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no address",
        "a",
        "a@",
        "@x.example",
        "a@b@c.example",
        "a@x.example, b@y.example",
        "a@x.example;b@y.example",
        "a@x.example\nBcc: b@y.example",
        "a@x.example\n",
        " a@x.example",
        "a@x.example ",
        "Ada <a@x.example>",
        "<a@x.example>",
        "group: a@x.example;",
        "@relay.example:a@x.example",
        "(comment)a@x.example",
        '"a b"@x.example',
        '"a"@x.example',
        '"a@x.example, b"@y.example',
        "a\\,b@x.example",
        ".a@x.example",
        "a.@x.example",
        "a..b@x.example",
        "victim%other.example@x.example",
        "other.example!victim@x.example",
        "=?utf-8?q?victim=40other.example?=@x.example",
        f"{'a' * 65}@b.example",
        f"{'é' * 33}@b.example",
        f"a@{'b' * 64}.example",
        f"a@{'.'.join(['b' * 62] * 4)}.example",
        f"{'a' * 60}@{'.'.join(['b' * 50] * 4)}.example",
    ],
)
def test_what_is_not_exactly_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        mailbox(text)


@pytest.mark.parametrize(
    "domain",
    [
        "localhost",
        "test",
        "[127.0.0.1]",
        "[IPv6:::1]",
        "127.0.0.1",
        "1.2.3.0x7f",
        "١٢٧.٠.٠.١",
        ".x.example",
        "x.example.",
        "x..example",
        "-x.example",
        "x-.example",
        "ä-.example",
        "a_b.example",
        "xn--a.example",
        "xn--bcher-kva8445foa.invalid.",
        "printer.local",
        "x.invalid",
        "x.example:25",
        "x.example/y",
        "x\u2100y.example",
        "ab--cd.example",
        "xn--zz-1ga\u200d.example",
    ],
)
def test_a_domain_that_dns_or_a_mail_server_would_not_take_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        mailbox(f"a@{domain}")


@pytest.mark.parametrize(
    "character",
    [
        *"\0\t\n\r\x1b\x7f\x85\x9b\xa0\xad",
        "\u034f",  # combining grapheme joiner
        "\u061c",  # Arabic letter mark
        "\u115f",  # Hangul fillers
        "\u1160",
        "\u3164",
        "\uffa0",
        "\u17b4",  # Khmer vowels that are not written
        "\u180b",
        "\u180e",
        *"\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069",
        "\u2800",  # Braille without dots
        "\ufe0f",
        "\ufeff",
        "\uffa0",
        "\ufffc",
        "\ufffd",
        "\ud800",
        "\ue000",
        "\U000e0041",
        "\U000e0101",
        *"\u3000\u2003\u205f\u1680",
        *"＠，；＜＞＂：．％！",  # what some server takes for the sign it looks like
        "\u037e",  # a semicolon after normalisation
    ],
)
def test_what_cannot_be_seen_or_has_another_form_is_in_no_address(character: str) -> None:
    for text in (f"a{character}b@x.example", f"{character}a@x.example", f"a{character}@x.example"):
        with pytest.raises(ValueError, match=r"."):
            mailbox(text)
    if character == "．":  # a dot between labels, in UTS 46
        return
    for text in (f"a@x{character}y.example", f"a@{character}x.example", f"a@x.example{character}"):
        with pytest.raises(ValueError, match=r"."):
            mailbox(text)


@settings(max_examples=500)
@given(st.text(max_size=30), st.text(max_size=30))
def test_what_is_taken_is_one_recipient_for_the_standard_library_and_keeps_the_contracts_rules(
    local: str, domain: str
) -> None:
    try:
        found = mailbox(f"{local}@{domain}")
    except ValueError:
        return
    assert getaddresses([found.address]) == [("", found.address)]
    assert len(found.address.encode()) <= 254
    assert len(found.local.encode()) <= 64
    assert SHAPE.fullmatch(found.address)
    assert not FORBIDDEN.search(found.address)
    assert mailbox(found.address) == found


@pytest.mark.parametrize(
    ("spellings", "key"),
    [
        (("ada@fjord.example", "Ada@FJORD.example", "ada+1@fjord.example"), "ada@fjord.example"),
        (("a.d.a@gmail.com", "Ada+x+y@googlemail.com", "ADA@Gmail.Com"), "ada@gmail.com"),
        (("x@bücher.example", "X+y@xn--bcher-kva.EXAMPLE", "x@BÜCHER。example"), "x@xn--bcher-kva.example"),
        (("+1@x.example", "+2@x.example"), "+@x.example"),
        (("É@x.example", "e\u0301@x.example"), "é@x.example"),
        (("a.b@x.example",), "a.b@x.example"),
        (
            (
                "victim@proton.me",
                "v.ictim@proton.me",
                "V-ic_tim@ProtonMail.com",
                "victim@pm.me",
                "vi.ctim+a@protonmail.ch",
            ),
            "victim@proton.me",
        ),
        (("ada@icloud.com", "ada@me.com", "Ada+x@mac.com"), "ada@icloud.com"),
        (("ada-l@yandex.com", "ada.l@ya.ru", "Ada.L+x@yandex.by", "ada-l@yandex.com.tr"), "ada-l@yandex.ru"),
        (
            ("ada@fastmail.com", "ada+x@fastmail.com", "any.body@ada.fastmail.com", "x@ADA.Fastmail.com"),
            "ada@fastmail.com",
        ),
        (("ada@yahoo.com", "ada-shop@yahoo.com", "Ada-a-b+c@yahoo.com"), "ada@yahoo.com"),
        (("ada@outlook.com", "Ada+x@outlook.com"), "ada@outlook.com"),
        (("-_-@proton.me", "-@proton.me"), "+@proton.me"),
    ],
)
def test_all_spellings_of_one_persons_address_have_one_key(spellings: tuple[str, ...], key: str) -> None:
    assert {recipient_key(spelling) for spelling in spellings} == {key}


@pytest.mark.parametrize(
    "persons",
    [
        ("a.b@outlook.com", "ab@outlook.com"),
        ("a-b@x.example", "a@x.example"),
        ("a-b@gmail.com", "a@gmail.com"),
        ("a_b@yandex.ru", "a.b@yandex.ru", "ab@yandex.ru"),
        ("a.b@icloud.com", "ab@icloud.com"),
        ("ada@fastmail.com", "ada@fastmail.fm", "ada@x.ada.fastmail.com"),
        ("ada@yahoo.com", "ada@yahoo.de", "ada@ymail.com"),
        ("ada-l@yahoo.co.jp", "ada@yahoo.co.jp"),
        ("ada@proton.example", "a.da@proton.example"),
        ("x@ada.proton.me", "ada@proton.me"),
        ("a.b@yahoo.com", "ab@yahoo.com"),
    ],
)
def test_what_no_provider_calls_one_mailbox_is_several_persons(persons: tuple[str, ...]) -> None:
    assert len({recipient_key(person) for person in persons}) == len(persons)


@given(st.sampled_from(["pm.me", "ya.ru", "a.fastmail.com", "yahoo.fr", "me.com", "gmail.com", "x.example"]),
       st.from_regex(r"[A-Za-z0-9_-]{1,8}([.+]{0,2}[a-z0-9_-]{1,5}){0,2}", fullmatch=True)
       .filter(lambda local: ".." not in local))  # fmt: skip
@example("yahoo.fr", "0.-")
@example("x.example", "a.+b")
@example("ya.ru", "a.+b")
@example("gmail.com", "a.+b")
def test_the_key_of_a_key_is_itself(domain: str, local: str) -> None:
    key = recipient_key(f"{local}@{domain}")
    assert recipient_key(key) == key
    assert key.partition("@")[0]


def test_an_address_is_a_value() -> None:
    assert mailbox("a@X.example") == Mailbox("a", "x.example")
