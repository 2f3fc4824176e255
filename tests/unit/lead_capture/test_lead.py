import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_capture.lead import InvalidLead, read_submission

GOOD = {
    "name": "Zoë Ångström",
    "email": "zoe@fjordworks.example",
    "company_name": "Fjordworks AS",
    "job_title": "Head of Operations",
    "lead_source": "webinar",
}


def details_of(**changes: object) -> dict[str, str]:
    with pytest.raises(InvalidLead) as raised:
        read_submission({**GOOD, **changes})
    return {problem.field: problem.detail for problem in raised.value.problems}


def test_values_are_stripped_and_blank_optional_fields_are_none() -> None:
    lead = read_submission(
        {**GOOD, "name": "  Zoë ", "company_website": " ", "lead_id": "", "job_title": "CEO\n"}
    )
    assert (lead.name, lead.company_website, lead.lead_id, lead.job_title) == ("Zoë", None, None, "CEO")


@pytest.mark.parametrize("name", ["name", "email", "company_name", "job_title", "lead_source"])
@pytest.mark.parametrize("value", ["", "   ", "\u200b", "\u3000\u2060"])
def test_a_required_field_without_a_visible_character_is_named(name: str, value: str) -> None:
    assert details_of(**{name: value}) == {name: "is required"}


@pytest.mark.parametrize(
    "value",
    # Hangul fillers, blanks of braille, music and hieroglyphs, marks and selectors without a letter, tags.
    ["\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\U0001d159", "\U00013441", "\U00016fe4", "\u034f",
     "\ufe0f", "\U000e0100", "\u17b4", "\u180b", "\u0301", "\u20e3", "\U000e0041", "\u3164 \u2800\u200b",
     "\ue000", "\ufdd0"],
)  # fmt: skip
def test_what_shows_nothing_is_no_name(value: str) -> None:
    assert details_of(name=value) == {"name": "is required"}


@pytest.mark.parametrize("value", ["홍\u3164길동", "☕", "-", "आ", "𝒜", "e\u0301", "7"])
def test_what_shows_something_is_one(value: str) -> None:
    assert read_submission({**GOOD, "name": value}).name == value


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(InvalidLead) as raised:
        read_submission({"email": "nobody", "name": 7, "colour": "red", "company_website": "ftp://x.example"})
    assert {problem.field for problem in raised.value.problems} == {
        "name", "email", "company_name", "job_title", "lead_source", "colour", "company_website",
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example",
        "a+tag@example.com",
        "a@mail.example.org",
        "o'neil@x.example",
        "用户@例え.example",
        "a@हिन्दी.example",
        "a@உதாரணம்.example",
        "a@ตัวอย่าง.example",
        "a@b.test",
    ],
)
def test_addresses_on_example_domains_are_accepted(address: str) -> None:
    assert read_submission({**GOOD, "email": address}).email == address


@pytest.mark.parametrize(
    "address",
    ["a", "a@", "@b.example", "a@b@c.example", "a b@c.example", "a@localhost", "a@test", "Ann <a@b.example>",
     "a@b.example, c@d.example", "a..b@c.example", "a@-b.example", f"{'a' * 65}@b.example"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    assert "is not an e-mail address" in details_of(email=address)["email"]


def test_full_width_dots_of_an_address_become_plain_ones() -> None:
    assert read_submission({**GOOD, "email": "a@例え。example"}).email == "a@例え.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "HTTP://a.example:8080/x?y#z",
        "https://例え.example/道",
        "https://हिन्दी.example",
        "http://203.0.113.5/",
        "http://[2001:db8::1]:8080/",
        "https://a.example./",
        "https://a.example/x@y",
    ],
)
def test_web_addresses_are_kept_as_they_were_given(url: str) -> None:
    assert read_submission({**GOOD, "company_website": url}).company_website == url


@pytest.mark.parametrize(
    "url",
    ["www.a.example", "ftp://a.example", "javascript:alert(1)", "https://", "https:///x", "https://a b.test",
     "https://[::1", "https://a.example:99999", "https://acme.example@evil.example/", "https://u:p@a.example",
     "https://a.example\\@evil.example", "https://a..example", "https://.example", "https://-a.example",
     "https://a_b!.example", "https://a.example:0", "https://a\u200b.example", "https://a.example/\u202egnp.x",
     f"https://{'a' * 64}.example", f"https://{'a.' * 130}example", "https://1.2.3.4.5", "https://999.1.1.1",
     "https://[fe80::1%eth0]", "https://xn--.example", "https://\uff0f.example"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str) -> None:
    assert "web address" in details_of(company_website=url)["company_website"]


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x85", "\ud800", "\t", "\n", "\r\n", "\u2028"]
)
def test_control_characters_and_line_breaks_in_a_name_are_refused(character: str) -> None:
    assert set(details_of(name=f"An{character}na")) == {"name"}


def test_a_description_keeps_its_lines_but_no_other_control_characters() -> None:
    lead = read_submission({**GOOD, "project_description": "one\r\ntwo\rthree\n\tfour"})
    assert lead.project_description == "one\ntwo\nthree\n\tfour"
    assert "U+0000" in details_of(project_description="a\x00b")["project_description"]


@pytest.mark.parametrize(
    ("field", "limit"), [("name", 200), ("job_title", 200), ("project_description", 20_000), ("lead_id", 100)]
)
def test_lengths_are_limited(field: str, limit: int) -> None:
    read_submission({**GOOD, field: "x" * limit})
    assert set(details_of(**{field: "x" * (limit + 1)})) == {field}


@pytest.mark.parametrize("lead_id", ["..", "a/b", "a b", "-a", "ä", "a\x00"])
def test_a_lead_id_that_would_not_fit_into_an_address_is_refused(lead_id: str) -> None:
    assert set(details_of(lead_id=lead_id)) == {"lead_id"}


@given(
    st.dictionaries(st.sampled_from([*GOOD, "lead_id", "company_website", "project_description"]), st.text())
)
def test_any_text_is_either_refused_by_field_or_becomes_utf8(fields: dict[str, str]) -> None:
    try:
        lead = read_submission({**GOOD, **fields})
    except InvalidLead as error:
        assert {problem.field for problem in error.problems} <= set(fields)
        return
    text = lead.model_dump_json()
    assert "\\u0000" not in text
    assert len(text.encode()) < 128 * 1024
