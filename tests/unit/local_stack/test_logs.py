from pathlib import Path

from local_stack.logs import follow, tail


def test_tail_gives_the_last_lines_and_none_of_a_log_that_is_not_there(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert tail(log, 2) == []
    log.write_bytes(b"one\ntwo\nthree \xff\n")
    assert tail(log, 2) == ["two", "three \ufffd"]


def test_follow_gives_whole_lines_as_they_are_added_also_after_the_log_was_emptied(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("of the past\n")
    lines = follow([log])
    with log.open("a") as file:
        file.write("one\nha")
    assert next(lines) == (log, "one")
    with log.open("a") as file:
        file.write("lf\n")
    assert next(lines) == (log, "half")
    log.write_text("new\n")
    assert next(lines) == (log, "new")
