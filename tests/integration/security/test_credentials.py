"""Who is let in at all: by password, by token, by certificate; and what a wrong identity is told."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from authenticated import TokenEndpoint
from operating import free_port
from secured_stack import SecuredStack
from signalbox.kafka import GroupConsumer, KafkaSettings, Producer, TransactionalProducer, read_to_end
from signalbox.kafka import security as kafka_security
from signalbox.protocol.errors import ConfigurationError, SignalboxError, Unavailable
from signalbox.protocol.records import Draft
from tls_server import served_over_tls

pytestmark = pytest.mark.real_kafka


def unique() -> str:
    return f"test-{uuid.uuid4().hex}"


async def write(kafka: KafkaSettings, topic: str = "agent_messages") -> None:
    producer = Producer(kafka, unique())
    try:
        await producer.publish(Draft(topic, b"a-key-of-this-test", b"not a message"))
    finally:
        await producer.close()


async def read(kafka: KafkaSettings, topic: str = "agent_messages") -> None:
    await asyncio.to_thread(lambda: next(read_to_end(kafka, [topic], patience_s=30), None))


async def poll(kafka: KafkaSettings) -> None:
    consumer = GroupConsumer(kafka, "orchestrator.test", ["agent_messages"], unique())
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            while not (await consumer.poll(10, 0.2)).assigned:
                pass
    finally:
        await consumer.close()


async def begin(kafka: KafkaSettings) -> None:
    producer = TransactionalProducer(kafka, "orchestrator.test.0")
    try:
        await producer.start()
    finally:
        await producer.close()


@pytest.mark.parametrize("use", [write, read, poll, begin])
async def test_every_kind_of_client_says_that_its_password_is_wrong(
    secured: SecuredStack, use: Callable[[KafkaSettings], Any]
) -> None:
    with pytest.raises(ConfigurationError, match=r"KAFKA_\*") as caught:
        await use(secured.kafka_as("orchestrator", password="not-the-password"))
    assert "not-the-password" not in str(caught.value)


@pytest.mark.parametrize("service", ["console", "lead_scoring"])
def test_a_process_with_a_wrong_password_ends_and_says_so(
    secured: SecuredStack, service: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("not-the-password")
    environment = {
        **secured.stack.env_of(service),
        "KAFKA_SASL_PASSWORD_FILE": str(wrong),
        "DATA_DIR": str(tmp_path),
        f"{service.upper()}_PORT": str(free_port()),
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", service], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        process.wait(180)
    finally:
        process.kill()
    log_text = (tmp_path / "log").read_text()
    assert "the broker and these KAFKA_* settings don't fit" in log_text
    assert "not-the-password" not in log_text


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_each_mechanism_of_passwords_lets_its_user_in_and_no_other(
    secured: SecuredStack, mechanism: str
) -> None:
    await write(secured.kafka_as("lead_scoring", mechanism))
    with pytest.raises(ConfigurationError):
        await write(secured.kafka_as("lead_scoring", mechanism, secured.password("send_email")))


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_whoever_does_not_say_who_he_is_reads_nothing_and_is_told_what_the_client_saw(
    secured: SecuredStack, protocol: str
) -> None:
    trusted = secured.trusted if protocol == "SSL" else None
    with pytest.raises(SignalboxError) as caught:
        await read(secured.kafka(security_protocol=protocol, ssl_ca_location=trusted))
    assert isinstance(caught.value, ConfigurationError | Unavailable)
    assert "the client says" in str(caught.value) or "KAFKA_*" in str(caught.value)


async def test_a_broker_whose_authority_is_not_trusted_gets_no_password(secured: SecuredStack) -> None:
    with pytest.raises(ConfigurationError, match="certificate"):
        await read(secured.kafka_as("console").model_copy(update={"ssl_ca_location": None}))


async def test_a_certificate_is_an_identity_with_its_own_permissions(secured: SecuredStack) -> None:
    as_console = secured.kafka_with_certificate("console")
    await read(as_console)
    with pytest.raises(ConfigurationError, match="refuses these credentials"):
        await write(as_console)


async def test_a_certificates_key_may_be_encrypted(secured: SecuredStack) -> None:
    certificate, key = secured.authority.issue("lead_scoring", password="key-word")
    own = {"ssl_certificate_location": str(certificate), "ssl_key_location": str(key)}
    await write(secured.mutual(**own, ssl_key_password=SecretStr("key-word")))
    with pytest.raises(ConfigurationError, match="KAFKA_SSL"):
        await write(secured.mutual(**own, ssl_key_password=SecretStr("wrong")))


async def test_without_a_certificate_the_mutual_listener_lets_nobody_in(secured: SecuredStack) -> None:
    with pytest.raises(SignalboxError) as caught:
        await read(secured.mutual())
    assert "certificate" in str(caught.value) or "the client says" in str(caught.value)


def by_token(secured: SecuredStack, url: str, client_secret: str = "secret-word") -> KafkaSettings:
    return secured.kafka(
        sasl_mechanism="OAUTHBEARER",
        sasl_oauthbearer_client_id="lead_scoring",
        sasl_oauthbearer_client_secret=SecretStr(client_secret),
        sasl_oauthbearer_token_endpoint_url=f"{url}/token",
        https_ca_location=secured.trusted,
    )


async def test_a_token_of_the_endpoint_is_an_identity_with_its_own_permissions(secured: SecuredStack) -> None:
    endpoint = TokenEndpoint("lead_scoring", "secret-word", lambda: secured.issuer.token("lead_scoring"))
    with served_over_tls(endpoint, secured.authority) as url:
        await write(by_token(secured, url))
        with pytest.raises(ConfigurationError, match="TOPIC_AUTHORIZATION_FAILED"):
            await write(by_token(secured, url), "agent_routes")
    assert endpoint.asked >= 2


async def test_a_token_for_another_audience_is_refused(secured: SecuredStack) -> None:
    def foreign() -> str:
        return secured.issuer.token("lead_scoring", audience="somebody-else")

    endpoint = TokenEndpoint("lead_scoring", "secret-word", foreign)
    refused = pytest.raises(ConfigurationError, match=r"KAFKA_\*")
    with served_over_tls(endpoint, secured.authority) as url, refused:
        await write(by_token(secured, url))


async def test_a_token_that_is_signed_in_the_process_goes_the_way_of_msk(
    secured: SecuredStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the signature is this stack's and not that of AWS."""

    def signer(region: str) -> kafka_security.TokenCallback:
        assert region == "eu-central-1"
        return lambda _: (secured.issuer.token("lead_scoring"), 4_000_000_000.0)

    monkeypatch.setattr(kafka_security, "msk_iam_token", signer)
    settings = secured.kafka(sasl_mechanism="AWS_MSK_IAM", aws_region="eu-central-1")
    await write(settings)
    with pytest.raises(ConfigurationError, match="TOPIC_AUTHORIZATION_FAILED"):
        await write(settings, "agent_routes")
