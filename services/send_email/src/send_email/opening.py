"""The first mail to an address that no one has confirmed: a fixed text, with no word of the lead."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from string import Template
from typing import Final

from send_email.mails import Mail

_TEXT: Final = files("send_email").joinpath("opening.txt").read_text(encoding="utf-8")
_ANSWER: Final = "If it was you, please answer this mail with a word. Then we come back to what you asked."
_CONFIRM: Final = "If it was you, please say so on this page. Then we come back to what you asked:\n\n"


@dataclass(frozen=True, slots=True)
class Opening:
    """The text in ``opening.txt``: its first line is the subject, and only settings go into it.

    ``link`` gives a campaign its link for the confirmation; without one the text asks for an answer.
    """

    name: str = ""
    address: str = ""
    unsubscribe: str = ""
    link: Callable[[str], str] | None = None

    def in_place_of(self, mail: Mail) -> Mail:
        """Return ``mail`` with the fixed text; of the rest, only the address and the ids are kept."""
        subject, _, body = _TEXT.partition("\n\n")
        link = self.link(mail.campaign_id) if self.link else ""
        unsubscribe = self.unsubscribe.replace("{lead_id}", mail.campaign_id)
        said = Template(body).substitute(
            who=self._who(),
            if_you=f"{_CONFIRM}{link}" if link else _ANSWER,
            unsubscribe=f" Or use this:\n\n{unsubscribe}" if unsubscribe else "",
            name=self.name,
            address=self.address,
        )
        return replace(
            mail,
            lead_id=mail.campaign_id,
            recipient_name="",
            subject=subject.strip(),
            body=said.rstrip() + "\n",
        )

    def _who(self) -> str:
        return " of ".join(part for part in (self.name, self.address.rpartition("@")[2]) if part) or "us"
