import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from compose_stack.secrets import prepare_secrets
from signalbox.protocol.errors import ConfigurationError
from signalbox.trust import SigningKey

AGENTS = {"lead_scoring": "http://lead_scoring:8102", "send_email": "http://send_email:8105"}
CATALOG = Path(__file__).parents[3] / "contracts" / "catalog.yaml"


def prepare(folder: Path, agents: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    return prepare_secrets(folder, agents, environment, CATALOG)


def test_each_agent_gets_a_key_of_its_own_which_is_kept_and_granted(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    prepare(folder, AGENTS, {})
    keys = {name: (folder / "agents" / f"{name}.key").read_text() for name in AGENTS}
    assert len({*keys.values(), (folder / "orchestrator.key").read_text()}) == len(AGENTS) + 1
    prepare(folder, AGENTS, {})
    assert {name: (folder / "agents" / f"{name}.key").read_text() for name in AGENTS} == keys
    granted = json.loads((folder / "grants.json").read_text())["agents"]
    assert granted["send_email"] == {
        "endpoints": ["http://send_email:8105"],
        "public_keys": [SigningKey(keys["send_email"]).public],
        "takes": ["sdr.CampaignDrafted"],
        "gives": ["sdr.CampaignScheduled"],
    }


def test_only_its_user_can_enter_the_folder_and_a_container_can_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    prepare(folder, AGENTS, {"LLM_API_KEY": "k"})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 13
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in files)


def test_a_secret_of_the_environment_becomes_a_file_and_only_its_place_is_told(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("from a file\n")
    told = prepare(tmp_path / "s", {}, {"LLM_API_KEY_FILE": str(key), "SMTP_URL": "smtp://u:p@host"})
    assert (tmp_path / "s" / "llm_api_key").read_text() == "from a file\n"
    assert (tmp_path / "s" / "smtp_url").read_text() == "smtp://u:p@host"
    assert told == {
        "SECRETS_DIR": str(tmp_path / "s"),
        "AGENT_KEYS_DIR": str(tmp_path / "s"),
        "LLM_API_KEY_MOUNT": "/run/secrets/llm_api_key",
        "SMTP_URL_MOUNT": "/run/secrets/smtp_url",
    }


def test_a_secret_that_is_not_there_any_more_is_emptied_and_not_mounted(tmp_path: Path) -> None:
    prepare(tmp_path / "s", {}, {"LLM_API_KEY": "old"})
    told = prepare(tmp_path / "s", {}, {})
    assert (tmp_path / "s" / "llm_api_key").read_text() == ""
    assert told["LLM_API_KEY_MOUNT"] == ""


def test_a_secret_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SMTP_URL_FILE: .*/missing can't be read"):
        prepare(tmp_path / "s", {}, {"SMTP_URL_FILE": str(tmp_path / "missing")})
