"""A token is worth one request to one agent within a minute, and nothing else."""

from dataclasses import replace

import pytest

from signalbox.protocol.names import AgentId
from signalbox.trust import OPERATOR, ORCHESTRATOR, Doorkeeper, RequestParts, SigningKey, token_for
from signalbox.trust.requests import NO_TOKEN, NOT_NOW, NOT_TRUSTED, OTHER_AGENT, OTHER_REQUEST

NOW = 1_800_000_000
KEY, OPERATORS, STRANGER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
AGENT = AgentId("send_email")
TRUSTED = {ORCHESTRATOR: (KEY.public,), OPERATOR: (OPERATORS.public,)}
REQUEST = RequestParts(
    "POST",
    "/messages",
    (
        ("Host", "127.0.0.1:8105"),
        ("ce-id", "m-1"),
        ("CE-Type", "sdr.CampaignDrafted"),
        ("ce-hop", "3"),
        ("content-type", "application/avro"),
        ("idempotency-key", "m-1"),
    ),
    b"\0\0\0\0\1body",
)


def door(at: float = NOW, prefix: str = "") -> Doorkeeper:
    return Doorkeeper(AGENT, lambda: TRUSTED, prefix=prefix, clock=lambda: at)


def bearing(token: str, request: RequestParts = REQUEST) -> RequestParts:
    return replace(request, headers=(*request.headers, ("authorization", f"Bearer {token}")))


def signed(request: RequestParts = REQUEST, key: SigningKey = KEY, issuer: str = ORCHESTRATOR) -> str:
    return token_for(request, AGENT, key, issuer, at=NOW)


def test_the_request_that_was_signed_comes_in() -> None:
    assert door().permits(bearing(signed())) is None
    assert door().permits(bearing(signed(key=OPERATORS, issuer=OPERATOR))) is None


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_any_method_and_path_can_be_signed(method: str) -> None:
    request = RequestParts(method, "/mails/a%20b?state=held", (), b"")
    assert door().permits(bearing(signed(request), request)) is None


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", "Basic eDp5"),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer  "),),
    ],
)
def test_without_a_bearer_token_nobody_comes_in(headers: tuple[tuple[str, str], ...]) -> None:
    assert door().permits(replace(REQUEST, headers=(*REQUEST.headers, *headers))) == NO_TOKEN


def test_of_two_tokens_none_counts() -> None:
    twice = bearing(signed(), bearing(signed()))
    assert door().permits(twice) == NO_TOKEN


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "..", "A" * 9000])
def test_garbage_and_a_strangers_token_are_told_the_same(token: str) -> None:
    assert door().permits(bearing(token)) == NOT_TRUSTED
    assert door().permits(bearing(signed(key=STRANGER))) == NOT_TRUSTED


def test_nobody_signs_as_another_issuer() -> None:
    assert door().permits(bearing(signed(key=OPERATORS, issuer=ORCHESTRATOR))) == NOT_TRUSTED
    assert door().permits(bearing(signed(issuer=OPERATOR))) == NOT_TRUSTED


def test_what_is_for_operators_is_not_the_orchestrators() -> None:
    assert door().permits(bearing(signed()), issuers=(OPERATOR,)) == NOT_TRUSTED
    assert door().permits(bearing(signed(key=OPERATORS, issuer=OPERATOR)), issuers=(OPERATOR,)) is None


def test_a_token_for_another_agent_is_worth_nothing_here() -> None:
    token = token_for(REQUEST, AgentId("lead_scoring"), KEY, ORCHESTRATOR, at=NOW)
    assert door().permits(bearing(token)) == OTHER_AGENT


@pytest.mark.parametrize(
    ("later", "comes_in"), [(-31, False), (-30, True), (0, True), (90, True), (91, False)]
)
def test_a_token_lasts_a_minute_and_clocks_may_differ_by_half_of_one(later: int, comes_in: bool) -> None:
    assert door(NOW + later).permits(bearing(signed())) == (None if comes_in else NOT_NOW)


@pytest.mark.parametrize("times", [{"exp": NOW + 3600}, {"exp": True}, {"iat": None}, {"iat": float(NOW)}])
def test_a_token_for_longer_than_a_minute_is_none(times: dict[str, object]) -> None:
    claims = {"iss": ORCHESTRATOR, "aud": AGENT, "iat": NOW, "exp": NOW + 60, **REQUEST.bound(), **times}
    assert door().permits(bearing(KEY.sign("signalbox-request", claims))) == NOT_NOW


def with_header(name: str, value: str) -> RequestParts:
    return replace(REQUEST, headers=(*REQUEST.headers, (name, value)))


CHANGED = {
    "body": replace(REQUEST, body=b"\0\0\0\0\1bodY"),
    "no body": replace(REQUEST, body=b""),
    "method": replace(REQUEST, method="PUT"),
    "path": replace(REQUEST, target="/messages/"),
    "query": replace(REQUEST, target="/messages?type=sdr.Lead"),
    "a header more": with_header("ce-tokens", "0"),
    "a header twice": with_header("ce-hop", "3"),
    "a header twice, in other letters": with_header("Ce-Hop", "0"),
    "the key twice": with_header("idempotency-key", "m-2"),
    "the type twice": with_header("Content-Type", "application/json"),
    "a header less": replace(REQUEST, headers=tuple(one for one in REQUEST.headers if one[0] != "ce-hop")),
    "a value": replace(REQUEST, headers=tuple((n, "4" if n == "ce-hop" else v) for n, v in REQUEST.headers)),
    "two values exchanged": replace(
        REQUEST, headers=tuple((n, {"m-1": "3", "3": "m-1"}.get(v, v)) for n, v in REQUEST.headers)
    ),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
def test_a_token_is_worth_nothing_for_a_changed_request(changed: RequestParts) -> None:
    assert door().permits(bearing(signed(), changed)) == OTHER_REQUEST


def test_what_a_proxy_may_change_changes_nothing() -> None:
    moved = replace(
        REQUEST,
        headers=(
            *((name.upper(), value) for name, value in reversed(REQUEST.headers)),
            ("x-forwarded-for", "10.0.0.1"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
    )
    assert door().permits(bearing(signed(), moved)) is None


def test_the_order_of_a_header_that_repeats_counts() -> None:
    one, other = with_header("ce-x", "1"), with_header("ce-x", "2")
    first = replace(one, headers=(*one.headers, ("ce-x", "2")))
    second = replace(other, headers=(*other.headers, ("ce-x", "1")))
    assert door().permits(bearing(signed(first), first)) is None
    assert door().permits(bearing(signed(first), second)) == OTHER_REQUEST


def test_a_path_that_a_proxy_shortens_is_the_one_that_was_asked_for() -> None:
    asked = replace(REQUEST, target="/agents/mail/messages")
    assert door(prefix="/agents/mail/").permits(bearing(signed(asked))) is None
    assert door().permits(bearing(signed(asked))) == OTHER_REQUEST


def test_an_announcements_signature_is_no_token() -> None:
    from signalbox.trust import sealed

    [(_, signature)] = sealed(KEY, AGENT, b"value", NOW * 1000)
    assert door().permits(bearing(signature.decode())) == NOT_TRUSTED
