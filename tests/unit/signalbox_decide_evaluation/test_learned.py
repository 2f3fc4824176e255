"""A learned router without the library that it was learned with: what it says, and what is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox_decide.learned import Learned, write_learned
from signalbox_decide.text_features import SIZE, features
from small_cases import agent, learned_by_words

Agents = dict[AgentId, AgentDefinition]
WORDS = {"bakery": "bread", "garage": "brakes"}


@pytest.fixture
def learned(tmp_path: Path, agents: Agents) -> Path:
    write_learned(tmp_path / "learned.json", learned_by_words(agents, WORDS))
    return tmp_path / "learned.json"


@pytest.mark.parametrize(("text", "said"), [("bread", "bakery"), ("brakes", "garage"), ("rain", "NONE")])
def test_it_chooses_by_the_words(learned: Path, agents: Agents, text: str, said: str) -> None:
    agent, confidence = Learned.load(learned, agents).choose(text, list(agents.values()))
    assert agent == said
    assert 0.4 < confidence < 1


def test_it_chooses_among_the_candidates_at_hand_only(learned: Path, agents: Agents) -> None:
    router = Learned.load(learned, agents)
    said, confidence = router.choose("bread", [agents[AgentId("garage")]])
    assert said == "NONE"
    assert confidence > 0.5
    chances = router.chances("bread", [AgentId("garage")])
    assert set(chances) == {"garage", "NONE"}
    assert sum(chances.values()) == pytest.approx(1)


def test_a_higher_temperature_makes_it_less_sure_and_chooses_the_same(agents: Agents) -> None:
    words = {"bakery": "bread", "garage": "brakes"}
    cold, hot = (Learned(learned_by_words(agents, words, heat)) for heat in (1.0, 3.0))
    said = [router.choose("bread", list(agents.values())) for router in (cold, hot)]
    assert said[0][0] == said[1][0] == "bakery"
    assert said[0][1] > said[1][1] > 1 / 3


def test_a_candidate_that_is_new_or_changed_leaves_it_without_confidence(
    learned: Path, agents: Agents
) -> None:
    router = Learned.load(learned, agents)
    new = agent("florist", "Sells flowers.")
    changed = agents[AgentId("garage")].model_copy(update={"description": "Sells flowers."})
    assert router.choose("bread", [*agents.values(), new]) == ("bakery", 0.0)
    assert router.choose("bread", [agents[AgentId("bakery")], changed]) == ("bakery", 0.0)
    assert router.choose("bread", [new]) == ("NONE", 0.0)


def test_a_moved_agent_is_the_same_agent(learned: Path, agents: Agents) -> None:
    moved = {name: one.with_endpoint("http://10.0.0.9:1") for name, one in agents.items()}
    assert Learned.load(learned, moved).choose("bread", list(moved.values()))[1] > 0


def test_it_tells_its_digest_and_an_agent_that_is_gone_does_not_matter(learned: Path, agents: Agents) -> None:
    left = {AgentId("bakery"): agents[AgentId("bakery")]}
    assert Learned.load(learned, left).digest == json.loads(learned.read_text())["digest"]


def test_a_changed_or_new_definition_is_refused_by_its_name(learned: Path, agents: Agents) -> None:
    changed = agents | {AgentId("garage"): agent("garage", "Sells flowers.")}
    with pytest.raises(ConfigurationError, match="other definitions of garage"):
        Learned.load(learned, changed)
    with pytest.raises(ConfigurationError, match="other definitions of florist"):
        Learned.load(learned, agents | {AgentId("florist"): agent("florist", "Sells flowers.")})


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda said: {key: value for key, value in said.items() if key != name}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda said: said | {"version": 2}, "no learned router of this version"),
        (lambda said: said | {"features_version": 0}, "no learned router of this version"),
        (_without("version"), "no learned router of this version"),
        (lambda said: [said], "no learned router of this version"),
        (lambda said: said | {"temperature": 2.0}, "its digest is not that of its content"),
        (lambda said: said | {"digest": ""}, "its digest is not that of its content"),
        (lambda said: said | {"temperature": 0}, "is broken: temperature"),
        (_without("bias"), "is broken: bias"),
        (lambda said: said | {"bias": [1.0]}, "not one row a class"),
        (lambda said: said | {"weights": [[1.0]] * 3}, f"has not {SIZE} numbers"),
        (lambda said: said | {"bias": [1.0, 2.0, float("nan")]}, "is broken"),
        (lambda said: said | {"classes": ["bakery", "garage", "florist"]}, "classes are not the agents"),
        (lambda said: said | {"code": "print()"}, "is broken: code"),
    ],
)
def test_another_version_and_a_broken_file_are_refused(
    learned: Path, agents: Agents, change: Callable[[dict[str, Any]], Any], told: str
) -> None:
    learned.write_text(json.dumps(change(json.loads(learned.read_text()))))
    with pytest.raises(ConfigurationError, match=told):
        Learned.load(learned, agents)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"{", b'{"version": 1', b"[" * 100_000])
def test_what_is_no_json_is_refused_a_pickle_too(learned: Path, agents: Agents, content: bytes) -> None:
    learned.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not JSON"):
        Learned.load(learned, agents)


def test_files_that_can_not_be_read_or_written_are_told(tmp_path: Path, agents: Agents) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        Learned.load(tmp_path / "none.json", agents)
    with pytest.raises(ConfigurationError, match="can't be written"):
        write_learned(tmp_path / "none/x.json", learned_by_words(agents, WORDS))


def test_features_are_the_same_on_every_machine_and_of_length_one_for_each_kind() -> None:
    assert features("") == {}
    assert features("?!") == {}
    # One word and one run of three characters, " a ", by CRC-32 of "w a" and "c a ".
    assert features("a") == {4779: -1.0, 15167: -1.0}
    # Twice is more than once, and less than twice as much; so are the two words beside each other.
    twice, pair = 1 + math.log(2), math.sqrt((1 + math.log(2)) ** 2 + 1)
    assert features("a a") == pytest.approx({4779: -twice / pair, 12423: 1 / pair, 15167: -1.0})
    assert features("Bread bread") == features("bread BREAD")
    assert features("bread rolls") != features("rolls bread")
