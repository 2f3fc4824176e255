import sys

import pytest

from signalbox.protocol.errors import ConfigurationError, SignalboxError
from signalbox_operations.replay.editing import in_editor


@pytest.fixture
def editor(monkeypatch, tmp_path):
    def use(code: str) -> None:
        script = tmp_path / "an editor.py"
        script.write_text(f"import os, pathlib, sys\nfile = pathlib.Path(sys.argv[-1])\n{code}\n")
        monkeypatch.setenv("EDITOR", f"{sys.executable} '{script}' --wait")

    return use


def test_what_the_editor_leaves_is_what_was_edited(editor):
    editor("file.write_text(file.read_text().replace('1', '2'))")
    assert in_editor('{"a": 1}').strip() == '{"a": 2}'


def test_only_the_operator_can_read_the_file_and_it_is_gone_afterwards(editor, tmp_path):
    kept = tmp_path / "place"
    editor(f"pathlib.Path({str(kept)!r}).write_text(f'{{file}} {{os.stat(file.parent).st_mode & 0o777:o}}')")
    in_editor("{}")
    place, mode = kept.read_text().split()
    assert mode == "700"
    assert not (tmp_path / place).exists()


def test_an_editor_that_ends_with_an_error_sends_nothing(editor):
    editor("sys.exit(3)")
    with pytest.raises(SignalboxError, match="status 3; nothing was sent"):
        in_editor("{}")


@pytest.mark.parametrize("name", ["no-such-editor-here", "'unclosed"])
def test_an_editor_that_is_not_there_is_said_by_name(monkeypatch, name):
    monkeypatch.setenv("EDITOR", name)
    with pytest.raises(ConfigurationError, match="set EDITOR"):
        in_editor("{}")
