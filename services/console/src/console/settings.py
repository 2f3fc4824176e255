"""What the console is told by its environment."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ConsoleSettings(BaseSettings):
    """``DATA_DIR``: the projection is kept in ``console/`` below it, and made anew at each start."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    data_dir: Path = Path(".run/data")

    @property
    def projection(self) -> Path:
        """The projection's file."""
        return self.data_dir / "console" / "projection.db"
