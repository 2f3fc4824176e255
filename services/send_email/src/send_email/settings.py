"""How mails leave, from the environment."""

from email.utils import parseaddr
from pathlib import Path
from typing import Final, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from send_email.composing import Sender, recipient_of
from send_email.content import default_link_allow
from signalbox.errors import ConfigurationError
from signalbox.settings import Settings

_START_TLS: Final = {"auto": None, "required": True, "off": False}


class MailSettings(Settings):
    """Settings of Send Email.

    Without ``SMTP_URL`` mails become files in the outbox and nothing leaves the machine. ``SMTP_STARTTLS``
    says whether an ``smtp://`` connection must be encrypted. ``MAIL_SCHEDULE_URL`` puts the schedule into
    another database (SQLAlchemy URL) that replicas can share. ``MAIL_DOMAIN`` ends the Message-IDs.
    ``MAIL_LINK_ALLOW`` are the hosts (and phone numbers) that mails may link to, separated by commas; set
    empty, they may link to nothing.
    """

    model_config = SettingsConfigDict(env_prefix="MAIL_")

    data_dir: Path = Field(default=Path(".run/data"), validation_alias=AliasChoices("data_dir", "DATA_DIR"))
    smtp_url: SecretStr | None = Field(default=None, validation_alias=AliasChoices("smtp_url", "SMTP_URL"))
    smtp_starttls: Literal["auto", "required", "off"] = Field(
        default="auto", validation_alias=AliasChoices("smtp_starttls", "SMTP_STARTTLS")
    )
    smtp_timeout_s: float = Field(
        default=30, gt=0, le=50, validation_alias=AliasChoices("smtp_timeout_s", "SMTP_TIMEOUT_S")
    )
    schedule_url: SecretStr | None = None
    from_: str = Field(
        default="Maya Lindqvist <maya@larkspan.example>", validation_alias=AliasChoices("from_", "MAIL_FROM")
    )
    reply_to: str = ""
    domain: str = Field(default="larkspan.example", pattern=r"^[A-Za-z0-9.-]+$")
    unsubscribe: str = Field(default="", pattern=r"^((mailto:|https://)[\x21-\x3b\x3d\x3f-\x7e]+)?$")
    link_allow: str = Field(default_factory=default_link_allow)
    poll_s: float = Field(default=1.0, gt=0)
    first_retry_s: float = Field(default=30.0, gt=0)
    give_up_h: float = Field(default=120.0, gt=0)

    @property
    def link_hosts(self) -> tuple[str, ...]:
        """Return ``MAIL_LINK_ALLOW`` as hosts."""
        return tuple(host for entry in self.link_allow.split(",") if (host := entry.strip()))

    @property
    def folder(self) -> Path:
        """Return the service's own folder: schedule and outbox."""
        return self.data_dir / "send_email"

    @property
    def start_tls(self) -> bool | None:
        """Return what :class:`send_email.smtp.Relay` takes."""
        return _START_TLS[self.smtp_starttls]

    @property
    def sender(self) -> Sender:
        """Return who the mails come from.

        Raises:
            ConfigurationError: when ``MAIL_FROM`` or ``MAIL_REPLY_TO`` is no address.
        """
        name, address = parseaddr(self.from_)
        try:
            recipient_of(address, name)
            if self.reply_to:
                recipient_of(self.reply_to)
        except ValueError as error:
            raise ConfigurationError(f"MAIL_FROM or MAIL_REPLY_TO: {error}") from error
        return Sender(name, address, self.reply_to, self.unsubscribe)
