"""Keys: one format, files that only their owner reads, made once; settings that find them."""

import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OKPKey

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.trust import SigningKey, TrustedKeys, TrustSettings, public_keys
from signalbox.trust.key_files import agents_public_keys
from signalbox.trust.keys import claims_of

AGENT = AgentId("scoring")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_agents_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "keys"
    settings = TrustSettings(agent_keys_dir=folder)
    made = settings.own_key(AGENT)
    assert settings.own_key(AGENT).pem == made.pem
    assert agents_public_keys(folder, AGENT) == (made.public,)
    assert {mode(path) for path in (folder / "agents").iterdir()} == {0o600}
    assert {mode(folder), mode(folder / "agents")} == {0o700}
    assert sorted(path.name for path in (folder / "agents").iterdir()) == ["scoring.key", "scoring.pub"]


def test_of_many_that_make_the_key_at_once_all_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        settings = TrustSettings(agent_keys_dir=tmp_path)
        pems = {key.public for key in pool.map(lambda _: settings.orchestrators_key(), range(8))}
    assert len(pems) == 1
    assert TrustedKeys(settings)() == {"orchestrator": tuple(pems)}


@pytest.mark.parametrize("name", ["orchestrator", "operator", "trusted"])
def test_an_agent_of_any_name_has_no_other_file_than_its_own(tmp_path: Path, name: str) -> None:
    settings = TrustSettings(agent_keys_dir=tmp_path)
    agents = settings.own_key(AgentId(name))
    assert settings.orchestrators_key().public != agents.public
    assert settings.operators_key().public != agents.public
    assert agents.public not in [key for keys in TrustedKeys(settings)().values() for key in keys]


def test_the_folder_of_tokens_of_an_older_stack_is_the_folder_of_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AGENT_TOKENS_DIR", str(tmp_path / "old"))
    assert TrustSettings().folder == tmp_path / "old"
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path / "new"))
    assert TrustSettings().folder == tmp_path / "new"


def test_a_key_of_openssl_is_a_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", file], check=True)
    pem = subprocess.run(
        ["openssl", "pkey", "-in", file, "-pubout"], check=True, capture_output=True, text=True
    )
    assert public_keys(pem.stdout) == (SigningKey(file.read_text()).public,)


def test_keys_come_as_secrets_in_files_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    agents, orchestrators = SigningKey.generate(), SigningKey.generate()
    (tmp_path / "own").write_text(agents.pem)
    (tmp_path / "theirs").write_text(orchestrators.public)
    monkeypatch.setenv("AGENT_SIGNING_KEY_FILE", str(tmp_path / "own"))
    monkeypatch.setenv("ORCHESTRATOR_PUBLIC_KEY_FILE", str(tmp_path / "theirs"))
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path / "keys"))
    settings = TrustSettings()
    assert settings.own_key(AGENT).public == agents.public
    trusted = TrustedKeys(settings)
    assert trusted() == {"orchestrator": (orchestrators.public,)}
    # Two during a rotation; a file that is half written shuts no one out.
    renewed = SigningKey.generate()
    (tmp_path / "theirs").write_text(orchestrators.public + renewed.public)
    assert trusted() == {"orchestrator": (orchestrators.public, renewed.public)}
    (tmp_path / "theirs").write_text(orchestrators.public[:40])
    assert trusted() == {"orchestrator": (orchestrators.public, renewed.public)}


def test_a_key_that_is_taken_out_of_the_folder_counts_no_more(tmp_path: Path) -> None:
    settings = TrustSettings(agent_keys_dir=tmp_path)
    trusted = TrustedKeys(settings)
    assert trusted() == {}
    settings.operators_key()
    assert set(trusted()) == {"operator"}
    (tmp_path / "trusted" / "operator.pub").unlink()
    assert trusted() == {}


@pytest.mark.parametrize("place", ["agents", "agents/scoring.pub"])
def test_a_public_key_that_others_can_write_says_nothing(tmp_path: Path, place: str) -> None:
    TrustSettings(agent_keys_dir=tmp_path).own_key(AGENT)
    os.chmod(tmp_path / place, 0o777)  # noqa: PTH101
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        agents_public_keys(tmp_path, AGENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        OKPKey.generate_key("X25519").as_pem(private=True).decode(),
        OKPKey.generate_key("Ed448").as_pem(private=True).decode(),
        ECKey.generate_key("P-256").as_pem(private=True).decode(),
        SigningKey.generate().public,
    ],
)
def test_what_is_no_private_ed25519_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agents" / "scoring.key"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"scoring\.key") as error:
        TrustSettings(agent_keys_dir=tmp_path).own_key(AGENT)
    assert "PRIVATE" not in str(error.value)


def test_a_signature_is_for_one_kind_of_thing_alone() -> None:
    key = SigningKey.generate()
    token = key.sign("one", {"a": 1})
    assert claims_of("one", token, [SigningKey.generate().public, key.public]) == ({"a": 1}, key.public)
    assert claims_of("another", token, [key.public]) is None
    for spoilt in ("", "..", token[:-8], token + "x", "A" * 5000, token.replace(".", "", 1), "é"):
        assert claims_of("one", spoilt, [key.public]) is None


def test_a_signature_by_no_algorithm_or_by_the_public_key_as_a_secret_is_none() -> None:
    import base64
    import hashlib
    import hmac
    import json

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    key = SigningKey.generate()
    payload = part(b'{"a":1}')
    for algorithm in ("none", "HS256", "EdDSA"):
        head = part(json.dumps({"alg": algorithm, "typ": "one"}, separators=(",", ":")).encode())
        mac = hmac.new(key.public.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
        for signature in ("", part(mac)):
            assert claims_of("one", f"{head}.{payload}.{signature}", [key.public]) is None
