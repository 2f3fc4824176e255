"""Each provider's wire format through a whole stack, with a server that does everything servers do.

What a server writes in some odd way counts; what is not clear is corrected by the model; while the server
misbehaves for everyone each message waits; and what is a message's own ends as UNROUTABLE. No lead is lost.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

import anthropic_habits
import openai_habits
from conservation import assert_each_ends_as
from lead_flow import DISQUALIFIED
from local_stack import Stack
from local_stack.logs import log_path
from local_stack.services import SERVICES
from misbehaving_provider import SCORING, Habit, MisbehavingProvider, misbehaving_provider
from operating import FINAL, Operator, lead
from provider_replies import Reply, Written
from traffic import eventually

FORMS: Final = ["json_schema", "tool", "prompted"]
MODELS: Final = {
    "ROUTER_LLM_MODEL": "only-json_schema",
    "LEAD_INGESTION_LLM_MODEL": "only-tool",
    "LEAD_SCORING_LLM_MODEL": "only-prompted",
    "LLM_MODEL": "any-form",
}
"""Each process asks a model that can do something else."""
FOUND: Final = {"orchestrator": "json_schema", "lead_ingestion": "tool", "lead_scoring": "prompted"}
BRIEFLY: Final = {"LLM_TIMEOUT_S": "4", "LLM_CONCURRENCY": "16", "LLM_API_KEY": "a key"}
"""A server that hangs costs little; few requests at once are answered in time on a busy machine."""
PATIENCE_S: Final = 90
OWN_FAULT_AFTER: Final = 8
"""In failures, while other messages are answered."""
LONG: Final = {**DISQUALIFIED, "project_description": f"{DISQUALIFIED['project_description']} " * 8}
"""A lead that ends soon; a quarter of its text still says who it is."""


@dataclass(frozen=True)
class Format:
    """A wire format: who speaks it, how models' names begin, the variable that says where, and the habits.

    A client of Anthropic's goes by the name: models that it doesn't know are not asked for JSON of a schema.
    """

    name: str
    models: str
    address: str
    path: str
    habits: Any

    def model(self, name: str) -> str:
        """Return the name of a model of this provider."""
        return f"{self.name}:{self.models}{name}"


FORMATS: Final = [
    Format("openai", "", "LLM_BASE_URL", "/v1", openai_habits),
    Format("anthropic", "claude-haiku-4-5-", "ANTHROPIC_BASE_URL", "", anthropic_habits),
]


ONE_IS_ENOUGH: Final = pytest.mark.parametrize(
    "spoken", FORMATS[:1], indirect=True, scope="module", ids=lambda spoken: spoken.name
)
"""What takes long, and is the same code in every wire format."""


@pytest.fixture(scope="module", params=FORMATS, ids=lambda spoken: spoken.name)
def spoken(request: pytest.FixtureRequest) -> Format:
    format_: Format = request.param
    return format_


@pytest.fixture(scope="module")
def provider(spoken: Format) -> Iterator[MisbehavingProvider]:
    with misbehaving_provider() as serving:
        yield serving


@pytest.fixture(scope="module")
def stack(
    root: Path, spoken: Format, provider: MisbehavingProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    models = {variable: spoken.model(model) for variable, model in MODELS.items()}
    settings = {**models, **BRIEFLY, spoken.address: f"{provider.server.url}{spoken.path}"}
    run_dir = tmp_path_factory.mktemp("stack")
    with Stack(root, run_dir, ports="free", extra_env=settings, services=SERVICES) as up:
        yield up


class Fate(NamedTuple):
    """How a lead ended, and how often the router asked about its first message."""

    end: str
    calls: int


STATUS: Final = {"ended": "ended", "UNROUTABLE": "dead_lettered"}
GOES_ON: Final = Fate("ended", 1)
CORRECTED: Final = Fate("ended", 2)
NEVER_CORRECTED: Final = Fate("UNROUTABLE", 3)
REFUSED: Final = Fate("UNROUTABLE", 2)
"""It was asked once more, with less of the message."""


@dataclass
class Leads:
    """Leads by what they meet; numbered on from ``number``."""

    operator: Operator
    provider: MisbehavingProvider
    number: int
    captured_before: int
    ids: dict[str, str] = field(default_factory=dict)

    async def post(self, what: str, habit: Habit) -> None:
        """Post a lead that meets a habit."""
        self.number += 1
        self.provider.habits[self.number] = habit
        self.ids[what] = await self.operator.post(**lead(self.number, **LONG))

    async def come_to_rest(self) -> None:
        """Wait until none is in flight, by one question for all of them."""

        async def none_is_in_flight() -> bool:
            stats = await self.operator.stats()
            return stats["captured"] == self.captured_before + len(self.ids) and stats["in_flight"] == 0

        await eventually(none_is_in_flight, "no lead is in flight", PATIENCE_S)

    async def end_as(self, expected: Mapping[str, str]) -> None:
        """Wait until each is where it has to be, and none is lost."""
        await self.come_to_rest()
        await assert_each_ends_as(self.operator, {self.ids[what]: end for what, end in expected.items()})

    async def states(self) -> dict[str, str]:
        """Return where each lead is now."""
        return {what: (await self.operator.journey(lead_id))["status"] for what, lead_id in self.ids.items()}

    async def fates(self) -> dict[str, Fate]:
        """Return what became of the first message of each lead."""
        letters = await self.operator.http.get(f"{self.operator.stack.addresses['console']}/api/dead-letters")
        calls = {letter["lead_id"]: letter["model_calls"] for letter in letters.json()["dead_letters"]}
        return {what: await self._fate(lead_id, calls.get(lead_id)) for what, lead_id in self.ids.items()}

    async def _fate(self, lead_id: str, calls: int | None) -> Fate:
        journey = await self.operator.journey(lead_id)
        for entry in journey["timeline"]:
            match entry:
                case {"stage": "routed", "detail": {"model_calls": int(of_the_decision)}}:
                    return Fate(journey["status"], of_the_decision)
                case {"stage": "dead_lettered", "detail": {"reason": str(reason)}} if calls is not None:
                    return Fate(reason, calls)
        raise AssertionError(journey)


def always(reply: Reply) -> Written:
    return lambda _: reply


@pytest.fixture
async def leads(operator: Operator, provider: MisbehavingProvider) -> AsyncIterator[Leads]:
    """Make leads with habits, numbered so that no other test has them; afterwards all habits are over."""
    captured = (await operator.stats())["captured"]
    yield Leads(operator, provider, number=1000 + len(provider.habits), captured_before=captured)
    for habit in provider.habits.values():
        habit.is_over()


async def test_a_first_request_finds_what_each_model_can_do_and_readyz_and_the_log_say_which(
    operator: Operator, provider: MisbehavingProvider, spoken: Format
) -> None:
    for service in FOUND:
        assert (await told_of_the_model(operator, service)).endswith("(LLM_OUTPUT: not known yet)")
    await assert_each_ends_as(operator, {await operator.post(**lead(1)): "scheduled"})
    for service, form in FOUND.items():
        await assert_it_was_found(operator, provider, service, spoken.model(f"only-{form}"), form)


@ONE_IS_ENOUGH
@pytest.mark.parametrize("form", ["prompted", "tool"])
async def test_another_model_of_the_router_is_found_out_as_well(
    operator: Operator, provider: MisbehavingProvider, spoken: Format, form: str
) -> None:
    model = spoken.model(f"only-{form}")
    provider.server.asked.clear()
    await asyncio.to_thread(operator.stack.redeploy, "orchestrator", {"ROUTER_LLM_MODEL": model})
    await assert_each_ends_as(operator, {await operator.post(**lead(2, **DISQUALIFIED)): "ended"})
    await assert_it_was_found(operator, provider, "orchestrator", model, form)


async def test_each_habit_ends_as_it_does_at_the_model_port(leads: Leads, spoken: Format) -> None:
    expected: dict[str, Fate] = {}
    for told, habits, times, fate in (
        ("{}", spoken.habits.TAKEN, 1, GOES_ON),
        ("{}, once", spoken.habits.UNCLEAR, 1, CORRECTED),
        ("{}, always", spoken.habits.UNCLEAR, None, NEVER_CORRECTED),
        ("{}", {what: always(reply) for what, reply in spoken.habits.NEVER.items()}, None, REFUSED),
    ):
        for what, written in habits.items():
            expected[told.format(what)] = fate
            await leads.post(told.format(what), Habit(written, times=times))
    await leads.come_to_rest()
    fates = await leads.fates()
    wrong = {what: (fate, expected[what]) for what, fate in fates.items() if fate != expected[what]}
    assert not wrong, "\n".join(map(str, wrong.items()))
    await leads.end_as({what: STATUS[fate.end] for what, fate in expected.items()})


async def test_while_the_server_misbehaves_for_everyone_each_message_waits_and_then_goes_on(
    leads: Leads, spoken: Format
) -> None:
    habits = {what: Habit(always(reply)) for what, reply in spoken.habits.WAITED_FOR.items()}
    for what, habit in habits.items():
        await leads.post(what, habit)

    async def each_was_met_twice() -> bool:
        return all(habit.met > 1 for habit in habits.values())

    await eventually(each_was_met_twice, "each habit was met twice", PATIENCE_S)
    assert await leads.states() == dict.fromkeys(habits, "in_flight")
    for habit in habits.values():
        habit.is_over()
    await leads.end_as(dict.fromkeys(habits, "ended"))


@ONE_IS_ENOUGH
async def test_a_message_that_alone_is_never_answered_ends_while_others_go_on(
    operator: Operator, leads: Leads, spoken: Format
) -> None:
    never, others = Habit(always(spoken.habits.WAITED_FOR["500"])), dict[str, str]()
    await leads.post("500", never)

    async def it_was_refused() -> bool:
        if never.met > len(others):  # after each of its failures another is answered
            others[await operator.post(**lead(5000 + len(others), **DISQUALIFIED))] = "ended"
        return (await operator.journey(leads.ids["500"]))["status"] in FINAL

    await eventually(it_was_refused, "the message that is never answered has an end", PATIENCE_S)
    assert (await leads.fates())["500"].end == "UNROUTABLE"
    assert never.met >= OWN_FAULT_AFTER
    await assert_each_ends_as(operator, others)


async def test_an_agent_waits_corrects_and_refuses_as_the_router_does(leads: Leads, spoken: Format) -> None:
    waited = {what: Habit(always(reply), SCORING, 1) for what, reply in spoken.habits.WAITED_FOR.items()}
    never = {what: Habit(always(reply), SCORING) for what, reply in spoken.habits.NEVER.items()}
    for what, habit in {**waited, **never}.items():
        await leads.post(what, habit)
    await leads.end_as(dict.fromkeys(waited, "ended") | dict.fromkeys(never, "dead_lettered"))


async def told_of_the_model(operator: Operator, service: str) -> str:
    answer = await operator.http.get(f"{operator.stack.addresses[service]}/readyz")
    told: str = answer.json()["details"]["model"]
    return told


async def assert_it_was_found(
    operator: Operator, provider: MisbehavingProvider, service: str, model: str, form: str
) -> None:
    """Hold what ``service`` says of ``model``, and what it asked it, against the ``form`` that it can do."""
    assert await told_of_the_model(operator, service) == f"{model} (LLM_OUTPUT: {form})"
    lines = log_path(operator.stack.run_dir, service).read_text().splitlines()
    logged = [json.loads(line) for line in lines if '"model_output_form"' in line]
    assert [entry["form"] for entry in logged if entry["model"] == model] == [form]
    asked = [one.form for one in provider.server.asked if one.model == model.partition(":")[2]]
    tried = FORMS[: FORMS.index(form) + 1]
    assert asked[: len(tried)] == tried
    assert set(asked[len(tried) :]) <= {form}
