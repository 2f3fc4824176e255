import json

import pytest

from signalbox.protocol.printable import visible, visible_json

STEERING = [
    "\x1b[31m",
    "\x9b31m",
    "\x9d0;title\x9c",
    "\r",
    "\b",
    "\u202eevil",
    "\u2066x\u2069",
    "\u200f",
    "\ufeff",
]
STEERING += ["\U000e0041", "\u2028", "\x00", "\x85", "\ud800"]


@pytest.mark.parametrize("text", STEERING)
def test_what_steers_a_terminal_is_shown_as_its_escape(text: str) -> None:
    shown = visible(f"before {text} after")
    assert shown.isprintable()
    assert shown.startswith("before ") and shown.endswith(" after")


@pytest.mark.parametrize("text", STEERING)
def test_json_is_safe_on_a_terminal_and_read_back_as_it_was(text: str) -> None:
    written = visible_json({text: [text, 1, None]}, indent=1)
    assert written.replace("\n", "").isprintable()
    assert json.loads(written) == {text: [text, 1, None]}


def test_words_in_any_script_and_lines_stay_as_they_are() -> None:
    text = "Zoë Ångström\n\tनमस्ते 東京 👋"
    assert visible(text) == text
    assert json.loads(visible_json(text)) == text
    assert "नमस्ते 東京 👋" in visible_json(text)
