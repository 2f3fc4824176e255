import subprocess
import sys

import pytest

from signalbox_cli.app import GROUPS


@pytest.mark.parametrize("word", [word for word in GROUPS if word not in ("status", "can-i-deploy")])
def test_each_group_has_help_with_its_commands(signalbox, word):
    outcome = signalbox(word, "--help")
    assert outcome.status == 0
    assert "Usage" in outcome.out


@pytest.mark.parametrize(
    "command",
    [
        ("leads", "send"),
        ("leads", "show"),
        ("leads", "list"),
        *(("campaigns", word) for word in ("list", "show", "cancel", "confirm", "suppress", "unsuppress")),
        ("campaigns", "suppressions"),
        ("dead-letters", "list"),
        ("dead-letters", "show"),
        ("dead-letters", "replay"),
        ("dead-letters", "discard"),
        ("agents", "list"),
        ("agents", "remove"),
        ("agents", "grant"),
        ("agents", "apply"),
        ("agents", "revoke"),
        ("agents", "token"),
        ("routes", "eval"),
        ("routes", "train"),
        ("routes", "correct"),
        ("topics", "apply"),
        ("can-i-deploy",),
        *(
            ("contracts", word)
            for word in (
                "new",
                "lint",
                "generate",
                "diff",
                "check",
                "plan",
                "register",
                "deregister",
                "docs",
                "asyncapi",
            )
        ),
    ],
)
def test_each_commands_help_teaches_with_an_example(signalbox, command):
    assert f"Example: signalbox {' '.join(command)}" in signalbox(*command, "--help").out


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("leads", "nonsense"), ("leads", "show"), ("--nonsense",)]
)
def test_wrong_usage_exits_with_2(signalbox, arguments):
    assert signalbox(*arguments).status == 2


def test_help_imports_no_client_of_anything():
    code = (
        "import sys; from signalbox_cli.app import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'confluent_kafka', 'httpx2', 'pydantic', 'fastapi', 'pydantic_ai'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_service_that_is_away_is_one_clear_line_and_exit_1(signalbox, monkeypatch):
    monkeypatch.setenv("CONSOLE_URL", "http://127.0.0.1:1")
    outcome = signalbox("leads", "list")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("error: console is unavailable: no answer at http://127.0.0.1:1")
    assert outcome.err.count("\n") == 1


def test_another_program_at_the_address_is_said_to_be_one(signalbox, service):
    service.answers["/api/agents"] = lambda _: (200, b"<html>")
    outcome = signalbox("agents", "list")
    assert outcome.status == 1
    assert "another program" in outcome.err


def test_agents_are_listed_without_removed_ones(signalbox, service):
    definition = {
        "input": [{"record_type": "a.B"}],
        "output": [{"record_type": "c.D"}],
        "endpoint": "http://x",
    }
    agents = [
        {"agent_id": "here", "removed": False, "at": "2026-03-02T09:00:00Z", "definition": definition},
        {"agent_id": "gone", "removed": True, "at": "2026-03-02T09:00:00Z", "definition": None},
    ]
    service.answers["/api/agents"] = lambda _: (200, {"agents": agents})
    assert [agent["agent_id"] for agent in signalbox("agents", "list", "--json").json] == ["here"]
    assert "gone" in signalbox("agents", "list", "--all").out
