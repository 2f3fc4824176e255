from pathlib import Path

import pytest

from local_stack.lock import exclusive
from local_stack.processes import start
from local_stack.progress import Progress
from local_stack.stores import make_stores, write_environment_file
from signalbox.protocol.errors import ConfigurationError

QUIET = Progress(quiet=True)


def with_a_record(run_dir: Path, foundation: str, brokers: int, *, kept: bool) -> Path:
    make_stores(run_dir, QUIET, foundation, brokers, kept=kept)
    record = run_dir / "data" / "broker" / "log"
    record.mkdir(parents=True)
    return record


def test_stores_are_kept_with_the_topics_that_they_go_with(tmp_path: Path) -> None:
    record = with_a_record(tmp_path, "kafka", 3, kept=True)
    make_stores(tmp_path, QUIET, "kafka", 3, kept=True)
    assert record.exists()


@pytest.mark.parametrize(("foundation", "kept"), [("local", False), ("other", True)])
def test_stores_are_emptied_when_their_topics_are_gone(tmp_path: Path, foundation: str, kept: bool) -> None:
    record = with_a_record(tmp_path, "kafka", 1, kept=True)
    make_stores(tmp_path, QUIET, foundation, 1, kept=kept)
    assert not record.exists()


@pytest.mark.parametrize(("before", "now"), [(1, 3), (3, 1)])
def test_another_number_of_brokers_is_refused_and_removes_nothing(
    tmp_path: Path, before: int, now: int
) -> None:
    record = with_a_record(tmp_path, "kafka", before, kept=True)
    with pytest.raises(ConfigurationError, match=f"made with BROKERS={before}, not {now}"):
        make_stores(tmp_path, QUIET, "kafka", now, kept=True)
    assert record.exists()


def test_a_folder_that_does_not_say_how_many_was_made_by_one_broker(tmp_path: Path) -> None:
    record = with_a_record(tmp_path, "kafka", 1, kept=True)
    (tmp_path / "data" / "kept-with").write_text("kafka")
    make_stores(tmp_path, QUIET, "kafka", 1, kept=True)
    assert record.exists()


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")}


def test_what_a_stack_keeps_is_its_users_alone_also_in_a_folder_that_others_may_enter(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    (run_dir / "data" / "old").mkdir(mode=0o755, parents=True)
    run_dir.chmod(0o755)
    (run_dir / "data" / "kept-with").write_text("kafka 1")
    (run_dir / "data" / "old" / "leads.db").touch(mode=0o644)
    (run_dir / "env").touch(mode=0o644)

    with exclusive(run_dir, "up"):
        make_stores(run_dir, QUIET, "kafka", 1, kept=True)
        write_environment_file(run_dir, {"A": "b"})
        started = start(
            ["sh", "-c", "mkdir data/new; : > data/new/x"], {}, run_dir, run_dir / "logs" / "sh.log"
        )
        assert started.wait() == 0

    assert run_dir.stat().st_mode & 0o777 == 0o700
    folders = {"data", "data/old", "data/new", "logs", "keys", "tokens"}
    assert modes(run_dir) == {name: 0o700 if name in folders else 0o600 for name in modes(run_dir)}
    assert {"env", "lock", "data/old/leads.db", "data/new/x", "logs/sh.log"} <= set(modes(run_dir))
