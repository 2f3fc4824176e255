"""Grants as the command makes them: as often as one likes; what was taken away stays away."""

from pathlib import Path
from typing import Any

import pytest

from signalbox.control.models import AgentGranted
from signalbox.protocol.errors import ConfigurationError, SignalboxError
from signalbox.protocol.names import AgentId
from signalbox.trust import Registrations, SigningKey, TrustSettings
from signalbox_cli.agent_grants import Wanted, _apply, _remove, _revoke, _wanted
from signalbox_cli.granting import Known

AGENT = AgentId("greeter")
KEY = SigningKey.generate()
WANTED = {AGENT: Wanted(endpoints=["http://127.0.0.1:8201"], public_keys=[KEY.public])}


class MemoryGrantService:
    """Stands for the topic: keeps the newest grant of each agent."""

    def __init__(self, *announced: str) -> None:
        self.granted: dict[AgentId, AgentGranted] = {}
        self.announced = frozenset(map(AgentId, announced))
        self.written = 0

    async def known(self) -> Known:
        return Known(dict(self.granted), self.announced, Registrations(TrustSettings()))

    async def write(self, grants: list[AgentGranted]) -> None:
        self.written += len(grants)
        self.granted |= {AgentId(grant.agent_id): grant for grant in grants}


@pytest.fixture
def service() -> Any:
    return MemoryGrantService(AGENT)


async def outcome(service: Any, *, give_back: bool = False, wanted: Any = WANTED) -> str:
    [row] = await _apply(service, wanted, "a test", give_back)
    return str(row["outcome"])


async def test_a_grant_that_is_there_is_not_written_again(service: Any) -> None:
    assert await outcome(service) == "granted"
    assert await outcome(service) == "unchanged"
    assert service.written == 1
    assert service.granted[AGENT].public_keys == [KEY.public]


async def test_what_was_revoked_comes_back_by_grant_alone_and_stays_removed_until_it_starts(
    service: Any,
) -> None:
    await outcome(service)
    await _revoke(service, AGENT, "stolen")
    assert (await outcome(service)).startswith("is revoked")
    assert service.granted[AGENT].revoked
    assert await outcome(service, give_back=True) == "granted"
    assert not service.granted[AGENT].revoked
    assert service.granted[AGENT].removed_at is not None


async def test_an_agent_is_removed_once_and_keeps_its_grant(service: Any) -> None:
    await outcome(service)
    await _remove(service, AGENT)
    assert service.granted[AGENT].endpoints == ["http://127.0.0.1:8201"]
    assert service.granted[AGENT].removed_at is not None
    assert await outcome(service) == "unchanged"
    with pytest.raises(SignalboxError, match="there is no agent"):
        await _remove(service, AGENT)


async def test_nobody_who_is_not_there_is_removed_or_revoked(service: Any) -> None:
    for attempt in (_remove(service, AgentId("ghost")), _revoke(service, AgentId("ghost"), "")):
        with pytest.raises(SignalboxError, match="there is no agent"):
            await attempt
    assert service.written == 0


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(endpoints=["http://127.0.0.1:1"]),
        Wanted(endpoints=["http://127.0.0.1:1"], public_keys=[KEY.pem]),
        Wanted(endpoints=["http://127.0.0.1:1"], public_keys=["/nowhere"]),
        Wanted(endpoints=["http://u@127.0.0.1:1"], public_keys=[KEY.public]),
        Wanted(endpoints=["ftp://127.0.0.1:1"], public_keys=[KEY.public]),
    ],
    ids=["no key", "a private key", "no file", "userinfo", "another scheme"],
)
async def test_a_grant_that_could_not_be_meant_is_not_written(
    service: Any, wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError):
        await outcome(service, wanted={AGENT: wanted})
    assert service.written == 0


async def test_the_key_that_an_agent_left_in_the_folder_is_granted(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path))
    key = TrustSettings().own_key(AGENT)
    await outcome(service, wanted={AGENT: Wanted(endpoints=["http://127.0.0.1:1"])})
    assert service.granted[AGENT].public_keys == [key.public]


@pytest.mark.parametrize("text", ["", "agents: 3", "agents: {a: {endpoint: x}}", "agents: [", "other: {}"])
def test_a_file_that_is_none_of_grants_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "grants.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"grants\.yaml"):
        _wanted(file)
