"""Both registry clients against a registry over TLS that asks who is there."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authenticated import Authenticated, TokenEndpoint, basic
from committed_contracts import schema_text
from dev_registry.app import create_app
from dev_registry.settings import Settings as DevRegistrySettings
from kafka_stack.certificates import Authority
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import Subject
from signalbox.registry.client import Registry, RegistrySettings
from signalbox_operations.contracts.registry_api import RegistryApi
from tls_server import served_over_tls

SUBJECT = Subject("sdr.LeadCaptured")
TEXT = schema_text("sdr.LeadCaptured")
Read = Callable[[RegistrySettings], int]


def read_by_tools(settings: RegistrySettings) -> int:
    """How the contract commands read: synchronously."""
    with RegistryApi(settings) as registry:
        return len(registry.versions(SUBJECT))


def read_by_services(settings: RegistrySettings) -> int:
    """How services read: by Confluent's asynchronous client."""

    async def read() -> int:
        registry = Registry(settings)
        try:
            return len(await registry.versions(SUBJECT))
        finally:
            await registry.close()

    return asyncio.run(read())


both_clients = pytest.mark.parametrize("read", [read_by_tools, read_by_services])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(DevRegistrySettings(data_dir=tmp_path_factory.mktemp("registry")))


class Door:
    """The registry behind TLS and authentication; ``key`` is the header that it wants."""

    def __init__(self, registry: Any, authority: Authority) -> None:
        self.key = basic("ada", "secret-word")
        self.guard = Authenticated(registry, lambda: self.key)
        self.trusted = str(authority.certificate)
        self.url = ""

    def settings(self, **more: Any) -> RegistrySettings:
        return RegistrySettings(url=self.url, ssl_ca_location=self.trusted, **more)


@pytest.fixture(scope="module")
def open_door(registry: Any, authority: Authority) -> Iterator[Door]:
    door = Door(registry, authority)
    with served_over_tls(door.guard, authority) as door.url:
        with RegistryApi(door.settings(user="ada", password="secret-word")) as api:
            api.register(SUBJECT, TEXT)
        yield door


@pytest.fixture
def door(open_door: Door) -> Door:
    open_door.key = basic("ada", "secret-word")
    return open_door


@both_clients
def test_a_user_and_a_password_open_the_registry(door: Door, read: Read) -> None:
    assert read(door.settings(user="ada", password="secret-word")) == 1


@both_clients
@pytest.mark.parametrize("own", [{}, {"user": "ada", "password": "wrong"}, {"token": "wrong"}])
def test_whoever_the_registry_refuses_has_a_wrong_configuration(
    door: Door, read: Read, own: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="SCHEMA_REGISTRY") as caught:
        read(door.settings(**own))
    assert "wrong" not in str(caught.value)


@both_clients
def test_a_registry_whose_authority_is_not_trusted_is_a_wrong_configuration(door: Door, read: Read) -> None:
    with pytest.raises(ConfigurationError, match="SCHEMA_REGISTRY_SSL_CA_LOCATION"):
        read(RegistrySettings(url=door.url, user="ada", password="secret-word"))


@both_clients
def test_a_bearer_token_opens_the_registry_and_is_read_again_when_it_is_rotated(
    door: Door, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    monkeypatch.setenv("SCHEMA_REGISTRY_TOKEN_FILE", str(file))
    settings = door.settings(logical_cluster="lsrc-1", identity_pool="pool-1")
    file.write_text("new\n")
    door.key = "Bearer new"
    assert read(settings) == 1
    assert door.guard.headers["target-sr-cluster"] == "lsrc-1"
    assert door.guard.headers["confluent-identity-pool-id"] == "pool-1"


@both_clients
def test_a_token_comes_from_the_token_endpoint_and_is_kept_while_it_lasts(
    door: Door, authority: Authority, read: Read
) -> None:
    door.key = "Bearer fetched"
    endpoint = TokenEndpoint("ada", "secret-word", lambda: "fetched")
    with served_over_tls(endpoint, authority) as url:
        settings = door.settings(
            oauth_client_id="ada", oauth_client_secret="secret-word", oauth_token_url=f"{url}/token"
        )
        assert read(settings) == 1
    assert endpoint.asked == 1  # though each reading takes several requests


@both_clients
def test_a_token_endpoint_that_refuses_the_client_is_a_wrong_configuration(
    door: Door, authority: Authority, read: Read
) -> None:
    with served_over_tls(TokenEndpoint("ada", "other", lambda: "fetched"), authority) as url:
        settings = door.settings(
            oauth_client_id="ada", oauth_client_secret="secret-word", oauth_token_url=f"{url}/token"
        )
        with pytest.raises(ConfigurationError, match="SCHEMA_REGISTRY_OAUTH") as caught:
            read(settings)
    assert "secret-word" not in str(caught.value)


@both_clients
def test_a_certificate_with_an_encrypted_key_opens_a_registry_that_wants_one(
    registry: Any, authority: Authority, read: Read
) -> None:
    certificate, key = authority.issue("ada", password="key-word")
    trusted = str(authority.certificate)
    with served_over_tls(registry, authority, clients=authority.certificate) as url:
        own = {"ssl_certificate_location": str(certificate), "ssl_key_location": str(key)}
        settings = RegistrySettings(url=url, ssl_ca_location=trusted, ssl_key_password="key-word", **own)
        assert read(settings) >= 0
        with pytest.raises(ConfigurationError, match="SCHEMA_REGISTRY_SSL_KEY_PASSWORD"):
            read(RegistrySettings(url=url, ssl_ca_location=trusted, ssl_key_password="wrong", **own))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": "registry:8081"}, "SCHEMA_REGISTRY_URL"),
        ({"url": "https://ada:secret-word@registry"}, "SCHEMA_REGISTRY_URL holds credentials"),
        ({"user": "ada"}, "SCHEMA_REGISTRY_PASSWORD is not"),
        ({"password": "secret-word"}, "SCHEMA_REGISTRY_USER is not"),
        ({"user": "ada", "password": "p", "token": "secret-word"}, "SCHEMA_REGISTRY_TOKEN are both set"),
        ({"oauth_client_id": "ada"}, "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET is not"),
        ({"ssl_ca_location": "/etc/hostname"}, "SCHEMA_REGISTRY_URL has no TLS"),
        (
            {"url": "https://r", "ssl_ca_location": "/not/there"},
            "SCHEMA_REGISTRY_SSL_CA_LOCATION: /not/there",
        ),
        (
            {"url": "https://r", "ssl_key_location": "/etc/hostname"},
            "SCHEMA_REGISTRY_SSL_CERTIFICATE_LOCATION",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_told_by_their_variables(
    values: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RegistrySettings(**values)
    assert said in str(caught.value)
    assert "secret-word" not in str(caught.value)
