"""The verdict on a run: which faults struck, what every check counted, and whether all is well."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from checks.all import CHECKS
from checks.finding import Finding
from evidence import Evidence
from fault import Kind
from history import Injection

_SHOWN: Final = 10


@dataclass(frozen=True)
class Verdict:
    """What the checks found, by their names, after a run; ``ended`` says how it came to rest.

    ``restarts`` are the processes that ended by themselves, and how often they were started again.
    """

    seed: int
    leads: int
    seconds: float
    ended: str
    injections: tuple[Injection, ...]
    findings: dict[str, Finding]
    trouble: tuple[str, ...] = ()
    restarts: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True when everything came to rest, every check passed, and nothing else went wrong."""
        return self.ended == "quiet" and not self.trouble and all(f.passed for f in self.findings.values())

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "passed": self.passed,
            "seed": self.seed,
            "leads": self.leads,
            "seconds": round(self.seconds),
            "ended": self.ended,
            "faults": dict(Counter(one.name for one in self.injections)),
            "harm": {one.name: _harm(self.injections, one.name) for one in self.injections},
            "checks": {
                name: {
                    "passed": found.passed,
                    "checked": found.checked,
                    "counts": dict(found.counts),
                    "problems": list(found.problems),
                }
                for name, found in self.findings.items()
            },
            "trouble": list(self.trouble),
            "restarts": dict(self.restarts),
        }

    def as_text(self) -> str:
        """Return it as tables for people."""
        return "\n".join([*_faults(self.injections), "", *_checks(self.findings), "", *self._end()])

    def _end(self) -> list[str]:
        lines = [f"trouble: {what}" for what in self.trouble]
        if self.restarts:
            ended = ", ".join(f"{service} {times}" for service, times in sorted(self.restarts.items()))
            lines.append(f"ended by themselves and started again: {ended}")
        if self.ended != "quiet":
            lines.append(f"it did not come to rest: {self.ended}")
        word = "PASSED" if self.passed else "FAILED"
        return [
            *lines,
            f"{word}: {self.leads} sent, {len(self.injections)} faults, {self.seconds:.0f} s,"
            f" seed {self.seed}",
        ]


def judged(evidence: Evidence) -> dict[str, Finding]:
    """Run every check; one that breaks down has found a problem, too."""
    findings = {}
    for check in CHECKS:
        try:
            findings[check.__name__] = check(evidence)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            findings[check.__name__] = Finding(0, (f"the check broke down: {error!r}",))
    return findings


def harmless_kinds(injections: Sequence[Injection]) -> list[str]:
    """Name the kinds of faults that were on and met nothing: a run proves nothing about them."""
    harm: dict[Kind, int] = {}
    for one in injections:
        if one.harm is not None:
            harm[one.kind] = harm.get(one.kind, 0) + one.harm
    return [f"nothing came the way of any {kind.name} fault" for kind, count in harm.items() if not count]


def _faults(injections: Sequence[Injection]) -> list[str]:
    lines = [f"{'kind':<20} {'fault':<34} times   harm"]
    for kind in Kind:
        names = Counter(one.name for one in injections if one.kind is kind)
        label = f"{kind.value} {kind.name.lower().replace('_', ' ')}"
        lines += [
            f"{label:<20} {name:<34} {times:>5} {_harm(injections, name):>6}"
            for name, times in sorted(names.items())
        ]
        if not names:
            lines.append(f"{label:<20} {'-':<34} {0:>5}")
    lines.append(f"{'':<20} {'all together':<34} {len(injections):>5}")
    return lines


def _harm(injections: Sequence[Injection], name: str) -> str:
    counted = [one.harm for one in injections if one.name == name and one.harm is not None]
    return str(sum(counted)) if counted else ""


def _checks(findings: dict[str, Finding]) -> list[str]:
    lines = []
    for name, found in findings.items():
        counts = ", ".join(f"{what} {times}" for what, times in found.counts.items())
        word = "ok  " if found.passed else "FAIL"
        lines.append(f"{word} {name.replace('_', ' '):<60} {found.checked:>7}  {counts}")
        lines += [f"       {problem}" for problem in found.problems[:_SHOWN]]
        if len(found.problems) > _SHOWN:
            lines.append(f"       … and {len(found.problems) - _SHOWN} more")
        if not found.checked:
            lines.append("       there was nothing to check")
    return lines
