"""E-mail addresses: the one judgement that doors, agents and the mailer share.

``email-validator`` reads the syntax (RFC 5321, RFC 6531, IDNA 2008 with the mapping of UTS 46). The rest is
stricter than the RFCs on purpose: what a person can't see, and what some server would read as another
mailbox, is refused.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import idna
from email_validator import EmailNotValidError, validate_email
from idna import idnadata

from signalbox.mailbox_providers import one_mailbox

_LOCAL_LIMIT: Final = 64  # octets, RFC 5321 section 4.5.3.1.1
_ADDRESS_LIMIT: Final = 254  # octets, RFC 5321 section 4.5.3.1.3, less the angle brackets
_ROUTES: Final = frozenset("%!")
"""``user%host@relay`` and ``host!user@relay`` ask a relay to pass the mail on to somebody else."""
_LETTERS: Final = idnadata.codepoint_classes["PVALID"]
"""Letters, digits and their marks of all scripts (RFC 5892): nothing invisible, nothing with another form."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One plain address. ``domain`` is in lower case, in the ASCII form that DNS and SMTP carry."""

    local: str
    domain: str

    @property
    def address(self) -> str:
        """Return the address as it goes on the wire; only ``local`` may hold more than ASCII."""
        return f"{self.local}@{self.domain}"

    @property
    def readable(self) -> str:
        """Return the address with its domain in the script that people read."""
        return f"{self.local}@{idna.decode(self.domain)}"


def mailbox(text: str) -> Mailbox:
    """Return the one mailbox that ``text`` names.

    Nothing is looked up: ``example`` and ``test`` domains are welcome, names without a place in the public
    DNS (``localhost``, ``.local``) are not.

    Raises:
        ValueError: says what is wrong, for the person who wrote it.
    """
    if len(text) > _ADDRESS_LIMIT:  # the wire form is never shorter; it is measured below
        raise ValueError(f"The address is longer than {_ADDRESS_LIMIT} characters.")
    try:
        found = validate_email(
            text, check_deliverability=False, test_environment=True, strict=True, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    # The local part as it was written: the library writes ``Info`` as ``info``, and only the host knows
    # whether that is the same mailbox.
    local = unicodedata.normalize("NFC", text.rpartition("@")[0])
    domain = found.ascii_domain.lower()
    _check_local(local)
    _check_domain(text.rpartition("@")[2], domain)
    if len(f"{local}@{domain}".encode()) > _ADDRESS_LIMIT:
        raise ValueError(f"The address is longer than {_ADDRESS_LIMIT} octets.")
    return Mailbox(local, domain)


def recipient_key(text: str) -> str:
    """Return one key for all spellings of one person's address, for counting; never to send to.

    Case, the domain's script and a ``+tag`` make no difference, nor does what the mailbox's provider ignores
    (:mod:`signalbox.mailbox_providers`): dots, say, or which of its domains is written.

    Raises:
        ValueError: when ``text`` is no address.
    """
    found = mailbox(text)
    local, domain = one_mailbox(unicodedata.normalize("NFKC", found.local.casefold()), found.domain)
    return f"{local}@{domain}"


def _check_local(local: str) -> None:
    if len(local.encode()) > _LOCAL_LIMIT:
        raise ValueError(f"The part before the @ is longer than {_LOCAL_LIMIT} octets.")
    if not _ROUTES.isdisjoint(local):
        raise ValueError("The part before the @ must not have % or !, which name a route.")
    if "=?" in local:
        raise ValueError("The part before the @ must not have =?, which begins an encoded word.")
    for character in local:
        if not character.isascii() and not _is_letter(character):
            raise ValueError(f"The part before the @ must not have {_named(character)}.")


def _is_letter(character: str) -> bool:
    # Only small letters are in the class, so É is judged as é.
    return any(idna.intranges_contain(ord(small), _LETTERS) for small in character.lower())


def _check_domain(written: str, domain: str) -> None:
    for character in written:
        # A character that the mapping drops can't be seen: two addresses would look like one.
        if not idna.uts46_remap(character, std3_rules=False):
            raise ValueError(f"The part after the @ must not have {_named(character)}.")
    if any(unicodedata.category(character) == "Cf" for character in idna.decode(domain)):
        raise ValueError("The part after the @ has an invisible character.")
    name, dot, top = domain.rpartition(".")
    if not name or not dot:
        raise ValueError("The part after the @ needs a dot.")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", top):
        raise ValueError("The part after the @ must be a name, not the number of a host.")


def _named(character: str) -> str:
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'without a name')})"
