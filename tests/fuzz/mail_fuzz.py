"""Compose mails from hostile names, subjects, addresses and bodies: ``mail_fuzz.py --count 100000``.

Exit status 0 says: nothing but a bad address was refused, and for two readers that share no code each mail
had one recipient, the lead's, no header more or less, and the text that was meant.
"""

import random
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fuzz_command import run, show
from send_email.composing import Sender, composed, meaning
from send_email.mails import Mail
from send_email.reading import LINE_LIMIT, READERS
from signalbox.addresses import mailbox

DATE = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
SENDERS = (
    Sender("", "maya@larkspan.example"),
    Sender(
        "Lindqvist, Maya",
        "maya@bücher.example",
        "आशा@हिन्दी.भारत",
        "mailto:stop@larkspan.example?subject={lead_id}",
    ),
    Sender("佐藤", "用户@larkspan.example", "", f"https://larkspan.example/{'u' * 300}?l={{lead_id}}"),
)
PIECES = (
    *"aB ,;:@<>\"'\\()[]=?_.%!-\t\r\n\0\x0b\x0c\x1c\x7f\x85\xa0éЖ漢🙂",
    *"\u0301\u034f\u200b\u200d\u200f\u2028\u202e\u2060\u3000\ufeff\ufffe",
    *("\ud800", "\ue000", "\U000e0041", "  ", "\r\n", "\r\n ", "..", "\n.\n", "\n.", "\nFrom ", "=\n", "=3D"),
    *("=?utf-8?q?", "?=", "=?utf-8?b?YQ==?=", "=?x?q?=0D=0A?=", "=?utf-8*en?q?a?=", " =?", "?= =?"),
    *(
        "To: v@w.example",
        "\r\nBcc: v@w.example\r\n\r\n",
        "v@w.example, ",
        "<v@w.example>",
        "v@w.example;",
        "g: v@w.example;",
    ),
    *(
        "word",
        "Nowak, Ada ",
        "Größe",
        "тема ",
        "漢字",
        "حب",
        "हिन्दी",
        "x" * 40,
        "x" * 80,
        "Ж" * 30,
        "x" * 1000,
    ),
)
LOCALS = ("ada", "o'neil", "a+b", "用户", "आशा", "Ünal", "a.b", "a" * 64, "-", "{|}~", "a=b")
DOMAINS = (
    "fjord.example",
    "bücher.example",
    "हिन्दी.भारत",
    "例え。example",
    "X.Example",
    "xn--bcher-kva.example",
    f"{'d' * 60}.{'d' * 60}.example",
)


@dataclass
class Tally:
    count: int = 0
    written: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        # Half of the addresses are good ones: a run that wrote hardly anything has shown nothing.
        return bool(self.faults) or self.written < self.count // 3


def _text(chance: random.Random, most: int) -> str:
    if chance.random() < 0.1:
        return "".join(chr(chance.randrange(0x11_0000)) for _ in range(chance.randrange(most)))
    return "".join(chance.choice(PIECES) for _ in range(chance.randrange(most)))


def _address(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return _text(chance, 8) + chance.choice(("", "@")) + _text(chance, 6)
    good = f"{chance.choice(LOCALS)}@{chance.choice(DOMAINS)}"
    if chance.random() < 0.3:
        at = chance.randrange(len(good) + 1)
        return good[:at] + chance.choice(PIECES) + good[at:]
    return good


def mail_from(chance: random.Random) -> Mail:
    return Mail(
        message_id=f"{chance.getrandbits(128):032x}@larkspan.example",
        campaign_id="c",
        lead_id=_text(chance, 12)[:300],
        recipient=_address(chance),
        recipient_name=_text(chance, chance.choice((3, 8, 30))),
        subject=_text(chance, chance.choice((3, 10, 40))),
        body=_text(chance, chance.choice((3, 20, 60))),
        scheduled_at=DATE,
    )


def _fault(mail: Mail, sender: Sender) -> str | None:
    """Return what is wrong with how ``mail`` was written."""
    recipient = mailbox(mail.recipient).address
    meant = meaning(mail, sender)
    raw = composed(meant, DATE)
    if max(map(len, raw.split(b"\r\n"))) > LINE_LIMIT or raw.replace(b"\r\n", b"").count(b"\n"):
        return "a line that mail can't carry"
    for read in READERS:
        found = read(raw)
        if [address for _, address in found.to] != [recipient]:
            return f"{read.__name__}: recipients {found.to!r}"
        if found != meant:
            return f"{read.__name__}: {found!r}"
    if (meant.to[0][0] or mail.recipient_name).split() != mail.recipient_name.split() and _plain(
        mail.recipient_name
    ):
        return f"the name became {meant.to[0][0]!r}"
    if _plain(mail.subject) and meant.subject != mail.subject.strip():
        return f"the subject became {meant.subject!r}"
    return None


def _plain(text: str) -> bool:
    """Say whether nothing in a text has to be replaced or cut."""
    return (
        len(text) <= 120
        and all(ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F for c in text)
        and not any(c in "\u2028\u2029" or "\ud800" <= c <= "\udfff" for c in text)
    )


def fuzz(count: int, seed: int, *, progress: bool = False) -> Tally:
    chance = random.Random(seed)
    tally = Tally()
    while tally.count < count:
        tally.count += 1
        mail, sender = mail_from(chance), chance.choice(SENDERS)
        if progress and tally.count % 10_000 == 0:
            print(f"{tally.count:>10,} mails, {len(tally.faults)} faults", flush=True)
        try:
            mailbox(mail.recipient)
        except ValueError:
            continue
        try:
            fault = _fault(mail, sender)
        except Exception as error:  # noqa: BLE001  (finding any is the purpose)
            fault = repr(error)
        tally.written += 1
        if fault:
            tally.faults.append(f"{fault} for {mail!r}")
    return tally


def report(tally: Tally, seed: int, took_s: float) -> None:
    print(f"seed {seed}: {tally.count:,} mails, {tally.written:,} written, in {took_s:.0f} s")
    show({"faults": tally.faults})


def main() -> int:
    return run(
        __doc__,
        count=100_000,
        what="mails",
        fuzz=lambda count, seed: fuzz(count, seed, progress=True),
        report=report,
    )


if __name__ == "__main__":
    sys.exit(main())
