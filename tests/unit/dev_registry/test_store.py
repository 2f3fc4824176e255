"""The store under several threads."""

import threading

import pytest

from dev_registry.model import GLOBAL, Config, Level
from dev_registry.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "registry.db")


def in_thread(action):
    """Run an action in another thread; give its result, or fail when it is still waiting."""
    results = []
    thread = threading.Thread(target=lambda: results.append(action()), daemon=True)
    thread.start()
    thread.join(10)
    assert results, "still waiting"
    return results[0]


def test_readers_do_not_wait_for_a_writer_and_see_the_last_commit(store):
    with store.writing():
        store.put_config(GLOBAL, Config(Level.NONE))
        assert in_thread(lambda: store.config(GLOBAL)) is None
    assert in_thread(lambda: store.config(GLOBAL)) == Config(Level.NONE)


def test_what_fails_half_way_leaves_nothing_behind(store):
    with pytest.raises(RuntimeError, match="half way"), store.writing():
        store.put_config(GLOBAL, Config(Level.NONE))
        raise RuntimeError("half way")
    assert store.config(GLOBAL) is None
    with store.writing():
        store.put_config(GLOBAL, Config(Level.FULL))
    assert store.config(GLOBAL) == Config(Level.FULL)


def test_a_writer_waits_for_the_writer_before(store):
    begun = threading.Event()

    def write():
        begun.set()
        with store.writing():
            store.put_config("b", store.config("a") or Config())

    with store.writing():
        thread = threading.Thread(target=write)
        thread.start()
        assert begun.wait(10)
        store.put_config("a", Config(Level.FORWARD))
    thread.join(10)
    assert store.config("b") == Config(Level.FORWARD)
