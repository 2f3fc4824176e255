"""The settings of this process, from the environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, HttpUrl, SecretStr

from lead_capture.store import LEASE
from signalbox.settings import Settings, revealed


class LeadCaptureSettings(Settings):
    """Where leads are kept and how they are published. Times are in seconds.

    ``lead_store_url`` is a MongoDB URL or one of SQLAlchemy's; without it the store is SQLite below
    ``data_dir``. It is a secret, since it may hold a password: ``LEAD_STORE_URL_FILE`` names a file with it.
    ``lead_capture_replica`` is a name that no other process on the same store has; one that keeps it over a
    restart goes on with the leads that it had taken, instead of waiting until their lease has ended.
    ``console_url`` is where the thank-you page finds a lead's journey; without it, no link is shown.
    """

    data_dir: Path = Path(".run/data")
    lead_store_url: SecretStr | None = None
    lead_lease_s: float = Field(default=LEASE.total_seconds(), gt=0)
    lead_capture_replica: str = Field(default="", max_length=100)
    console_url: HttpUrl | None = None
    outbox_interval_s: float = 5.0
    outbox_batch: int = 500

    def store_url(self) -> str:
        """Return the lead store's URL."""
        return revealed(self.lead_store_url) or f"sqlite:///{self.data_dir / 'lead_capture' / 'leads.db'}"

    def lease(self) -> timedelta:
        """Return for how long a relay has a lead to itself."""
        return timedelta(seconds=self.lead_lease_s)
