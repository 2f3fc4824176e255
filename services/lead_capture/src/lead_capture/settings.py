"""The settings of this process, from the environment."""

from pathlib import Path

from pydantic import HttpUrl
from pydantic_settings import BaseSettings


class LeadCaptureSettings(BaseSettings):
    """Where leads are kept and how they are published. Times are in seconds.

    ``lead_store_url`` is a SQLAlchemy URL; without it the store is SQLite below ``data_dir``.
    ``console_url`` is where the thank-you page finds a lead's journey; without it, no link is shown.
    """

    data_dir: Path = Path(".run/data")
    lead_store_url: str = ""
    console_url: HttpUrl | None = None
    outbox_interval_s: float = 5.0
    outbox_batch: int = 500

    def store_url(self) -> str:
        """Return the lead store's URL."""
        return self.lead_store_url or f"sqlite:///{self.data_dir / 'lead_capture' / 'leads.db'}"
