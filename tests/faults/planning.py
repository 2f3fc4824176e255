"""What the workload will send: leads of every kind, malformed records of every reason, all by one seed."""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any, Final, TypeAlias

from history import MARK, End, Sending, Way, digest_of
from malformed_examples import MalformedExample
from signalbox.avro import ParsedSchema, encode
from signalbox.protocol.envelope import correlation_id_of, derived_id
from signalbox.protocol.names import AGENT_MESSAGES, INCOMING_LEADS, Headers, LeadId, SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft
from traffic_kinds import KINDS, LeadKind, asking_for

MALFORMED_SHARE: Final = 0.1
_WAYS: Final = {Way.API: 0.7, Way.FOREIGN: 0.26, Way.MESSAGES: 0.04}
_ASKING_SHARE: Final = 0.1
_REDELIVERED_SHARE: Final = 0.15
_CLAIMING_SHARE: Final = 0.3
_BURST: Final = 3

_ANY_TOPIC: Final = frozenset({Reason.NOT_FRAMED, Reason.UNKNOWN_SCHEMA, Reason.NOT_ADMITTED})
"""What is refused on ``incoming_leads`` for the same reason as on ``agent_messages``."""
_SIZE_LIMIT: Final = 256 * 1024
_EXAMPLE_KEY: Final = b"lead-malformed"


Example: TypeAlias = tuple[MalformedExample, Draft]
"""A malformed example, and the record that it makes with this registry."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A thing to send: ``fields`` for the API, or ``drafts`` for a topic."""

    sending: Sending
    fields: Mapping[str, Any] | None = None
    drafts: tuple[Draft, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """Under which id and how a foreign producer writes a record type."""

    schema_id: SchemaId
    schema: ParsedSchema


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What the registry had to be asked for, and the website that leads' companies have."""

    captured: Contract
    profiled: Contract
    malformed: Sequence[Example]
    website: str = ""


def plan(count: int, rng: random.Random, run: str, ingredients: Ingredients) -> list[Planned]:
    """Plan ``count`` things to send, shuffled; ``run`` makes the lead ids of this run its own."""
    bad = max(round(count * MALFORMED_SHARE), 1)
    good = [_good(number, rng, run, ingredients) for number in range(count - bad)]
    victims = [one.sending.lead_id for one in good if one.sending.captured]
    examples = islice(cycle(_every_reason_first(ingredients.malformed, rng)), bad)
    wrong = [
        _malformed(count - bad + place, *example, rng, run, victims) for place, example in enumerate(examples)
    ]
    planned = [*good, *wrong]
    rng.shuffle(planned)
    return planned


def _every_reason_first(examples: Sequence[Example], rng: random.Random) -> list[Example]:
    """Shuffle the examples so that even a few of them have every reason."""
    shuffled = rng.sample(examples, len(examples))
    seen: Counter[Reason] = Counter()
    rank = {}
    for example, _ in shuffled:
        rank[example.name] = seen[example.expected.reason]
        seen[example.expected.reason] += 1
    return sorted(shuffled, key=lambda one: rank[one[0].name])


def _good(number: int, rng: random.Random, run: str, ingredients: Ingredients) -> Planned:
    kind = rng.choices(KINDS, weights=[kind.weight for kind in KINDS])[0]
    way = rng.choices(list(_WAYS), weights=list(_WAYS.values()))[0]
    lead_id = f"fault-{run}-{number}"
    fields = {**kind.fields(number), "lead_id": lead_id}
    if ingredients.website:
        fields["company_website"] = f"{ingredients.website}/{number}"
    asks_for = ""
    if rng.random() < _ASKING_SHARE:
        asks_for = rng.choice(kind.strangers)
        fields["project_description"] = f"{fields['project_description']} {asking_for(asks_for)}"
    sending = Sending(number, way, kind.end, lead_id, asks_for=asks_for)
    if way is Way.API:
        return Planned(sending, fields=fields)
    if way is Way.FOREIGN:
        return _foreign(sending, fields, rng, ingredients.captured)
    return _burst(sending, kind, fields, ingredients.profiled)


def _foreign(sending: Sending, fields: Mapping[str, Any], rng: random.Random, contract: Contract) -> Planned:
    value = encode(contract.schema_id, contract.schema, {"lead": _datum(fields)})
    draft = _marked(Draft(INCOMING_LEADS, sending.lead_id.encode(), value), sending.number)
    times = 1 + (rng.random() < _REDELIVERED_SHARE)
    return Planned(_written(sending, draft, times), drafts=(draft,) * times)


def _burst(sending: Sending, kind: LeadKind, fields: Mapping[str, Any], contract: Contract) -> Planned:
    """Several messages of one workflow at once: they have to stay in order, and to end in one schedule."""
    value = encode(contract.schema_id, contract.schema, {"lead": _datum(fields), "report": kind.report})
    workflow = correlation_id_of(LeadId(sending.lead_id))
    drafts = [
        Draft(AGENT_MESSAGES, sending.lead_id.encode(), value, _attributes(workflow, ordinal))
        for ordinal in range(_BURST)
    ]
    marked = tuple(_marked(draft, sending.number) for draft in drafts)
    return Planned(_written(sending, marked[0], _BURST), drafts=marked)


def _attributes(workflow: str, ordinal: int) -> Headers:
    said = {
        "ce_specversion": "1.0",
        "ce_id": derived_id(workflow, "burst", str(ordinal)),
        "ce_source": "fault-tests",
        "ce_type": "sdr.LeadProfiled",
        "ce_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "ce_correlationid": workflow,
        "ce_hop": "1",
    }
    return tuple((name, value.encode()) for name, value in said.items())


def _malformed(
    number: int,
    example: MalformedExample,
    draft: Draft,
    rng: random.Random,
    run: str,
    victims: Sequence[str],
) -> Planned:
    """Give an example a key and an id of its own; some claim to belong to a good lead's workflow."""
    own = f"fault-{run}-{number}"
    oversized = len(draft.value or b"") > _SIZE_LIMIT
    # A verdict that names a field is about what agent_messages alone demands.
    anywhere = example.expected.reason in _ANY_TOPIC and not example.expected.field
    movable = oversized or anywhere or draft.key is None
    topic = INCOMING_LEADS if movable and rng.random() < _CLAIMING_SHARE else draft.topic
    readable = draft.key == _EXAMPLE_KEY and draft.topic == AGENT_MESSAGES
    claims = readable and topic == AGENT_MESSAGES and victims and rng.random() < _CLAIMING_SHARE
    lead_id = rng.choice(victims) if claims else own
    changed = {
        "ce_id": f"{own}-malformed".encode(),
        "ce_correlationid": correlation_id_of(LeadId(lead_id)).encode(),
    }
    headers = tuple(
        (name, changed[name] if name in changed and _is_plain(value) else value)
        for name, value in draft.headers
    )
    key = lead_id.encode() if draft.key == _EXAMPLE_KEY else draft.key
    renamed = _marked(replace(draft, topic=topic, key=key, headers=headers), number)
    expected = example.expected
    sending = Sending(
        number,
        Way.MALFORMED,
        End.REJECTED,
        lead_id if claims else "",
        example=example.name,
        reason=expected.reason.value,
        field=expected.field,
    )
    return Planned(_written(sending, renamed, 1), drafts=(renamed,))


def _written(sending: Sending, draft: Draft, times: int) -> Sending:
    digest = digest_of(draft.key, draft.value, draft.headers)
    return replace(sending, times=times, topic=draft.topic, digest=digest)


def _marked(draft: Draft, number: int) -> Draft:
    return replace(draft, headers=(*draft.headers, (MARK, str(number).encode())))


def _is_plain(value: bytes | None) -> bool:
    return value is not None and value.isascii() and 0 < len(value) < 100


def _datum(fields: Mapping[str, Any]) -> dict[str, Any]:
    optional = {"company_website": None, "project_description": None}
    return {**optional, **fields, "captured_at": int(time.time() * 1000)}
