"""Who the mails come from."""

from pydantic_settings import SettingsConfigDict

from signalbox.process.settings import Settings


class SenderSettings(Settings):
    """``SENDER_NAME`` signs for ``SENDER_COMPANY``; mails link only to what is under ``SENDER_SITE``."""

    model_config = SettingsConfigDict(env_prefix="SENDER_")

    name: str = "Maya Lindqvist"
    company: str = "Larkspan"
    site: str = "https://larkspan.example/"

    @property
    def words(self) -> dict[str, str]:
        """What a prompt says of the sender, by the names of its places."""
        return {"sender": self.name, "company": self.company, "site": self.site}
