"""Numbers out of a text: hashed words, pairs of words and runs of characters, for learning and serving."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

VERSION: Final = 1
"""Goes up when one text gets other numbers: a learned file is of one version."""
SIZE: Final = 2**14
"""How many numbers a text has; most are 0."""
_WORD: Final = re.compile(r"\w+")
_RUNS: Final = (3, 4)
_SIGN: Final = 1 << 31


def features(text: str) -> dict[int, float]:
    """Return the numbers of ``text`` that are not 0, by index from 0 to ``SIZE`` - 1.

    Words with pairs, and runs of characters, are each of length 1 together, so that neither drowns the other.
    """
    low = text.lower()
    words = _WORD.findall(low)
    found: dict[int, float] = {}
    for part in (_hashed(_words(words)), _hashed(_runs(words))):
        length = math.sqrt(sum(value * value for value in part.values()))
        for index, value in part.items():
            found[index] = found.get(index, 0.0) + value / length
    return found


def _words(words: list[str]) -> Iterator[str]:
    yield from (f"w {word}" for word in words)
    yield from (f"w {first} {second}" for first, second in pairwise(words))


def _runs(words: list[str]) -> Iterator[str]:
    for word in words:
        edged = f" {word} "
        for size in _RUNS:
            yield from (f"c{edged[at : at + size]}" for at in range(len(edged) - size + 1))


def _hashed(grams: Iterator[str]) -> Mapping[int, float]:
    # The sign comes from the hash, too: what falls on one index by chance cancels out instead of adding up.
    numbers: dict[int, float] = {}
    for gram, count in Counter(grams).items():
        hashed = zlib.crc32(gram.encode("utf-8", "surrogatepass"))
        value = 1 + math.log(count)
        index = hashed % SIZE
        numbers[index] = numbers.get(index, 0.0) + (value if hashed & _SIGN else -value)
    return {index: value for index, value in numbers.items() if value}
