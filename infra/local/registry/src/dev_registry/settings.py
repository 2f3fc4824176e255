"""The process's settings, from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where the registry listens and keeps its data. ``body_limit`` is in bytes."""

    host: str = "127.0.0.1"
    port: int = 18081
    data_dir: Path = Path(".run/data")
    log_level: str = "INFO"
    body_limit: int = 1024 * 1024

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read REGISTRY_HOST, REGISTRY_PORT, DATA_DIR and LOG_LEVEL; raises ValueError for a bad port."""
        return cls(
            host=os.environ.get("REGISTRY_HOST") or cls.host,
            port=_port(os.environ.get("REGISTRY_PORT") or str(cls.port)),
            data_dir=Path(os.environ.get("DATA_DIR") or cls.data_dir),
            log_level=(os.environ.get("LOG_LEVEL") or cls.log_level).upper(),
        )

    @property
    def database(self) -> Path:
        return self.data_dir / "registry" / "registry.db"


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 2**16:
        return int(text)
    raise ValueError(f"REGISTRY_PORT must be a port number, not {text!r}")
