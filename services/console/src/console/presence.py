"""Which agents are away, as the orchestrators' dispatchers see it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import httpx2

from console.waiting import Absence
from signalbox.telemetry import logger

_log = logger(__name__)
_EVERY_S: Final = 3.0
_TIMEOUT_S: Final = 2.0


class Presence:
    """Asks every orchestrator every few seconds; one that does not answer is left out."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._dispatch: Mapping[str, dict[str, Any]] = {}

    async def follow(self) -> None:
        """Ask forever."""
        async with httpx2.AsyncClient(timeout=_TIMEOUT_S) as http:
            while True:
                self._dispatch = _joined([await _asked(http, url) for url in self._urls])
                await asyncio.sleep(_EVERY_S)

    def absence(self, agent: str) -> Absence | None:
        """Return since when ``agent`` is away, None when it is there or no one can tell."""
        said = self._dispatch.get(agent)
        if said is None or not said["away_since"]:
            return None
        return Absence(str(said["away_since"]), str(said["away_because"]))

    def dispatch(self, agent: str) -> dict[str, Any] | None:
        """Return ``circuit``, ``away_since`` and ``away_because`` of ``agent``; None when no one can tell."""
        return self._dispatch.get(agent)


async def _asked(http: httpx2.AsyncClient, url: str) -> Mapping[str, dict[str, Any]]:
    try:
        answer = await http.get(f"{url.rstrip('/')}/agents")
        return {one["id"]: one["dispatch"] for one in answer.raise_for_status().json() if one.get("dispatch")}
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
        _log.debug("orchestrator does not tell", url=url, why=str(error))
        return {}


def _joined(told: Iterable[Mapping[str, dict[str, Any]]]) -> Mapping[str, dict[str, Any]]:
    """Of several orchestrators' words on one agent, take those of the one that misses it longest."""
    joined: dict[str, dict[str, Any]] = {}
    for one in told:
        for agent, said in one.items():
            known = joined.get(agent)
            if known is None or _longing(said) < _longing(known):
                joined[agent] = said
    return joined


def _longing(said: Mapping[str, Any]) -> str:
    return str(said.get("away_since") or "~")  # behind every date
