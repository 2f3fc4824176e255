"""How mails leave, from the environment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from send_email.composing import Sender, named_address, verified
from send_email.content import default_link_allow
from send_email.headers import shown_name
from send_email.mails import Mail
from send_email.policy import Policy
from signalbox.process.settings import Settings
from signalbox.protocol.errors import ConfigurationError

_START_TLS: Final = {"auto": None, "required": True, "off": False}


class MailSettings(Settings):
    """Settings of Send Email.

    Without ``SMTP_URL`` mails become files in the outbox and nothing leaves the machine. ``SMTP_STARTTLS``
    says whether an ``smtp://`` connection must be encrypted. ``MAIL_SCHEDULE_URL`` puts the schedule into
    another database (SQLAlchemy URL) that replicas can share. ``MAIL_DOMAIN`` ends the Message-IDs.
    ``FIRST_MAIL`` says what the fixed text asks for that goes to an address which no one has confirmed: an
    answer (``plain``), or a click on the page at ``MAIL_CONFIRM_URL`` (``confirm``).
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
    domain: str = Field(
        default="larkspan.example", max_length=120, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"
    )
    unsubscribe: str = Field(default="", pattern=r"^((mailto:|https://)[\x21-\x3b\x3d\x3f-\x7e]+)?$")
    link_allow: str = Field(default_factory=default_link_allow)
    poll_s: float = Field(default=1.0, gt=0)
    first_retry_s: float = Field(default=30.0, gt=0)
    give_up_h: float = Field(default=120.0, gt=0)
    first_mail: Literal["plain", "confirm"] = Field(
        default="plain", validation_alias=AliasChoices("first_mail", "FIRST_MAIL")
    )
    confirm_url: str = Field(default="", pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[!-~]+$|^$")
    recipient_per_hour: int = Field(default=2, ge=1)
    recipient_per_day: int = Field(default=3, ge=1)
    recipient_per_month: int = Field(default=10, ge=1)
    recipient_domain_per_day: int = Field(default=5_000, ge=1)
    held_for_place_h: float = Field(default=72.0, gt=0, le=24 * 365)
    held_for_confirmation_d: float = Field(default=30.0, gt=0, le=365)

    @model_validator(mode="after")
    def _confirmation_is_possible(self) -> Self:
        if self.first_mail == "confirm" and not self.confirm_url:
            raise ValueError(
                "FIRST_MAIL=confirm needs MAIL_CONFIRM_URL, the address under which others reach /confirm"
            )
        return self

    @property
    def policy(self) -> Policy:
        """Return how many mails a person gets, and how long one is held."""
        return Policy(
            per_hour=self.recipient_per_hour,
            per_day=self.recipient_per_day,
            per_month=self.recipient_per_month,
            domain_per_day=self.recipient_domain_per_day,
            held_for_place=timedelta(hours=self.held_for_place_h),
            held_for_confirmation=timedelta(days=self.held_for_confirmation_d),
        )

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
        """Return who the mails come from, after a try with the longest lead id.

        Raises:
            ConfigurationError: when a mail from them could not be written so that it is read as meant.
        """
        try:
            name, address = named_address(self.from_)
            _, reply_to = named_address(self.reply_to) if self.reply_to else ("", "")
            sender = Sender(name, address, reply_to, self.unsubscribe)
            verified(_longest_mail(self.domain), sender, datetime.now(UTC))
            if shown_name(name) != name:
                raise ValueError("the name is too long, or has an @ in it")
        except ValueError as error:
            raise ConfigurationError(f"MAIL_FROM, MAIL_REPLY_TO or MAIL_UNSUBSCRIBE: {error}") from error
        return sender


def _longest_mail(domain: str) -> Mail:
    ident = "x" * 36
    return Mail(f"{ident}@{domain}", ident, "x" * 512, "x@example.org", "", "", "", datetime.now(UTC))
