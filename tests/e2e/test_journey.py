"""A lead goes from the form to a scheduled campaign, and everybody can see how."""

import asyncio
import sqlite3
from contextlib import closing
from email import policy
from email.parser import BytesParser
from pathlib import Path

from operating import FINAL, ModelCalls, Operator, lead
from signalbox.protocol.names import AGENT_MESSAGES


async def test_a_posted_lead_is_scheduled_and_its_timeline_tells_the_whole_journey(
    operator: Operator, model_calls: ModelCalls
) -> None:
    lead_id = await operator.post(**lead(1))
    assert await operator.settled([lead_id]) == {lead_id: "scheduled"}

    timeline = (await operator.journey(lead_id))["timeline"]
    stages = [entry["stage"] for entry in timeline]
    assert stages == ["captured", *["gated", "routed", "handled"] * 4, "scheduled"]
    handled_by = [entry["agent"] for entry in timeline if entry["stage"] == "handled"]
    assert handled_by[:2] == ["lead_ingestion", "lead_scoring"]
    assert handled_by[2] in {"active_outreach", "nurture_campaign"}
    assert handled_by[3] == "send_email"
    for entry in timeline:
        if entry["stage"] == "routed":
            assert entry["agent"] in entry["detail"]["candidates"]
            assert entry["detail"]["reason"]
            assert any(call["task"] == "route" for call in model_calls.of([entry["message_id"]]))


async def test_the_statuses_of_all_captured_leads_add_up_and_the_topics_have_each_stored_lead(
    operator: Operator,
) -> None:
    before = await operator.stats()
    good = await operator.post_many(20, first=100)
    poor = [
        await operator.post(
            **lead(
                200 + number,
                job_title="Student",
                email=f"s{number}@gmail.com",
                project_description="I need material for my thesis, I am not buying anything.",
            )
        )
        for number in range(5)
    ]
    states = await operator.settled([*good, *poor])
    assert set(states.values()) <= FINAL

    after = await operator.stats()
    gained = {name: after[name] - before[name] for name in after}
    assert gained["captured"] == 25
    assert gained["scheduled"] + gained["ended"] + gained["dead_lettered"] + gained["in_flight"] == 25
    assert gained["in_flight"] == gained["dead_lettered"] == gained["refused_at_intake"] == 0

    captured = {
        (record.key or b"").decode(errors="replace")
        for record in await operator.records(AGENT_MESSAGES)
        if record.header("ce_type") == b"sdr.LeadCaptured"
    }
    assert stored_leads(operator.stack.run_dir) >= {*good, *poor}
    assert captured >= {*good, *poor}
    scheduled = [lead_id for lead_id, state in states.items() if state == "scheduled"]
    terminal = await operator.terminal_records_of(scheduled)
    assert all(len(messages) == 1 for messages in terminal.values())


async def test_every_mail_goes_to_its_leads_own_address(operator: Operator) -> None:
    addresses = [f"ada.{300 + number}@ferrum.example" for number in range(5)]
    leads = {await operator.post(**lead(300 + number)): addresses[number] for number in range(5)}
    await operator.settled(list(leads))

    outbox = operator.stack.run_dir / "data" / "send_email" / "outbox"
    async with asyncio.timeout(30):
        while not set(addresses) <= set(recipients(outbox)):
            await asyncio.sleep(0.1)
    scheduled = [mail for mail in scheduled_mails(operator.stack.run_dir) if mail[0] in leads]
    assert len(scheduled) >= len(leads)
    assert all(recipient == leads[lead_id] for lead_id, recipient in scheduled)


def recipients(outbox: Path) -> list[str]:
    parser = BytesParser(policy=policy.default)
    mails = [parser.parsebytes(path.read_bytes()) for path in outbox.rglob("*.eml")]
    return [address.addr_spec for mail in mails for address in mail["To"].addresses]


def stored_leads(run_dir: Path) -> set[str]:
    with closing(sqlite3.connect(run_dir / "data" / "lead_capture" / "leads.db")) as store:
        return {row[0] for row in store.execute("SELECT lead_id FROM leads")}


def scheduled_mails(run_dir: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(run_dir / "data" / "send_email" / "schedule.db")) as store:
        return list(store.execute("SELECT lead_id, recipient FROM mails"))
