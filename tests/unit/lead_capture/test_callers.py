from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from lead_capture.callers import LOCAL, ApiKeys, Caller, Callers
from lead_capture.forwarding import Proxies, address_of, counted_as
from lead_capture.settings import LeadCaptureSettings
from signalbox.protocol.errors import ConfigurationError

KEY = "k" * 32
PROXIES = "10.0.0.0/8, 2001:db8:1::/48"


def request(peer: str | None, *headers: tuple[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "client": (peer, 1) if peer else None, "headers": raw})


def caller(
    peer: str | None, *headers: tuple[str, str], proxies: str = PROXIES, header: str = "x-forwarded-for"
) -> Caller:
    keys = ApiKeys(SecretStr(f"crm={KEY}"))
    return Callers(Proxies(proxies, header), keys).of(request(peer, *headers))


def stranger(peer: str, *headers: tuple[str, str], **settings: str) -> str:
    found = caller(peer, *headers, **settings)
    assert found.stranger
    return str(found.address)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_a_peer_on_this_machine_is_local(peer: str) -> None:
    assert caller(peer) is LOCAL


@pytest.mark.parametrize("peer", ["203.0.113.5", "10.1.2.3", "192.168.1.1", "fe80::1%eth0", "::"])
def test_every_other_peer_is_a_stranger_though_in_the_same_network(peer: str) -> None:
    assert caller(peer).stranger


def test_a_peer_without_an_address_is_a_stranger() -> None:
    assert caller(None) == Caller(stranger=True)
    assert caller("@socket").stranger


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5", "203.0.113.5"),
        ("127.0.0.1, 203.0.113.5, 10.9.9.9", "203.0.113.5"),
        ("203.0.113.5:51234", "203.0.113.5"),
        ("[2001:db8:9::1]:443", "2001:db8:9::1"),
        ("2001:db8:9::1", "2001:db8:9::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("203.0.113.5, 2001:db8:1::7", "203.0.113.5"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.2.2.2, 10.3.3.3", "10.2.2.2"),
        ("1.1.1.1, unknown", "10.0.0.1"),
        ("1.1.1.1, garbage, 10.3.3.3", "10.3.3.3"),
        ("1.1.1.1, ", "10.0.0.1"),
        ("203.0.113.5]", "10.0.0.1"),
        ("[203.0.113.5", "10.0.0.1"),
        ("0x7f000001", "10.0.0.1"),
        ("1.1.1.1," * 3000 + "203.0.113.5", "203.0.113.5"),
    ],
)
def test_of_a_listed_proxys_hops_the_last_that_is_no_proxy_counts(forwarded: str, address: str) -> None:
    assert stranger("10.0.0.1", ("X-Forwarded-For", forwarded)) == address


def test_several_lines_of_the_header_are_one_list() -> None:
    lines = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.5, 10.0.0.9")]
    assert stranger("10.0.0.1", *lines) == "203.0.113.5"


def test_the_header_that_the_proxy_does_not_write_is_the_clients_own() -> None:
    both = [("Forwarded", "for=1.1.1.1"), ("X-Forwarded-For", "203.0.113.5")]
    assert stranger("10.0.0.1", *both) == "203.0.113.5"
    assert stranger("10.0.0.1", *both, header="forwarded") == "1.1.1.1"
    assert stranger("10.0.0.1", ("Forwarded", "for=1.1.1.1")) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ('for=1.1.1.1, for="[2001:db8:9::1]:4711";proto=https;by=10.0.0.1', "2001:db8:9::1"),
        ("FOR = 203.0.113.5 ; proto=http", "203.0.113.5"),
        ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
        ("for=203.0.113.5, proto=https", "10.0.0.1"),
        ('by="a,for=1.1.1.1";for=203.0.113.5', "203.0.113.5"),
    ],
)
def test_the_standard_header_is_read_when_it_is_chosen(forwarded: str, address: str) -> None:
    assert stranger("10.0.0.1", ("Forwarded", forwarded), header="forwarded") == address


@pytest.mark.parametrize("peer", ["203.0.113.9", "192.0.2.1"])
def test_what_a_peer_that_is_not_listed_says_is_not_believed(peer: str) -> None:
    assert stranger(peer, ("X-Forwarded-For", "1.1.1.1")) == peer


def test_a_listed_proxy_on_this_machine_passes_strangers_on_and_its_machine_stays_local() -> None:
    assert stranger("127.0.0.1", ("X-Forwarded-For", "203.0.113.5"), proxies="127.0.0.0/8") == "203.0.113.5"
    assert stranger("127.0.0.1", ("X-Forwarded-For", "127.0.0.1"), proxies="127.0.0.0/8") == "127.0.0.1"
    assert caller("127.0.0.1", proxies="127.0.0.0/8") is LOCAL


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Proto", "CF-Connecting-IP",
     "X-Envoy-External-Address", "Fly-Client-IP", "X-Original-Forwarded-For", "X-AppEngine-User-IP",
     "X-Azure-ClientIP", "Fastly-Client-IP", "X-Forwarded", "Forwarded-For", "X-Amzn-Trace-Id", "CDN-Loop",
     "DO-Connecting-IP", "X-Vercel-Forwarded-For", "X-NF-Client-Connection-IP", "CF-Ray",
     "X-Azure-SocketIP", "Proxy-Client-IP"],
)  # fmt: skip
def test_visitors_of_a_proxy_on_this_machine_that_is_not_listed_are_not_local(
    header: str, capsys: pytest.CaptureFixture[str]
) -> None:
    callers = Callers(Proxies("", "x-forwarded-for"), ApiKeys(None))
    for _ in range(3):
        found = callers.of(request("127.0.0.1", (header, "1.1.1.1")))
        assert (found.stranger, str(found.address)) == (True, "127.0.0.1")
    assert capsys.readouterr().out.count("TRUSTED_PROXIES") == 1


@pytest.mark.parametrize(
    "headers",
    [
        [("Host", "127.0.0.1:8000"), ("Origin", "https://evil.example")],
        [("Host", "127.0.0.1:8000"), ("Origin", "null")],
        [("Host", "127.0.0.1:8000"), ("Sec-Fetch-Site", "cross-site")],
    ],
)
def test_a_page_of_another_site_in_a_browser_on_this_machine_is_a_stranger(headers: Any) -> None:
    assert caller("127.0.0.1", *headers).stranger
    own = [("Host", "127.0.0.1:8000"), ("Origin", "http://127.0.0.1:8000"), ("Sec-Fetch-Site", "same-origin")]
    assert caller("127.0.0.1", *own) is LOCAL


def test_a_key_names_its_program_from_wherever_it_comes() -> None:
    for peer in ("203.0.113.5", "127.0.0.1", None):
        assert caller(peer, ("Authorization", f"bearer  {KEY} ")) == Caller("crm")


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1], KEY + "k", f"crm={KEY}"])
def test_a_wrong_key_is_refused_also_on_this_machine(key: str) -> None:
    for peer in ("203.0.113.5", "127.0.0.1"):
        with pytest.raises(HTTPException) as raised:
            caller(peer, ("Authorization", f"Bearer {key}"))
        assert raised.value.status_code == 401
        assert KEY not in raised.value.detail


def test_other_schemes_are_for_others_in_front_of_us() -> None:
    assert caller("203.0.113.5", ("Authorization", "Basic YTpi")).stranger


@pytest.mark.parametrize("keys", [KEY, "=" + KEY, "crm=short", f"a b={KEY}", f"crm={KEY},other"])
def test_keys_that_are_none_are_refused_at_the_start_and_not_quoted(keys: str) -> None:
    with pytest.raises(ConfigurationError, match="LEAD_API_KEYS") as raised:
        ApiKeys(SecretStr(keys))
    assert KEY not in str(raised.value)


def test_a_key_file_that_changes_counts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text(f"a={KEY}\nb={'b' * 30}\n")
    monkeypatch.setenv("LEAD_API_KEYS_FILE", str(file))
    keys = ApiKeys(LeadCaptureSettings().lead_api_keys)
    assert (keys.holder(KEY), keys.holder("b" * 30)) == ("a", "b")
    file.write_text(f"a={'c' * 30}\n")
    assert (keys.holder(KEY), keys.holder("c" * 30)) == (None, "a")


@pytest.mark.parametrize("listed", ["nowhere", "10.0.0.0/33", "0.0.0.0/0", "::/0", "*"])
def test_what_is_no_list_of_proxies_is_refused(listed: str) -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        Proxies(listed, "x-forwarded-for")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.5", ("203.0.113.5", None)),
        ("2001:db8:9:1:aaaa::1", ("2001:db8:9:1::/64", "2001:db8:9::/48")),
        ("2002:cb00:7105::1", ("203.0.113.5", None)),
        ("64:ff9b::cb00:7105", ("203.0.113.5", None)),
        ("::ffff:203.0.113.5", ("203.0.113.5", None)),
    ],
)
def test_what_one_subscriber_has_of_addresses_is_one(address: str, counted: object) -> None:
    found = address_of(address)
    assert found is not None
    assert counted_as(found) == counted
