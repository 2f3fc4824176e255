"""What the console is told by its environment."""

import os
import re
from pathlib import Path
from typing import Final

from pydantic import Field

from console.waiting import DEFAULT_STALLED_AFTER_S
from signalbox.process.settings import Settings

_ORCHESTRATOR_PORT: Final = re.compile(r"(ORCHESTRATOR(?:_\d+)?)_PORT")


def _local_orchestrators() -> str:
    """Find the orchestrators of a stack on this machine by the ports that the environment gives them."""
    named = {
        match[1]: port for name, port in os.environ.items() if (match := _ORCHESTRATOR_PORT.fullmatch(name))
    }
    return ",".join(
        f"http://127.0.0.1:{port}" for _, port in sorted({"ORCHESTRATOR": "8100", **named}.items())
    )


class ConsoleSettings(Settings):
    """``DATA_DIR``: the projection is kept in ``console/`` below it, and made again at each start.

    ``ORCHESTRATOR_URLS``: where orchestrators answer, with commas between; they know which agents are away.
    ``CONTRACT_REFRESH_S``: how often the registry is asked whether it is there, in seconds.
    ``STALLED_AFTER_S``: a lead in flight that was not heard of for so long is shown as stalled, in seconds.
    """

    data_dir: Path = Path(".run/data")
    orchestrator_urls: str = Field(default_factory=_local_orchestrators)
    contract_refresh_s: float = Field(default=15, gt=0)
    stalled_after_s: float = Field(default=DEFAULT_STALLED_AFTER_S, gt=0)

    @property
    def orchestrators(self) -> list[str]:
        """The orchestrators' addresses."""
        return [url.strip() for url in self.orchestrator_urls.split(",") if url.strip()]

    @property
    def projection(self) -> Path:
        """The projection's file."""
        return self.data_dir / "console" / "projection.db"
