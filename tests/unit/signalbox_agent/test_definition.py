from pathlib import Path
from typing import Any

import pytest

import signalbox_agent
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox_agent import Agent, bound

YAML = """
id: lead_scoring
name: Lead Scoring
description: Scores profiled leads.
input:
  - sdr.LeadProfiled
  - record_type: sdr.LeadScored
    when: this.next_step != 'DISQUALIFY'
output:
  - sdr.LeadScored
  - {record_type: sdr.CampaignScheduled, terminal: true}
"""


def load(tmp_path: Path, text: str) -> AgentDefinition:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return AgentDefinition.load(path)


def test_inputs_and_outputs_may_be_names_or_more(tmp_path: Path) -> None:
    definition = load(tmp_path, YAML)
    assert [(entry.record_type, entry.when) for entry in definition.input] == [
        ("sdr.LeadProfiled", None),
        ("sdr.LeadScored", "this.next_step != 'DISQUALIFY'"),
    ]
    assert [(entry.record_type, entry.terminal) for entry in definition.output] == [
        ("sdr.LeadScored", False),
        ("sdr.CampaignScheduled", True),
    ]


def test_an_endpoint_is_filled_in_only_where_none_is_named(tmp_path: Path) -> None:
    definition = load(tmp_path, YAML)
    assert definition.with_endpoint("http://127.0.0.1:8102").endpoint == "http://127.0.0.1:8102"
    named = load(tmp_path, YAML + "endpoint: https://scoring.internal/v1\n")
    assert named.with_endpoint("http://127.0.0.1:8102").endpoint == "https://scoring.internal/v1"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("id: lead_scoring", "id: Lead-Scoring"), "id"),
        (("id: lead_scoring", "id: none"), "id"),
        (("name: Lead Scoring\n", ""), "name"),
        (("  - sdr.LeadProfiled", "  - LeadProfiled"), "input[0].record_type"),
        (("this.next_step != 'DISQUALIFY'", "'this.next_step ='"), "input[1].when"),
        (("terminal: true", "terminal: maybe"), "output[1].terminal"),
        (("  - record_type: sdr.LeadScored", "  - record_type: sdr.LeadProfiled"), "input"),
        (("name: Lead", "nmae: x\nname: Lead"), "nmae"),
        (("name: Lead", "endpoint: ftp://x\nname: Lead"), "endpoint"),
    ],
)
def test_a_fault_is_reported_with_file_and_place(tmp_path: Path, change: tuple[str, str], place: str) -> None:
    assert change[0] in YAML
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, YAML.replace(*change))
    assert str(error.value).startswith(f"{tmp_path / 'agent.yaml'}: {place}: ")


@pytest.mark.parametrize("text", ["", "- a\n", "id: [", "\x00"])
def test_a_file_that_is_no_definition_is_reported(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"agent\.yaml: "):
        load(tmp_path, text)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        AgentDefinition.load(tmp_path / "none.yaml")


def test_the_service_must_bind_what_the_definition_declares(bench: Any) -> None:
    agent = bench.agent()
    with pytest.raises(ConfigurationError, match=r"declares output \['demo.Reply'\], but .* binds \[\]"):
        Agent(agent.definition, agent.takes, [], agent.handle)


@pytest.mark.parametrize("text", ["{", '"string"', '{"type": "record", "name": "a.B"}'])
def test_a_contract_that_is_no_record_is_reported(text: str, reply: Any) -> None:
    with pytest.raises(ConfigurationError, match="Reply"):
        bound(reply, text)


def test_the_package_exports_these_names_and_no_others() -> None:
    assert signalbox_agent.__all__ == [
        "Agent", "AgentDefinition", "Background", "Bound", "Handler", "InputType", "Message", "OutputType",
        "Refuse", "TaskModel", "Work", "bound", "create_app", "serve",
    ]  # fmt: skip
