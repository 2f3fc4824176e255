"""Where tools look, from the environment. What is not set is not available, and says so."""

from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from signalbox.process.settings import Settings

FACTS_TOLD: Final = (
    "company", "company_name", "account", "account_name", "industry", "sector", "company_size", "employees",
    "size", "headcount", "country", "city", "founded",
)  # fmt: skip
"""What may be told of a company unless ``FACTS_TOLD`` says otherwise: nothing that only we know."""


class ToolSettings(Settings):
    """Settings of the tools; the variables have the fields' names in capitals.

    ``WEBSITE_FETCH=on`` lets agents fetch company pages from the internet. ``WEBSITE_ALLOW`` are places
    (``host:port``, separated by commas) that may have private addresses or reserved names, such as a page
    inside the company. ``CRM``, ``ENRICHMENT`` and ``SOCIAL`` each name a CSV file (``…_FILE``) or a JSON
    HTTP endpoint (``…_URL``), which gets ``…_TOKEN`` as a bearer token; of what they hold, agents are told
    the columns or fields in ``FACTS_TOLD`` alone (names separated by commas). ``CONTENT_DIR`` is a folder of
    Markdown and text pages.
    """

    website_fetch: Literal["on", "off"] = "off"
    website_allow: str = ""
    crm_file: Path | None = None
    crm_url: str | None = None
    crm_token: SecretStr | None = None
    enrichment_file: Path | None = None
    enrichment_url: str | None = None
    enrichment_token: SecretStr | None = None
    social_file: Path | None = None
    social_url: str | None = None
    social_token: SecretStr | None = None
    facts_told: str = ",".join(FACTS_TOLD)
    content_dir: Path | None = None

    @property
    def allowed_places(self) -> frozenset[tuple[str, int]]:
        """Return ``WEBSITE_ALLOW`` as pairs of host and port."""
        places = (place.strip().lower().rpartition(":") for place in self.website_allow.split(","))
        return frozenset((host, int(port)) for host, _, port in places if host and port.isdecimal())

    @property
    def facts_that_may_be_told(self) -> frozenset[str]:
        """Return ``FACTS_TOLD`` as names."""
        names = (name.strip().casefold() for name in self.facts_told.split(","))
        return frozenset(name for name in names if name)
