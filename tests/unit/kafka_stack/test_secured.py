"""What a secured stack is made of: certificates, tokens and files that only their owner reads."""

import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from joserfc import jwt
from joserfc.jwk import KeySet

from kafka_stack.broker import Node
from kafka_stack.certificates import Authority
from kafka_stack.issuer import AUDIENCE, Issuer
from kafka_stack.listeners import Admission, overrides
from kafka_stack.secret_files import password_file
from local_stack.services import Address
from local_stack.state import StackProcess, probe
from tls_server import served_over_tls


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_and_passwords_are_read_by_their_owner_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "secrets")
    _, key = authority.issue("console")
    files = [key, authority.key_store("broker"), tmp_path / "secrets" / "ca.key"]
    files += [password_file(tmp_path / "secrets" / "passwords" / "console")]
    Issuer(tmp_path / "secrets")
    files += [tmp_path / "secrets" / "issuer.key"]
    assert {mode(path) for path in files} == {0o600}
    assert mode(tmp_path / "secrets") == 0o700


def test_what_was_made_once_stays(tmp_path: Path) -> None:
    first = Authority(tmp_path).issue("console")[0].read_bytes(), password_file(tmp_path / "p").read_text()
    second = Authority(tmp_path).issue("console")[0].read_bytes(), password_file(tmp_path / "p").read_text()
    assert first == second


def test_the_issuers_tokens_are_verified_by_its_jwks(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    keys = KeySet.import_key_set(json.loads(issuer.jwks.read_text()))
    claims = jwt.decode(issuer.token("console"), keys, algorithms=["ES256"]).claims
    assert (claims["sub"], claims["aud"]) == ("console", AUDIENCE)
    assert set(json.loads(issuer.jwks.read_text())["keys"][0]) >= {"kty", "crv", "x", "y"}
    assert "d" not in json.loads(issuer.jwks.read_text())["keys"][0]


def test_every_listener_of_a_secured_broker_asks_who_is_there(tmp_path: Path) -> None:
    admission = Admission(Authority(tmp_path), Issuer(tmp_path), {"console": "word"})
    said = overrides(Node(1, Address("127.0.0.1", 9092), 9093), 9094, admission)
    protocols = dict(pair.split(":") for pair in str(said["listener.security.protocol.map"]).split(","))
    assert protocols == {"SASL_SSL": "SASL_SSL", "MUTUAL": "SSL", "CONTROLLER": "SSL"}
    assert said["listener.name.mutual.ssl.client.auth"] == "required"
    assert said["listener.name.controller.ssl.client.auth"] == "required"
    assert said["allow.everyone.if.no.acl.found"] == "false"


@pytest.mark.parametrize("trusted", [True, False])
def test_status_asks_over_tls_and_trusts_the_stacks_authority_only(tmp_path: Path, trusted: bool) -> None:
    async def ready(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"{}"})  # type: ignore[operator]

    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    with served_over_tls(ready, ours) as url:  # type: ignore[arg-type]
        port = int(url.rpartition(":")[2])
        authority = str((ours if trusted else other).certificate)
        process = StackProcess("registry", 1, 0.0, url, "127.0.0.1", port, "/readyz", authority=authority)
        assert probe(process).ready is trusted


def test_a_certificate_is_for_its_hosts_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("broker", ["127.0.0.1", "localhost"])
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == {"127.0.0.1", "localhost"}
