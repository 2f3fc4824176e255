"""Which spellings of an address are one mailbox, provider by provider; for counting, never to send to.

Two addresses are one person's only where the provider says so. Everywhere, a ``+tag`` makes no difference
(RFC 5233; Outlook, Fastmail, Proton, iCloud and Gmail document it).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Provider:
    """How one provider reads the part before the @, and which of its domains stands for all of them."""

    domain: str
    ignored: str = ""
    dot_is_hyphen: bool = False
    hyphen_begins_tag: bool = False
    user_in_subdomain: bool = False
    """``anything@user.domain`` is ``user@domain``."""

    def reads(self, local: str) -> str:
        """Return the mailbox that a local part in lower case names; never empty."""
        mailbox = local.partition("+")[0]
        if self.hyphen_begins_tag:
            mailbox = mailbox.partition("-")[0]
        mailbox = mailbox.rstrip(".")  # of a.+tag, which no address may end with
        if self.dot_is_hyphen:
            mailbox = mailbox.replace(".", "-")
        return "".join(one for one in mailbox if one not in self.ignored) or "+"


_GMAIL: Final = Provider("gmail.com", ignored=".")
_PROTON: Final = Provider("proton.me", ignored=".-_")
_ICLOUD: Final = Provider("icloud.com")

# One line a rule, with its source. The domains of Fastmail and Yahoo are different persons' each.
_ONE: Final[tuple[tuple[Provider, str], ...]] = (
    (_GMAIL, "gmail.com googlemail.com"),  # support.google.com/mail/answer/7436150 and /answer/10313
    (_PROTON, "proton.me protonmail.com protonmail.ch pm.me"),  # proton.me/support/addresses-and-aliases
    (_ICLOUD, "icloud.com me.com mac.com"),  # support.apple.com/118230
)
_YANDEX: Final = (  # yandex.com/support/id/authorization/email.html: aliases on all its domains
    "ya.ru yandex.ru yandex.com yandex.by yandex.kz yandex.ua yandex.uz yandex.com.tr yandex.az "
    "yandex.com.am yandex.com.ge yandex.co.il yandex.kg yandex.lt yandex.lv yandex.md yandex.tj yandex.tm "
    "yandex.ee yandex.fr yandex.eu yandex.pl"
)
_FASTMAIL: Final = (  # www.fastmail.help/hc/en-us/articles/360060591053: plus and subdomain addressing
    "fastmail.com fastmail.fm fastmail.cn fastmail.co.uk fastmail.com.au fastmail.de fastmail.es fastmail.im "
    "fastmail.in fastmail.jp fastmail.mx fastmail.net fastmail.nl fastmail.org fastmail.se fastmail.to "
    "fastmail.tw fastmail.uk fastmail.us sent.com"
)
_YAHOO: Final = (  # help.yahoo.com: disposable addresses are base-keyword, and no id has a hyphen
    "yahoo.com yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.nz yahoo.co.th yahoo.co.uk yahoo.co.za yahoo.com.ar "
    "yahoo.com.au yahoo.com.br yahoo.com.co yahoo.com.hk yahoo.com.mx yahoo.com.my yahoo.com.pe yahoo.com.ph "
    "yahoo.com.sg yahoo.com.tr yahoo.com.tw yahoo.com.vn yahoo.cz yahoo.de yahoo.dk yahoo.es yahoo.fi "
    "yahoo.fr yahoo.gr yahoo.hu yahoo.ie yahoo.in yahoo.it yahoo.nl yahoo.no yahoo.pl yahoo.pt yahoo.ro "
    "yahoo.se ymail.com rocketmail.com myyahoo.com"
)
_PROVIDERS: Final[Mapping[str, Provider]] = {
    **{domain: provider for provider, domains in _ONE for domain in domains.split()},
    **dict.fromkeys(_YANDEX.split(), Provider("yandex.ru", dot_is_hyphen=True)),
    **{domain: Provider(domain, user_in_subdomain=True) for domain in _FASTMAIL.split()},
    **{domain: Provider(domain, hyphen_begins_tag=True) for domain in _YAHOO.split()},
}


def known(domain: str) -> bool:
    """Say whether more than a tag makes no difference under ``domain``."""
    return domain in _PROVIDERS or _base(domain) is not None


def one_mailbox(local: str, domain: str) -> tuple[str, str]:
    """Return the local part and the domain that stand for all spellings of a mailbox.

    ``local`` is in lower case, ``domain`` in the ASCII form of DNS.
    """
    if (base := _base(domain)) is not None:
        return Provider(base).reads(domain.partition(".")[0]), base
    provider = _PROVIDERS.get(domain) or Provider(domain)
    return provider.reads(local), provider.domain


def _base(domain: str) -> str | None:
    """Return the domain under which ``domain`` is one user's own; None when it is not."""
    parent = domain.partition(".")[2]
    provider = _PROVIDERS.get(parent)
    return parent if provider is not None and provider.user_in_subdomain else None
