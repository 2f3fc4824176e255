"""The console shows an agent as the agent itself announced it, and nothing that somebody else wrote."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from console.registrations import TrustedRegistrations
from signalbox.protocol.names import AGENT_GRANTS
from signalbox.protocol.records import Record
from signalbox.trust import SigningKey, TrustSettings, sealed

MAIL, OTHERS = SigningKey.generate(), SigningKey.generate()
AT_MS = 1_700_000_000_000


class Screen:
    """What the console shows of what it reads."""

    def __init__(self, views: Any, paper: Any) -> None:
        self.views, self.paper = views, paper
        self.registrations = TrustedRegistrations(TrustSettings(), views.schemas.decode)

    async def read(self, *records: Record, caught_up: bool = True) -> None:
        await self.views.schemas.prepare(records)
        self.views.projection.apply(*self.registrations.passing(records, caught_up=caught_up))

    def granted(self, **fields: Any) -> Record:
        base = {
            "agent_id": "send_email",
            "public_keys": [MAIL.public],
            "endpoints": ["http://127.0.0.1:9"],
            "granted_at": datetime.now().astimezone(),
            "who": "a test",
        }
        value = self.paper.registry.framed("control.AgentGranted", **{**base, **fields})
        return self.paper.write(AGENT_GRANTS, b"send_email", value)

    def announced(self, key: SigningKey = MAIL, at_ms: int = AT_MS) -> Record:
        record = self.paper.announced("send_email")
        return replace(record, headers=sealed(key, "send_email", record.value, at_ms))

    @property
    def shown(self) -> list[tuple[str, bool, bool]]:
        agents = self.views.queries.agents()
        return [(agent.agent_id, agent.removed, agent.definition is not None) for agent in agents]


@pytest.fixture
def screen(views: Any, paper: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Screen:
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("AGENT_ENROLMENT", "granted")
    return Screen(views, paper)


async def test_a_forged_definition_or_tombstone_is_not_shown(screen: Screen) -> None:
    await screen.read(screen.granted(), screen.announced())
    assert screen.shown == [("send_email", False, True)]
    forged = screen.paper.announced("send_email")
    await screen.read(
        screen.announced(OTHERS, AT_MS + 1),
        forged,
        screen.paper.write("agent_registry", b"send_email", None),
        screen.paper.announced("ghost"),
    )
    assert screen.shown == [("send_email", False, True)]
    with screen.views.queries._snapshot() as read:
        assert read.execute("SELECT count(*) FROM registration").fetchone()[0] == 1


async def test_registrations_wait_until_the_grants_were_read(screen: Screen) -> None:
    await screen.read(screen.announced(), caught_up=False)
    assert screen.shown == []
    await screen.read(screen.granted(), caught_up=False)
    await screen.read(caught_up=True)
    assert screen.shown == [("send_email", False, True)]


async def test_an_agent_that_repeats_itself_takes_no_room(screen: Screen) -> None:
    announced = screen.announced()
    again = [replace(announced, offset=announced.offset + more) for more in range(1, 100)]
    await screen.read(screen.granted(), announced, *again)
    with screen.views.queries._snapshot() as read:
        assert read.execute("SELECT count(*) FROM registration").fetchone()[0] == 1


async def test_a_removed_agent_is_removed_until_it_starts_again(screen: Screen) -> None:
    await screen.read(screen.granted(), screen.announced())
    removed_at = datetime.fromtimestamp(AT_MS / 1000).astimezone() + timedelta(milliseconds=1)
    await screen.read(screen.granted(removed_at=removed_at))
    assert screen.shown == [("send_email", True, True)]
    await screen.read(screen.announced())
    assert screen.shown == [("send_email", True, True)]
    await screen.read(screen.announced(at_ms=AT_MS + 2))
    assert screen.shown == [("send_email", False, True)]
    await screen.read(screen.granted(revoked=True))
    assert screen.shown == [("send_email", True, True)]
