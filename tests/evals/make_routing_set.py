"""Writes routing.jsonl, the labelled cases on which routing is measured, by rules and the texts in texts/.

The same texts give the same bytes. ``python tests/evals/make_routing_set.py`` writes the file, with
``--check`` it says whether the file is what it would write. An id is a stem and, for a variant of the same
text, a plus sign and a word; the part is drawn by the stem, so that a text is never in both parts.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sdr_cases import sdr_cases
from support_cases import support_cases

HERE: Final = Path(__file__).resolve().parent
FILE: Final = HERE / "routing.jsonl"
_PARTS: Final = 3


def part_of(case_id: str) -> str:
    """Return ``held_out`` for a third of the stems and ``train`` for the others."""
    stem = case_id.partition("+")[0]
    drawn = int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4], "big")
    return "held_out" if drawn % _PARTS == 0 else "train"


def made() -> str:
    """Return the file's text: a case a line, in the order of the ids."""
    cases = sorted([*sdr_cases(), *support_cases()], key=lambda case: str(case["id"]))
    return "".join(_lines(cases))


def _lines(cases: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for case in cases:
        whole = {"id": case["id"], "split": part_of(case["id"]), **case}
        yield json.dumps(whole, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or with ``--check`` compare it."""
    parser = argparse.ArgumentParser(description="Writes tests/evals/routing.jsonl.")
    parser.add_argument("--check", action="store_true", help="say whether the file is right, write nothing")
    text = made()
    if parser.parse_args().check:
        return 0 if FILE.read_text(encoding="utf-8") == text else 1
    FILE.write_text(text, encoding="utf-8")
    print(f"{len(text.splitlines())} cases in {FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
