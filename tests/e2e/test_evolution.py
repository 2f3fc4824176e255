"""A contract evolves while leads flow: the walk of docs/evolving-a-contract.md, in its order.

Every step is what a person would type: the command `signalbox` in a copy of the contracts, and redeploying
one service at a time. The last test counts the leads that were posted all the while.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest

from checkout import Checkout, Told
from contract_changes import (
    RATED,
    READERS,
    SCORED,
    add_confidence,
    add_lead_rated,
    add_required_segment,
    add_rule,
    drop_rules_of_score,
    give_lead_rated,
    take_both,
    take_only_lead_rated,
)
from lead_flow import DISQUALIFIED, ENGAGED, NURTURED, LeadFlow, flowing
from local_stack import Stack
from local_stack.governance import CommandFailed
from operating import Operator, lead
from reviewing import asked_for_review, reviewer_running
from scored_messages import (
    DRAFTED,
    engaged_with_a_score_of_40,
    id_of,
    key_of,
    old_message_for,
    scored_by,
    sent_again,
)
from signalbox.kafka import Producer
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from traffic import Traffic, eventually, source_of, written_with

OFFLINE = {"LLM_MODEL": "offline", "ROUTER_LLM_MODEL": "offline", "AGENT_LLM_MODEL": "offline"}


@pytest.fixture(scope="module")
def stack(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this file's own: what is registered, and what the services are built with, changes."""
    with Stack(
        root,
        tmp_path_factory.mktemp("evolving"),
        ports="free",
        # Neither what a test registers nor a message that no one takes should take its time.
        extra_env={**OFFLINE, "CONTRACT_REFRESH_S": "2", "NO_CANDIDATE_WAIT_S": "2"},
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def operator(stack: Stack) -> AsyncIterator[Operator]:
    async with httpx2.AsyncClient(timeout=30) as http:
        yield Operator(stack, http)


@pytest.fixture(scope="module")
def traffic(operator: Operator) -> Traffic:
    return Traffic(operator)


@pytest.fixture(scope="module", autouse=True)
async def flow(operator: Operator) -> AsyncIterator[LeadFlow]:
    """Leads that come in during the whole walk."""
    async with flowing(operator) as flow:
        yield flow


@dataclass(frozen=True)
class OptionalField:
    """The copy in which ``sdr.LeadScored`` has a field more, registered; and what the commands said."""

    checkout: Checkout
    told: dict[str, Told]
    old: SchemaId
    new: SchemaId


@pytest.fixture(scope="module")
async def optional_field(
    root: Path, traffic: Traffic, flow: LeadFlow, tmp_path_factory: pytest.TempPathFactory
) -> OptionalField:
    """Add the field, look at what it means, and register it."""
    checkout = Checkout.of(root, tmp_path_factory.mktemp("optional_field"), traffic.operator.stack)
    await eventually(partial(some_of_each_kind, flow), "leads to look back on")
    await flow.settle()
    checkout.change(SCORED, add_confidence)
    told = {
        words: await checkout.signalbox(*words.split())
        for words in ("contracts lint", "contracts check", "contracts plan", "contracts generate")
    }
    told["too early"] = await checkout.signalbox("can-i-deploy", "lead_scoring")
    told["contracts register"] = await checkout.signalbox("contracts", "register")
    told["in time"] = await checkout.signalbox("can-i-deploy", "lead_scoring")
    old, new = [await traffic.schema_id(SCORED, version) for version in (1, 2)]
    return OptionalField(checkout, told, old, new)


@dataclass(frozen=True)
class NewWriter:
    """``lead_scoring`` runs with the new contract; ``others`` has the processes that were there before."""

    others: dict[str, int]


@pytest.fixture(scope="module")
async def new_writer(stack: Stack, optional_field: OptionalField) -> NewWriter:
    """Redeploy the writer alone."""
    before = pids(stack)
    await optional_field.checkout.redeploy("lead_scoring")
    return NewWriter({name: pid for name, pid in before.items() if name != "lead_scoring"})


def test_an_optional_field_is_registered_and_only_then_its_writer_may_be_deployed(
    optional_field: OptionalField,
) -> None:
    told = optional_field.told
    assert "0 findings" in told["contracts lint"].text
    assert "confidence: field added: optional double, default null" in told["contracts check"].text
    assert "new version sdr.LeadScored: after version 1" in told["contracts plan"].text
    assert "replay: 0 of the last" in told["contracts plan"].text
    assert told["too early"].status == 1
    assert "sdr.LeadScored: the text it was built with is not registered" in told["too early"].text
    assert "`signalbox contracts register` when it is right" in told["too early"].text
    assert "created     sdr.LeadScored: version 2" in told["contracts register"].text
    assert "yes: lead_scoring may be deployed" in told["in time"].text
    assert {words for words, one in told.items() if one.status != 0} == {"too early"}


async def test_the_writer_alone_is_redeployed_and_the_old_readers_go_on(
    stack: Stack, traffic: Traffic, optional_field: OptionalField, new_writer: NewWriter
) -> None:
    operator = traffic.operator
    lead_ids = [await operator.post(**lead(number, **NURTURED if number else ENGAGED)) for number in (0, 1)]

    assert await operator.settled(lead_ids) == dict.fromkeys(lead_ids, "scheduled")

    scored = await traffic.messages(SCORED, *lead_ids)
    assert written_with(scored) == {optional_field.new}
    assert {source_of(answer) for answer in await traffic.answers(DRAFTED, *scored)} == set(READERS)
    assert (await traffic.announced("lead_scoring"))[SCORED] == 2
    assert [(await traffic.announced(reader))[SCORED] for reader in READERS] == [1, 1]
    assert pids(stack).items() >= new_writer.others.items()


@pytest.mark.usefixtures("new_writer")
async def test_a_newer_and_an_older_writer_on_one_topic_are_both_read_by_an_unchanged_agent(
    stack: Stack, traffic: Traffic, producer: Producer, optional_field: OptionalField, tmp_path: Path
) -> None:
    operator, reader = traffic.operator, stack.process("active_outreach").pid
    fields = lead(2, **DISQUALIFIED)
    to_review = await operator.post(**fields)
    assert await operator.settled([to_review]) == {to_review: "ended"}

    async with reviewer_running(operator, tmp_path) as contract:  # built with what is installed: version 1
        await producer.publish(asked_for_review(to_review, fields, contract))
        to_score = await operator.post(**lead(3))
        older = await eventually(lambda: scored_by(traffic, "reviewer", to_review), "the review")
        newer = await eventually(lambda: scored_by(traffic, "lead_scoring", to_score), "the score")
        drafted = await traffic.answers(DRAFTED, older, newer)
    await optional_field.checkout.done("agents", "remove", "reviewer")

    assert older.topic == newer.topic
    assert (written_with([older]), written_with([newer])) == ({optional_field.old}, {optional_field.new})
    assert [source_of(answer) for answer in drafted] == ["active_outreach", "active_outreach"]
    assert (await traffic.announced("active_outreach"))[SCORED] == 1
    assert stack.process("active_outreach").pid == reader


async def test_an_old_message_is_handled_by_a_reader_with_the_new_contract(
    traffic: Traffic, producer: Producer, optional_field: OptionalField
) -> None:
    async def shown_as_new() -> bool:  # the console reads the announcement in its own time
        return (await traffic.announced("nurture_campaign"))[SCORED] == 2

    await optional_field.checkout.redeploy("nurture_campaign")
    await eventually(shown_as_new, "the console shows the version that is announced by now")

    again = sent_again(await old_message_for(traffic, "nurture_campaign", optional_field.old))
    await producer.publish(again)

    (answer,) = await traffic.answers(DRAFTED, id_of(again))
    assert source_of(answer) == "nurture_campaign"
    assert again.value is not None
    assert written_with(await traffic.messages(SCORED, key_of(again))) == {optional_field.old}


async def test_a_stricter_rule_holds_without_a_deploy_and_goes_with_its_version(
    stack: Stack,
    traffic: Traffic,
    producer: Producer,
    optional_field: OptionalField,
    tmp_path: Path,
) -> None:
    async def refusal() -> DeadLetter | None:
        draft = engaged_with_a_score_of_40(optional_field.old)
        await producer.publish(draft)
        return await traffic.fate(id_of(draft))

    async def no_refusal() -> bool:
        return await refusal() is None

    before, operator = pids(stack), traffic.operator
    checkout = optional_field.checkout.branch(tmp_path / "stricter")
    checkout.change(SCORED, add_rule)
    assert await no_refusal()
    planned = await checkout.signalbox("contracts", "plan")
    assert (planned.status, "RULE_VIOLATED engaged_for_a_reason" in planned.text) == (3, True)

    assert "created     sdr.LeadScored: version 3" in await checkout.done("contracts", "register")
    dead_letter = await eventually(refusal, "the rule holds")
    assert (dead_letter.reason, dead_letter.detail.split(":")[0]) == (
        Reason.RULE_VIOLATED,
        "engaged_for_a_reason",
    )
    good = await operator.post(**lead(4))
    assert await operator.settled([good]) == {good: "scheduled"}

    await checkout.done("contracts", "deregister", SCORED, "--version", "latest", "--yes")
    await eventually(no_refusal, "the rule is gone")
    await checkout.done("dead-letters", "replay", position(dead_letter.record))
    lead_id = (dead_letter.record.key or b"").decode()
    await eventually(lambda: scheduled(operator, lead_id), "the refused lead is scheduled")
    assert pids(stack) == before


async def test_a_version_that_drops_rules_is_refused_unless_that_is_said(
    traffic: Traffic, optional_field: OptionalField, tmp_path: Path
) -> None:
    before = await traffic.versions(SCORED)
    checkout = optional_field.checkout.branch(tmp_path / "laxer")
    checkout.change(SCORED, drop_rules_of_score)

    for command in ("check", "register"):
        told = await checkout.signalbox("contracts", command)
        assert told.status == 1
        assert "rule within_0_and_100" in told.text
        assert "--drop-rules" in told.text
    assert await traffic.versions(SCORED) == before

    await checkout.done("contracts", "register", "--drop-rules")
    (added,) = set(await traffic.versions(SCORED)) - set(before)
    await checkout.done("contracts", "deregister", SCORED, "--version", str(added), "--yes")
    assert await traffic.versions(SCORED) == before


async def test_a_breaking_change_is_stopped_at_lint_at_check_at_register_and_at_deploy(
    stack: Stack, traffic: Traffic, optional_field: OptionalField, tmp_path: Path
) -> None:
    before, running = await traffic.versions(SCORED), stack.process("lead_scoring")
    checkout = optional_field.checkout.branch(tmp_path / "breaking")
    checkout.change(SCORED, add_required_segment)

    lint = await checkout.signalbox("contracts", "lint")
    assert lint.status == 1
    assert "SB106 the field segment was added to sdr.LeadScored without a default" in lint.text
    assert 'Add a default, such as "default": null' in lint.text

    check = await checkout.signalbox("contracts", "check")
    assert check.status == 1
    assert "breaks: segment: " in check.text
    assert "against version 1 (reader active_outreach, reader nurture_campaign" in check.text
    assert "Give the field a default" in check.text

    register = await checkout.signalbox("contracts", "register")
    assert register.status == 1
    assert "refused     sdr.LeadScored: not compatible at FULL_TRANSITIVE" in register.text
    assert "Give the field a default" in register.text
    assert await traffic.versions(SCORED) == before

    await checkout.done("contracts", "generate")
    asked = await checkout.signalbox("can-i-deploy", "lead_scoring")
    assert asked.status == 1
    assert "sdr.LeadScored: the text it was built with is not registered" in asked.text
    assert "Run `signalbox contracts plan`" in asked.text
    with pytest.raises(CommandFailed, match="NO: lead_scoring may not be deployed"):
        await checkout.redeploy("lead_scoring")
    assert stack.process("lead_scoring") == running


async def test_a_breaking_change_is_done_as_a_new_record_type_beside_the_old_one(
    stack: Stack,
    traffic: Traffic,
    producer: Producer,
    flow: LeadFlow,
    optional_field: OptionalField,
    tmp_path: Path,
) -> None:
    operator, orchestrator = traffic.operator, stack.process("orchestrator")
    old = await old_message_for(traffic, "active_outreach", optional_field.old)

    # 1. The new type beside the old one, registered before anybody writes it.
    beside = optional_field.checkout.branch(tmp_path / "beside")
    add_lead_rated(beside)
    for command in ("lint", "check", "generate", "register"):
        await beside.done("contracts", command)

    # 2. The readers first: they take both.
    for reader in READERS:
        take_both(beside, reader)
        await beside.redeploy(reader)

    # 3. Then the writer: it gives the new one. Both are served.
    give_lead_rated(beside)
    await beside.redeploy("lead_scoring")
    new = await operator.post(**lead(5))
    again = sent_again(old)
    await producer.publish(again)
    await traffic.answers(DRAFTED, id_of(again))
    assert await operator.settled([new]) == {new: "scheduled"}
    assert [source_of(record) for record in await traffic.messages(RATED, new)] == ["lead_scoring"]

    # 4. The old one drains: no one writes it any more, and what was written is worked off.
    await flow.settle()
    drained = await traffic.messages(SCORED)
    await flow.settle()
    assert len(await traffic.messages(SCORED)) == len(drained)
    considered = await beside.signalbox("contracts", "deregister", SCORED)
    assert considered.status == 1
    assert "messages of version 1 in agent_messages/" in considered.text
    assert "active_outreach (version 2) was built with it" in considered.text

    # 5. The readers drop it, and it is removed.
    without = beside.branch(tmp_path / "without")
    for reader in READERS:
        take_only_lead_rated(without, reader)
    without.remove_contract(SCORED)
    for command in ("generate", "lint", "check"):
        await without.done("contracts", command)
    for reader in READERS:
        await without.redeploy(reader)
    removed = await without.done("contracts", "deregister", SCORED, "--yes")
    assert "was built with it" not in removed
    assert await traffic.versions(SCORED) == []

    await eventually(partial(refuses_stragglers, traffic, producer, old), "the gate knows the type no more")
    last = await operator.post(**lead(6))
    assert await operator.settled([last]) == {last: "scheduled"}
    assert stack.process("orchestrator") == orchestrator


async def test_no_lead_that_came_in_meanwhile_was_lost_refused_or_scheduled_twice(
    operator: Operator, flow: LeadFlow
) -> None:
    assert await flow.outcome() == flow.expected
    terminal = await operator.terminal_records_of(flow.expected)
    times = {lead_id: len(messages) for lead_id, messages in terminal.items()}
    assert times == {lead_id: int(state == "scheduled") for lead_id, state in flow.expected.items()}


async def some_of_each_kind(flow: LeadFlow) -> bool:
    return len(flow.expected) >= 6


async def refuses_stragglers(traffic: Traffic, producer: Producer, old: Record) -> bool:
    """Send an old message once more; say whether the gate refused it, rather than that no one took it."""
    draft = sent_again(old)
    await producer.publish(draft)
    dead_letter = await traffic.fate(id_of(draft))
    assert dead_letter is not None
    return dead_letter.reason is Reason.INCOMPATIBLE


async def scheduled(operator: Operator, lead_id: str) -> bool:
    return len((await operator.terminal_records_of([lead_id]))[lead_id]) == 1


def pids(stack: Stack) -> dict[str, int]:
    return {process.service: process.pid for process in stack.processes}


def position(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
