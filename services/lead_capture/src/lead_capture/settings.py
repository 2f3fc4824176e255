"""The settings of this process, from the environment."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, SecretStr

from lead_capture.store import LEASE
from signalbox.process.settings import Settings, revealed


class LeadCaptureSettings(Settings):
    """Where leads are kept and how they are published. Times are in seconds.

    ``lead_store_url`` is a MongoDB URL or one of SQLAlchemy's; without it the store is SQLite below
    ``data_dir``. It is a secret, since it may hold a password: ``LEAD_STORE_URL_FILE`` names a file with it.
    ``lead_capture_replica`` is a name that no other process on the same store has; one that keeps it over a
    restart goes on with the leads that it had taken, instead of waiting until their lease has ended.
    ``trusted_proxies`` are the networks of proxies whose ``forwarded_header`` is believed; ``lead_api_keys``,
    a secret, are ``name=key`` of programs without limits. The limits count leads that strangers post: by who
    posts, for one recipient, for one domain, and for one domain of a mail provider (``mail_providers`` names
    more). ``store_probe_s`` is how often a small write shows whether the store can be written.
    ``console_url`` is where the thank-you page finds a lead's journey; without it, no link is shown.
    """

    data_dir: Path = Path(".run/data")
    lead_store_url: SecretStr | None = None
    lead_lease_s: float = Field(default=LEASE.total_seconds(), gt=0)
    lead_capture_replica: str = Field(default="", max_length=100)
    trusted_proxies: str = ""
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    lead_api_keys: SecretStr | None = None
    leads_per_address_hour: int = Field(default=20, ge=1)
    leads_per_address_day: int = Field(default=60, ge=1)
    leads_per_recipient_hour: int = Field(default=3, ge=1)
    leads_per_recipient_day: int = Field(default=5, ge=1)
    leads_per_domain_hour: int = Field(default=30, ge=1)
    leads_per_domain_day: int = Field(default=100, ge=1)
    leads_per_provider_hour: int = Field(default=500, ge=1)
    leads_per_provider_day: int = Field(default=3000, ge=1)
    mail_providers: str = ""
    store_probe_s: float = Field(default=15.0, gt=0)
    console_url: HttpUrl | None = None
    outbox_interval_s: float = 5.0
    outbox_batch: int = 500

    def store_url(self) -> str:
        """Return the lead store's URL."""
        return revealed(self.lead_store_url) or f"sqlite:///{self.data_dir / 'lead_capture' / 'leads.db'}"

    def lease(self) -> timedelta:
        """Return for how long a relay has a lead to itself."""
        return timedelta(seconds=self.lead_lease_s)
