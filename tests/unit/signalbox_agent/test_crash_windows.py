"""A process may be killed between any two steps: the message comes again, and the effect is the same."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from signalbox.protocol.envelope import Envelope
from signalbox_agent.store import StateStore


class Killed(BaseException):
    """The process ends here: nothing after it runs, nothing catches it."""


def dies(*_: Any) -> Any:
    raise Killed


def dies_after(step: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        step(*arguments)
        raise Killed

    return run


async def killed(bench: Any) -> None:
    async with bench.running():
        with pytest.raises(Killed):
            await bench.ask()


async def comes_again(bench: Any) -> None:
    async with bench.running():
        assert (await bench.ask()).status_code == 200


def ids(drafts: Sequence[Any]) -> list[str]:
    return [Envelope.parse(draft.headers).id for draft in drafts]


async def test_killed_after_the_work_and_before_the_answers_are_kept(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "remember", dies)
        await killed(bench)
    assert not bench.published  # no one has seen an answer, so the work may be done again
    await comes_again(bench)
    assert len(bench.handled) == 2
    assert len(bench.published) == 1


async def test_killed_after_the_answers_are_kept_and_before_they_are_published(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "remember", dies_after(StateStore.remember))
        await killed(bench)
    assert not bench.published
    await comes_again(bench)
    assert len(bench.handled) == 1
    assert len(bench.published) == 1


async def test_killed_while_the_answers_are_being_published(bench: Any) -> None:
    async with bench.running():
        bench.publisher.failure = Killed()
        with pytest.raises(Killed):
            await bench.ask()
    bench.publisher.failure = None
    await comes_again(bench)
    assert len(bench.handled) == 1
    assert len(bench.published) == 1


async def test_killed_after_the_answers_are_published_and_before_the_caller_knows(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("signalbox_agent.routes._content", dies)
        await killed(bench)
    await comes_again(bench)
    assert len(bench.handled) == 1
    once, again = bench.published
    assert once == again  # the same id and the same bytes: the router sees one message


async def test_work_that_is_done_again_has_the_same_ids(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    def dies_unkept(_: StateStore, __: Any, answers: Any) -> Any:
        kept.extend(answers)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "remember", dies_unkept)
        await killed(bench)
    await comes_again(bench)
    assert ids(bench.published) == [answer.id for answer in kept]
