"""Release one service: test it, ask, build, deploy, and go back when it does not become ready."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Protocol

from local_stack.progress import Progress
from signalbox.protocol.errors import SignalboxError

Contracts = Mapping[str, Mapping[str, int | None]]
"""The versions of what a service ``reads`` and ``writes``, by record type; None is not registered."""

Result = Literal["released", "refused", "rolled_back", "broken"]
EXIT_STATUS: Final[Mapping[Result, int]] = {"released": 0, "refused": 1, "rolled_back": 3, "broken": 4}


class Target(Protocol):
    """Where a service is released to. Each method raises a SignalboxError when it can't do it."""

    name: str
    """The value of ``STACK``."""

    def running(self, service: str) -> str:
        """Return what runs now."""
        ...

    def build(self, service: str, version: str, contracts: Contracts) -> str:
        """Make what can be deployed; return its name."""
        ...

    def deploy(self, service: str, built: str) -> None:
        """Replace what runs, and wait until it is ready."""
        ...

    def roll_back(self, service: str) -> str:
        """Put back what :meth:`deploy` replaced, and wait until it is ready; return its name.

        Empty when nothing was replaced.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whether it was done, how long it took, and what there is to say."""

    name: str
    done: bool
    seconds: float
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What became of a release."""

    service: str
    stack: str
    version: str
    replaced: str = ""
    result: Result = "refused"
    steps: list[Step] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)

    @property
    def summary(self) -> str:
        """Say in a line what is true now."""
        why = f": {self.steps[-1].name} failed" if self.steps and not self.steps[-1].done else ""
        return {
            "released": f"{self.service} {self.version} is released",
            "refused": f"{self.service} {self.version} is NOT released{why}; {self.replaced} goes on",
            "rolled_back": f"{self.service} {self.version} did not become ready:"
            f" ROLLED BACK to {self.replaced}",
            "broken": f"{self.service} {self.version} did not become ready,"
            f" and {self.replaced} could NOT be put back",
        }[self.result]


def release(
    service: str,
    version: str,
    target: Target,
    *,
    test: Callable[[], str],
    ask: Callable[[], Contracts],
    progress: Progress,
) -> Report:
    """Release ``service`` to ``target``; the report says what is true afterwards, whatever failed.

    1. ``test`` runs the service's own tests, ``ask`` whether it may be deployed. Nothing has changed yet.
    2. Build: still nothing has changed.
    3. Deploy. From here on a failure, or Ctrl-C, puts back what ran before.
    """
    report = Report(service, target.name, version, replaced=target.running(service))
    steps = _Steps(report, progress)
    try:
        with steps.taking("test") as said:
            said(test())
        with steps.taking("can-i-deploy") as said:
            contracts = ask()
            said(_in_words(contracts))
        with steps.taking("build") as said:
            built = target.build(service, version, contracts)
            said(built)
    except SignalboxError:
        return report
    try:
        with steps.taking("deploy") as said:
            target.deploy(service, built)
            said(built)
    except BaseException as error:
        report.result = _put_back(service, target, steps)
        if not isinstance(error, SignalboxError | KeyboardInterrupt):
            raise
        return report
    report.result = "released"
    return report


def _put_back(service: str, target: Target, steps: "_Steps") -> Result:
    put_back = ""
    try:
        with steps.taking("roll back") as said:
            put_back = target.roll_back(service)
            said(put_back or "nothing was replaced")
    except SignalboxError:
        return "broken"
    return "rolled_back" if put_back else "refused"


class _Steps:
    """Writes each step down, and shows it."""

    def __init__(self, report: Report, progress: Progress) -> None:
        self._report = report
        self._progress = progress

    @contextmanager
    def taking(self, name: str) -> Iterator[Callable[[str], None]]:
        """Take a step; a failure is written down, and goes on to the caller."""
        self._progress.say(f"== {name}: {self._report.service} {self._report.version}")
        details: list[str] = []
        began = time.monotonic()
        try:
            yield details.append
        except (SignalboxError, KeyboardInterrupt) as error:
            self._finish(name, False, began, str(error) or "interrupted")
            raise
        self._finish(name, True, began, " ".join(details))

    def _finish(self, name: str, done: bool, began: float, detail: str) -> None:
        step = Step(name, done, round(time.monotonic() - began, 1), detail)
        self._report.steps.append(step)
        self._progress.say(f"   {'done' if done else 'FAILED'} after {step.seconds} s: {detail}")


def _in_words(contracts: Contracts) -> str:
    versions = [
        f"{verb} {record_type} {version or '(not registered)'}"
        for verb, by_type in contracts.items()
        for record_type, version in by_type.items()
    ]
    return "yes; " + ", ".join(versions)
