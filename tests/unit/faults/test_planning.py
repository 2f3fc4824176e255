"""The workload: leads of each kind, malformed records of each reason, and the same ones again by the seed."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from committed_contracts import schema_text
from history import MARK, End, Way, digest_of
from malformed_examples import load
from planning import Contract, Ingredients, Planned, plan
from signalbox.avro import parse
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft

ROOT = Path(__file__).resolve().parents[3]
GATES_REASONS = set(list(Reason)[:9])


@pytest.fixture
def ingredients() -> Ingredients:
    """What a registry would have been asked for; the malformed records' values stand for the real ones."""
    examples = load(ROOT / "examples" / "malformed")
    headers = (("ce_id", b"malformed-x"), ("ce_correlationid", b"5f0f5c0e-0000-4000-8000-000000000001"))
    drafts = [Draft("agent_messages", b"lead-malformed", one.name.encode(), headers) for one in examples]
    return Ingredients(
        Contract(SchemaId(1), parse(schema_text("sdr.LeadCaptured"))),
        Contract(SchemaId(2), parse(schema_text("sdr.LeadProfiled"))),
        list(zip(examples, drafts, strict=True)),
    )


def planned(ingredients: Ingredients, count: int = 200, seed: int = 5) -> list[Planned]:
    return plan(count, random.Random(seed), "run", ingredients)


def test_one_in_ten_is_malformed_and_there_is_one_of_each_reason_even_among_few(
    ingredients: Ingredients,
) -> None:
    wrong = [one.sending for one in planned(ingredients, 90) if one.sending.way is Way.MALFORMED]

    assert len(wrong) == 9
    assert {one.reason for one in wrong} == GATES_REASONS


def test_leads_come_in_every_way_and_come_to_every_end(ingredients: Ingredients) -> None:
    good = [one.sending for one in planned(ingredients) if one.sending.way is not Way.MALFORMED]

    assert {one.way for one in good} == {Way.API, Way.FOREIGN, Way.MESSAGES}
    assert {one.end for one in good} == {End.SCHEDULED, End.ENDED}
    assert any(one.asks_for for one in good)
    assert any(one.times > 1 for one in good if one.way is Way.FOREIGN)
    assert max(Counter(one.lead_id for one in good).values()) == 1


def test_the_same_seed_plans_the_same_and_another_one_does_not(ingredients: Ingredients) -> None:
    def sent(seed: int) -> list[tuple[int, str, str]]:
        return [(p.sending.number, p.sending.way, p.sending.asks_for) for p in planned(ingredients, 60, seed)]

    assert sent(1) == sent(1)
    assert sent(1) != sent(2)


def test_a_record_names_its_line_and_its_digest_is_that_of_its_bytes(
    ingredients: Ingredients,
) -> None:
    for one in planned(ingredients):
        for draft in one.drafts:
            assert dict(draft.headers)[MARK] == str(one.sending.number).encode()
        if one.drafts:
            first = one.drafts[0]
            assert one.sending.digest == digest_of(first.key, first.value, first.headers)
            assert one.sending.topic == first.topic


def test_malformed_records_have_ids_of_their_own_and_some_claim_a_good_leads_workflow(
    ingredients: Ingredients,
) -> None:
    wrong = [one for one in planned(ingredients) if one.sending.way is Way.MALFORMED]
    good = {one.sending.lead_id for one in planned(ingredients) if one.sending.captured}
    claimed = {one.sending.lead_id for one in wrong} - {""}

    assert len({dict(one.drafts[0].headers)["ce_id"] for one in wrong}) == len(wrong)
    assert claimed
    assert claimed <= good


def test_companies_have_the_website_that_stands(ingredients: Ingredients) -> None:
    with_pages = replace(ingredients, website="http://127.0.0.1:9")
    fields = [one.fields for one in plan(60, random.Random(5), "5", with_pages) if one.fields]
    assert fields
    assert all(one["company_website"].startswith("http://127.0.0.1:9/") for one in fields)
    assert not any("company_website" in one.fields for one in planned(ingredients, 60) if one.fields)
