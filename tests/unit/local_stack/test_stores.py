from pathlib import Path

import pytest

from local_stack.progress import Progress
from local_stack.stores import make_stores
from signalbox.errors import ConfigurationError

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
