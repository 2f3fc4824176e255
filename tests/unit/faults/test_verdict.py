"""The verdict tells the truth: one failed check, one restless end or one bit of trouble fails the run."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from checks.all import CHECKS
from checks.finding import Finding
from evidence import Evidence
from fault import Kind
from good_run import good_run
from history import Injection
from verdict import Verdict, harmless_kinds, judged

KILLED = Injection("process-killed", Kind.PROCESS, "orchestrator", 0.0, 1.0, 1)
IDLE = Injection("smtp-never-greets", Kind.SMTP, "the mail server", 0.0, 1.0, 0)


def verdict(findings: Mapping[str, Finding]) -> Verdict:
    return Verdict(7, 4, 1.0, "quiet", (KILLED, IDLE, KILLED), dict(findings))


def test_a_good_run_passes_and_tells_its_faults_and_counts() -> None:
    told = verdict(judged(good_run()))

    assert told.passed
    assert told.as_json()["faults"] == {"process-killed": 2, "smtp-never-greets": 1}
    assert "PASSED: 4 sent, 3 faults, 1 s, seed 7" in told.as_text()
    assert "process-killed                         2      2" in told.as_text()


@pytest.mark.parametrize(
    "spoilt",
    [
        {"ended": "no progress for 90 s"},
        {"trouble": ("process-killed could not be healed",)},
        {"findings": {"some_check": Finding(3, ("a problem",))}},
        {"findings": {"some_check": Finding(0)}},
    ],
    ids=lambda spoilt: next(iter(spoilt)),
)
def test_a_run_fails_for_whatever_went_wrong(spoilt: dict[str, object]) -> None:
    told = replace(verdict(judged(good_run())), **spoilt)  # type: ignore[arg-type]

    assert not told.passed
    assert "FAILED" in told.as_text()


def test_a_check_that_breaks_down_is_a_problem_and_does_not_hide_the_others() -> None:
    run = good_run()
    broken: Evidence = replace(run, decoded={})

    findings = judged(broken)

    assert findings.keys() == {check.__name__ for check in CHECKS}
    assert "broke down" in findings["a_route_carries_its_message_byte_for_byte"].problems[0]
    assert findings["no_mail_is_sent_twice"].passed


def test_a_kind_whose_faults_met_nothing_is_told() -> None:
    assert harmless_kinds((KILLED, IDLE)) == ["nothing came the way of any SMTP fault"]
    assert harmless_kinds((KILLED, IDLE, replace(IDLE, harm=2))) == []
