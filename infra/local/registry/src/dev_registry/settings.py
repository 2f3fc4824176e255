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
    allowed_hosts: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read REGISTRY_HOST and _PORT, DATA_DIR, LOG_LEVEL, ALLOWED_HOSTS; raises ValueError (port)."""
        return cls(
            host=os.environ.get("REGISTRY_HOST") or cls.host,
            port=_port(os.environ.get("REGISTRY_PORT") or str(cls.port)),
            data_dir=Path(os.environ.get("DATA_DIR") or cls.data_dir),
            log_level=(os.environ.get("LOG_LEVEL") or cls.log_level).upper(),
            allowed_hosts=tuple(os.environ.get("ALLOWED_HOSTS", "").lower().replace(",", " ").split()),
        )

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which it is asked, besides localhost and addresses."""
        return frozenset({"registry", self.host.lower(), *self.allowed_hosts})

    @property
    def database(self) -> Path:
        return self.data_dir / "registry" / "registry.db"


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 2**16:
        return int(text)
    raise ValueError(f"REGISTRY_PORT must be a port number, not {text!r}")
