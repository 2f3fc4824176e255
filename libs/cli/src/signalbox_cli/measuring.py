"""What ``signalbox routes`` does: rows of a table, a comparison, and learning."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from signalbox.models import OFFLINE, ModelSettings
from signalbox.protocol.errors import ConfigurationError
from signalbox_cli.client_logs import logs_on_stderr
from signalbox_cli.route_cases import Cases, cases_of_set, cases_recorded
from signalbox_decide.evaluation.agents import Agents
from signalbox_decide.evaluation.answers import Run
from signalbox_decide.evaluation.cases import Case, Part, part_of
from signalbox_decide.evaluation.choosers import (
    CONTRACT_ALONE,
    LINEAR,
    Choose,
    by_contract,
    by_learned,
    by_model,
)
from signalbox_decide.evaluation.comparing import Comparison, compare
from signalbox_decide.evaluation.examples import examples_of
from signalbox_decide.evaluation.learned_first import LEARNED, LearnedFirst, learned_first
from signalbox_decide.evaluation.running import run
from signalbox_decide.evaluation.saved import Saved, digest_of, load, save
from signalbox_decide.learned import LEAST_CONFIDENCE, Learned, write_learned
from signalbox_decide.router import INSTRUCTIONS
from signalbox_decide.training import INSTALL, learn

__all__ = ["Asked", "Evaluation", "compared", "measured", "save", "trained"]

_LEARNS: Final = "sklearn"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured: the command's options. An empty model is the settings'.

    With ``recorded``, what was decided since then takes the set's place. ``learned_min`` is the confidence
    from which the row ``learned`` asks no model; None is what the orchestrator has without a setting.
    """

    set_file: Path
    agent_files: Sequence[Path]
    part: Part
    model: str
    prompt: Path | None
    learned: Path | None
    concurrency: int
    recorded: datetime | None = None
    learned_min: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, the row that was asked for first; ``notes`` say how to read it.

    ``recorded``: the labels are what was decided once. ``learned``: what its row is made of, where it is one.
    """

    saved: Saved
    cases: int
    notes: Sequence[str]
    recorded: bool = False
    learned: LearnedFirst | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    model: str
    choose: Choose


def measured(asked: Asked, *, quiet: bool) -> Evaluation:
    """Run each row over the same cases.

    Raises:
        ConfigurationError: set, agents, prompt, model or learned file are not right; nothing was recorded.
        Unavailable: the model stayed away; what was recorded can't be read.
    """
    found = _cases(asked)
    cases, agents = found.cases, found.agents
    instructions = INSTRUCTIONS if asked.prompt is None else _text(asked.prompt)
    notes = [*found.notes]
    rows = list(_rows(asked, instructions, cases, agents, notes))
    wanted = part_of(cases, asked.part)
    with logs_on_stderr():
        runs = {row.name: _run(row, wanted, agents, asked.concurrency, quiet) for row in rows}
    learned = _learned(asked, runs)
    if learned is not None:
        runs[LEARNED] = learned.run
    saved = Saved(
        set_digest=found.digest,
        instructions_digest=digest_of([instructions.encode()]),
        part=asked.part,
        runs=tuple(runs.values()),
    )
    return Evaluation(saved, len(wanted), notes, asked.recorded is not None, learned)


def compared(first: str, second: str) -> Comparison:
    """Compare two saved runs, each ``FILE`` or ``FILE:ROW``.

    Raises:
        ConfigurationError: one is no saved run, or they are over other cases.
    """
    return compare(_saved_run(first), _saved_run(second))


def trained(found: Cases, out: Path) -> dict[str, Any]:
    """Learn from ``found`` and write ``out``; return what came of it, by name.

    Raises:
        ConfigurationError: scikit-learn is missing, there is too little to learn, ``out`` can't be written.
    """
    learned = learn(examples_of(found.cases), found.agents)
    write_learned(out, learned)
    return {
        "file": str(out),
        "cases": learned.cases,
        "agents": sorted(learned.agents),
        "temperature": learned.temperature,
        "digest": learned.own_digest,
    }


def _cases(asked: Asked) -> Cases:
    if asked.recorded is None:
        return cases_of_set(asked.set_file, asked.agent_files)
    return cases_recorded(asked.recorded, asked.agent_files)


def _rows(
    asked: Asked, instructions: str, cases: Sequence[Case], agents: Agents, notes: list[str]
) -> Iterator[_Row]:
    model = _model(asked)
    offline = _Row(OFFLINE, OFFLINE, by_model(OFFLINE))
    linear = _linear(asked, cases, agents, notes)
    contract = _Row(CONTRACT_ALONE, "", by_contract())
    if asked.prompt is not None and model == OFFLINE:
        notes.append("--prompt changes nothing here: no model is asked, and the stand-in reads no prompt")
    if model != OFFLINE:
        yield _Row(model, model, by_model(model, instructions))
        first = [contract, offline, linear]
    elif asked.learned is not None and not asked.model:
        first = [linear, contract, offline]
    else:
        first = [offline, contract, linear]
    yield from (row for row in first if row is not None)


def _model(asked: Asked) -> str:
    return asked.model or ModelSettings().name_for("router")


def _learned(asked: Asked, runs: Mapping[str, Run]) -> LearnedFirst | None:
    """Put the linear router before the model: both were asked on each case, and nothing is asked again."""
    if LINEAR not in runs:
        return None
    at_least = LEAST_CONFIDENCE if asked.learned_min is None else asked.learned_min
    return learned_first(runs[LINEAR], runs[_model(asked)], at_least)


def _linear(asked: Asked, cases: Sequence[Case], agents: Agents, notes: list[str]) -> _Row | None:
    if asked.learned is not None:
        named = {agent for case in cases for agent in case.candidates}
        file = Learned.load(asked.learned, {agent: agents[agent] for agent in sorted(named)})
    elif asked.recorded is not None:
        return None  # what is recorded has no part to learn from
    elif find_spec(_LEARNS) is None:
        notes.append(f"no rows {LINEAR!r} and {LEARNED!r}: learning needs scikit-learn: {INSTALL}")
        return None
    else:
        file = Learned(learn(examples_of(part_of(cases, "train")), agents))
    if asked.part != "held_out" or asked.recorded is not None:
        notes.append(
            f"{LINEAR} may have learned from these very cases; only held_out is fair to it, and to {LEARNED}"
        )
    return _Row(LINEAR, "", by_learned(file))


def _run(row: _Row, cases: Sequence[Case], agents: Agents, concurrency: int, quiet: bool) -> Run:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        bar = progress.add_task(row.name, total=len(cases))
        tell = partial(_tell, progress, bar)
        running = run(row.name, row.model, row.choose, cases, agents, concurrency=concurrency, progress=tell)
        return asyncio.run(running)


def _tell(progress: Progress, bar: Any, done: int, of: int) -> None:
    progress.update(bar, completed=done, total=of)


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: can't be read: {error}") from error
    if not text.strip():
        raise ConfigurationError(f"{file}: is empty, and would be no prompt")
    return text


def _saved_run(named: str) -> Run:
    if Path(named).exists() or ":" not in named:
        return load(Path(named)).row("")
    file, _, row = named.partition(":")
    return load(Path(file)).row(row)
