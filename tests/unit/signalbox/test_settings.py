"""Settings come from the environment, secrets from files too, and what is wrong is told without the value."""

import traceback
from pathlib import Path

import pytest
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from lead_capture.settings import LeadCaptureSettings
from send_email.settings import MailSettings
from signalbox.kafka import KafkaSettings
from signalbox.models.settings import ModelSettings
from signalbox.process.settings import Settings, secret_variables, variable_of
from signalbox.protocol.errors import ConfigurationError
from signalbox.registry.client import RegistrySettings
from signalbox.trust import TrustSettings
from signalbox_agent.settings import AgentSettings
from signalbox_agent.tools.settings import ToolSettings

VALUE = "hunter2-in-the-clear"


class Door(Settings):
    model_config = SettingsConfigDict(env_prefix="DOOR_")

    key: SecretStr | None = None
    height: int = 2
    bell: SecretStr | None = Field(default=None, validation_alias=AliasChoices("bell", "BELL_CODE"))


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key"
    monkeypatch.setenv("DOOR_KEY_FILE", str(path))
    return path


def value_of(secret: SecretStr | None) -> str:
    assert secret is not None
    return secret.get_secret_value()


def test_a_secret_is_what_its_file_holds_without_the_end_of_the_line(key_file: Path) -> None:
    key_file.write_text(f"{VALUE} \n")
    assert value_of(Door().key) == f"{VALUE} "


def test_a_rotated_secret_counts_the_next_time_that_it_is_asked_for(key_file: Path) -> None:
    key_file.write_text("old")
    door = Door()
    key_file.write_text("new")
    assert value_of(door.key) == "new"


def test_a_field_with_a_name_of_its_own_has_its_file_under_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").write_text("1234")
    monkeypatch.setenv("BELL_CODE_FILE", str(tmp_path / "code"))
    assert value_of(Door().bell) == "1234"


def test_a_secret_from_a_file_is_not_shown(key_file: Path) -> None:
    key_file.write_text(VALUE)
    door = Door()
    assert VALUE not in f"{door!r} {door} {door.model_dump()} {door.key!r} {door.model_dump_json()}"


@pytest.mark.parametrize("make", ["missing", "empty", "a blank line", "a folder", "binary", "huge"])
def test_a_file_that_holds_no_secret_is_told_by_variable_and_path(key_file: Path, make: str) -> None:
    match make:
        case "empty":
            key_file.touch()
        case "a blank line":
            key_file.write_text("\n")
        case "a folder":
            key_file.mkdir()
        case "binary":
            key_file.write_bytes(b"\xff\xfe")
        case "huge":
            key_file.write_bytes(b"x" * 100_000)
    with pytest.raises(ConfigurationError) as caught:
        Door()
    assert "DOOR_KEY_FILE" in str(caught.value)
    assert str(key_file) in str(caught.value)


def test_a_secret_that_vanishes_later_is_told_when_it_is_asked_for(key_file: Path) -> None:
    key_file.write_text("k")
    door = Door()
    key_file.unlink()
    with pytest.raises(ConfigurationError, match="DOOR_KEY_FILE"):
        value_of(door.key)


def test_a_secret_that_is_set_twice_is_refused(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.write_text("k")
    monkeypatch.setenv("DOOR_KEY", VALUE)
    with pytest.raises(ConfigurationError, match="DOOR_KEY and DOOR_KEY_FILE") as caught:
        Door()
    assert VALUE not in str(caught.value)


def test_what_is_set_empty_counts_as_not_set(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.write_text("k")
    monkeypatch.setenv("DOOR_KEY", "")
    monkeypatch.setenv("DOOR_HEIGHT", "")
    door = Door()
    assert (value_of(door.key), door.height) == ("k", 2)


def test_a_wrong_setting_is_told_by_its_variable_and_never_by_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOOR_HEIGHT", VALUE)
    with pytest.raises(ConfigurationError, match="DOOR_HEIGHT") as caught:
        Door()
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_a_variable_is_the_fields_own_name_or_the_prefix_and_the_field() -> None:
    assert (variable_of(Door, "key"), variable_of(Door, "bell")) == ("DOOR_KEY", "BELL_CODE")


def test_these_are_the_secrets_of_the_system_and_each_may_come_from_a_file() -> None:
    found = {
        variable
        for settings in (
            AgentSettings,
            KafkaSettings,
            LeadCaptureSettings,
            MailSettings,
            ModelSettings,
            RegistrySettings,
            ToolSettings,
            TrustSettings,
        )
        for variable in secret_variables(settings).values()
    }
    assert found == {
        "AGENT_SIGNING_KEY",
        "CRM_TOKEN",
        "ENRICHMENT_TOKEN",
        "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET",
        "KAFKA_SASL_PASSWORD",
        "KAFKA_SSL_KEY_PASSWORD",
        "LEAD_API_KEYS",
        "LEAD_STORE_URL",
        "LLM_API_KEY",
        "MAIL_SCHEDULE_URL",
        "OPERATOR_PUBLIC_KEY",
        "OPERATOR_SIGNING_KEY",
        "ORCHESTRATOR_PUBLIC_KEY",
        "ORCHESTRATOR_SIGNING_KEY",
        "SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET",
        "SCHEMA_REGISTRY_PASSWORD",
        "SCHEMA_REGISTRY_SSL_KEY_PASSWORD",
        "SCHEMA_REGISTRY_TOKEN",
        "SMTP_URL",
        "SOCIAL_TOKEN",
        "STATE_STORE_URL",
    }
