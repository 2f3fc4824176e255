"""Mutate web pages and read them as agents do: ``page_fuzz.py --count 100000``.

Pages begin as good ones, or as shapes that parsers are known to be slow or to fail at; mutations flip, cut,
repeat, splice and insert bytes and pieces of markup, and choose a charset. Exit status 0 says: no exception,
no page slower than a second of processor time, no text longer than its limit, and none that a prompt can't
carry (surrogates, NUL, hidden characters).
"""

import random
import sys
import time
from dataclasses import dataclass, field

from fuzz_command import run, show
from signalbox_agent.texts import without_hidden
from signalbox_agent.tools.pages import TEXT_LIMIT, page_text
from signalbox_agent.tools.website import BYTE_LIMIT

SLOW_S = 1.0
SHOWN = 120
CHARSETS = (
    None,
    "utf-8",
    "utf-16",
    "utf-16le",
    "utf-7",
    "punycode",
    "idna",
    "rot13",
    "bz2",
    "hex",
    "undefined",
    "iso-2022-jp",
    "iso-2022-kr",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-kr",
    "windows-1252",
    "x-user-defined",
    "replacement",
    "koi8-r",
    "macintosh",
    "unicode_escape",
    "\x00",
    "\u0130",
    "x" * 40,
)
PIECES = (
    b"<![foo[",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"--!>",
    b"-->",
    b"<!DOCTYPE ",
    b"<!ENTITY a '&a;'>",
    b"<?xml ?>",
    b"<?",
    b"</",
    b"<",
    b">",
    b"&",
    b"&#xD800;",
    b"&#0;",
    b"&#x110000;",
    b"&amp",
    b"&a;",
    b"<div>",
    b"</div>",
    b"<p><font size=1>",
    b"<b><i><a>",
    b"</b></i>",
    b"<table><td>",
    b"<svg><math>",
    b"<select><option>",
    b"<script>",
    b"</script>",
    b"<style>",
    b"<title>",
    b"</title>",
    b"<template>",
    b"<noscript>",
    b"<iframe>",
    b"<object>",
    b"<plaintext>",
    b"<textarea>",
    b"<frameset>",
    b"<body>",
    b"<meta charset=utf-7>",
    b" x=1",
    b"<meta name=description content='",
    b"<meta charset=punycode>",
    b"'",
    b'"',
    b"=",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xf3\xa0\x81\x81",
    b"\x1b$B",
    b"+AD4-",
    b"~{",
    b"\x0e",
)
GOOD = (
    b"<html><head><title>Analytical Engines</title><meta name='description' content='Engines for all.'>"
    b"<style>p {}</style></head><body><h1>Engines &amp; more</h1><p>We compute.<br>Daily.</p>"
    b"<script>track('<p>')</script><ul><li>Fast<li>Exact</ul></body></html>",
    "<!doctype html><meta charset=utf-8><title>解析機関</title><p>私たちは計算します。".encode(),
    "\ufeff<p>Żółć — “x”".encode("utf-16"),
    b"plain text, no tags at all",
    b"",
)


@dataclass
class Tally:
    count: int = 0
    crashes: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    read: int = 0
    slowest_s: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.crashes or self.slow or self.unfit or not self.read)


class Mutator:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def page(self) -> tuple[bytes, str | None, bool]:
        chance = self._chance
        body = bytearray(chance.choice(GOOD))
        for _ in range(chance.choice((0, 1, 1, 2, 4, 12))):
            self._change(body)
        if (
            chance.random() < 0.002
        ):  # as long as pages may be, made of one piece: where quadratic parsers show
            piece = b"".join(chance.choices(PIECES, k=chance.choice((1, 1, 2, 3))))
            body[chance.randrange(len(body) + 1) :] = piece * (BYTE_LIMIT // len(piece))
        charset = chance.choice(CHARSETS) if chance.random() < 0.3 else None
        return bytes(body[:BYTE_LIMIT]), charset, chance.random() < 0.95

    def _change(self, body: bytearray) -> None:
        chance = self._chance
        at = chance.randrange(len(body) + 1)
        match chance.randrange(6):
            case 0 if body:
                body[min(at, len(body) - 1)] ^= 1 << chance.randrange(8)
            case 1:
                del body[at : at + chance.choice((1, 2, 8, 64, len(body)))]
            case 2:
                body[at:at] = chance.choice(PIECES) * chance.choice((1, 1, 2, 50, 1_000))
            case 3:
                body[at:at] = chance.randbytes(chance.choice((1, 4, 64)))
            case 4:
                body[at:at] = body[at : at + chance.randrange(1, 80)] * chance.choice((1, 2, 30))
            case _:
                body[at:at] = b"".join(chance.choices(PIECES, k=chance.randrange(1, 12)))


def fuzz(count: int, seed: int, *, progress: bool = False) -> Tally:
    mutator, tally = Mutator(random.Random(seed)), Tally()
    while tally.count < count:
        _check_one(*mutator.page(), tally)
        if progress and tally.count % 10_000 == 0:
            slowest = f"slowest {tally.slowest_s * 1e3:.0f} ms"
            print(f"{tally.count:>10,} pages, {len(tally.crashes)} crashes, {slowest}", flush=True)
    return tally


def _check_one(body: bytes, charset: str | None, html: bool, tally: Tally) -> None:
    tally.count += 1
    shown = f"{len(body)} bytes {body[:SHOWN]!r} as {charset!r}"
    started = time.thread_time()
    try:
        page = page_text(body, charset, html=html)
    except Exception as error:  # noqa: BLE001  (finding any is the purpose)
        tally.crashes.append(f"{error!r} for {shown}")
        return
    took = time.thread_time() - started
    tally.slowest_s = max(tally.slowest_s, took)
    tally.read += bool(page.text)
    if took > SLOW_S:
        tally.slow.append(f"{took:.2f} s for {shown}")
    for text in (page.title, page.text):
        if len(text) > TEXT_LIMIT or without_hidden(text) != text:
            tally.unfit.append(f"{text[:SHOWN]!r} of {shown}")


def report(tally: Tally, seed: int, took_s: float) -> None:
    print(f"seed {seed}: {tally.count:,} pages in {took_s:.0f} s, slowest {tally.slowest_s * 1e3:.0f} ms")
    print(f"  with a text: {tally.read:,}")
    show({"crashes": tally.crashes, "slower than 1 s": tally.slow, "texts that are not fit": tally.unfit})


def main() -> int:
    return run(
        __doc__,
        count=100_000,
        what="mutated pages",
        fuzz=lambda count, seed: fuzz(count, seed, progress=True),
        report=report,
    )


if __name__ == "__main__":
    sys.exit(main())
