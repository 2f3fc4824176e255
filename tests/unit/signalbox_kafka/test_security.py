"""Who we are to the broker: what librdkafka is told, and which settings contradict each other."""

import os
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from kafka_stack.certificates import Authority
from signalbox.kafka import KafkaSettings
from signalbox.kafka.credentials import CredentialWatch
from signalbox.protocol.errors import ConfigurationError, Unavailable

SCRAM = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "ada",
    "KAFKA_SASL_PASSWORD": "secret-word",
}
OIDC = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    "KAFKA_SASL_OAUTHBEARER_CLIENT_ID": "ada",
    "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": "secret-word",
    "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": "https://login.example/token",
}


@pytest.fixture(autouse=True)
def no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("KAFKA_", "AWS_"))]:
        monkeypatch.delenv(name)


def properties(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> dict[str, Any]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return KafkaSettings().client("test")


def test_without_settings_nothing_is_said_of_tls_or_sasl(monkeypatch: pytest.MonkeyPatch) -> None:
    said = properties(monkeypatch, {})
    assert said["security.protocol"] == "PLAINTEXT"
    assert not [name for name in said if name.startswith(("ssl.", "sasl."))]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_and_a_password_go_to_every_mechanism_of_passwords(
    monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    said = properties(monkeypatch, {**SCRAM, "KAFKA_SASL_MECHANISM": mechanism})
    assert (said["sasl.mechanism"], said["sasl.username"], said["sasl.password"]) == (
        mechanism,
        "ada",
        "secret-word",
    )
    assert said["ssl.endpoint.identification.algorithm"] == "https"


def test_a_password_is_read_again_for_each_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    without = {name: value for name, value in SCRAM.items() if name != "KAFKA_SASL_PASSWORD"}
    for name, value in {**without, "KAFKA_SASL_PASSWORD_FILE": str(file)}.items():
        monkeypatch.setenv(name, value)
    settings = KafkaSettings()
    file.write_text("new\n")
    assert settings.producer("test")["sasl.password"] == "new"


def test_tokens_come_from_the_endpoint_by_librdkafkas_own_method(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("-")
    more = {
        "KAFKA_SASL_OAUTHBEARER_SCOPE": "kafka",
        "KAFKA_SASL_OAUTHBEARER_EXTENSIONS": "logicalCluster=lkc-1,identityPoolId=pool-1",
        "KAFKA_HTTPS_CA_LOCATION": str(tmp_path / "ca.pem"),
    }
    said = properties(monkeypatch, {**OIDC, **more})
    tokens = {name: value for name, value in said.items() if name.startswith(("sasl.", "https."))}
    assert tokens == {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "ada",
        "sasl.oauthbearer.client.secret": "secret-word",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example/token",
        "sasl.oauthbearer.scope": "kafka",
        "sasl.oauthbearer.extensions": "logicalCluster=lkc-1,identityPoolId=pool-1",
        "https.ca.location": str(tmp_path / "ca.pem"),
    }


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_MECHANISM is not set"),
        ({**SCRAM, "KAFKA_SASL_MECHANISM": "SCRAM"}, "KAFKA_SASL_MECHANISM"),
        ({**SCRAM, "KAFKA_SECURITY_PROTOCOL": "SSL"}, "KAFKA_SASL_MECHANISM is set, but"),
        ({"KAFKA_SASL_PASSWORD": "secret-word"}, "KAFKA_SASL_PASSWORD is set, but"),
        ({**SCRAM, "KAFKA_SASL_PASSWORD": ""}, "KAFKA_SASL_PASSWORD is not set"),
        ({**SCRAM, "KAFKA_SASL_USERNAME": ""}, "KAFKA_SASL_USERNAME is not set"),
        ({**SCRAM, **OIDC, "KAFKA_SASL_MECHANISM": "PLAIN"}, "KAFKA_SASL_OAUTHBEARER_CLIENT_ID is set, but"),
        ({**SCRAM, **OIDC}, "KAFKA_SASL_USERNAME is set, but KAFKA_SASL_MECHANISM is OAUTHBEARER"),
        ({**OIDC, "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": ""}, "CLIENT_SECRET is not set"),
        ({**OIDC, "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": ""}, "TOKEN_ENDPOINT_URL is not set"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "AWS_MSK_IAM"},
            "AWS_REGION is not set",
        ),
        ({"KAFKA_SSL_CA_LOCATION": "/etc/hostname"}, "KAFKA_SSL_CA_LOCATION is set, but"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEY_LOCATION": "/etc/hostname"},
            "KAFKA_SSL_CERTIFICATE_LOCATION is not",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTIFICATE_LOCATION": "/etc/hostname"},
            "KAFKA_SSL_KEY_LOCATION is not",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEY_PASSWORD": "secret-word"},
            "KAFKA_SSL_KEY_LOCATION is not",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": "/not/there"},
            "KAFKA_SSL_CA_LOCATION: /not/there can't be read",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM": "off"},
            "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_told_by_their_variables(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        properties(monkeypatch, environment)
    assert said in str(caught.value)
    assert "secret-word" not in str(caught.value)


def authentication_failure() -> KafkaError:
    return KafkaError(KafkaError._AUTHENTICATION, "invalid credentials")


def test_one_refusal_may_be_a_broker_that_goes_down_and_three_are_wrong_credentials() -> None:
    watch = CredentialWatch()
    for _ in range(2):
        watch.note(authentication_failure())
        watch.check()
    watch.note(authentication_failure())
    with pytest.raises(ConfigurationError, match="invalid credentials"):
        watch.check()


def test_a_broker_that_is_away_is_no_refusal_and_what_the_client_says_is_told() -> None:
    watch = CredentialWatch()
    for _ in range(10):
        watch.note(KafkaError(KafkaError._TRANSPORT, "Disconnected: might require SASL"))
    watch.check()
    assert "might require SASL" in watch.explained(Unavailable("broker", "no metadata")).detail


def test_a_key_opens_with_its_password_and_what_does_not_fit_is_told_by_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("ada", password="key-word")
    own = {
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CA_LOCATION": str(authority.certificate),
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(certificate),
        "KAFKA_SSL_KEY_LOCATION": str(key),
    }
    said = properties(monkeypatch, {**own, "KAFKA_SSL_KEY_PASSWORD": "key-word"})
    assert (said["ssl.key.location"], said["ssl.key.password"]) == (str(key), "key-word")
    for wrong in ({"KAFKA_SSL_KEY_PASSWORD": "wrong-word"}, {"KAFKA_SSL_CA_LOCATION": str(key)}):
        with pytest.raises(ConfigurationError, match="KAFKA_SSL_KEY_PASSWORD: these PEM files") as caught:
            properties(monkeypatch, {**own, **wrong})
        assert "-word" not in str(caught.value)
