"""Data rules, with confluent-kafka's own validator as the oracle of their meaning."""

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka.schema_registry.common.avro import validate_message
from confluent_kafka.schema_registry.rules.cel.cel_validator import CelValidator
from google.protobuf.wrappers_pb2 import BytesValue

from signalbox.avro import parse
from signalbox.gate import Condition, Rules, redacted
from signalbox.gate.cel import Binding, Expression, Unreadable, counted_states, timestamp
from signalbox.gate.pii import personal_values, pii_paths
from signalbox.gate.record_rules import Work
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.reasons import Reason


def field(name: str, kind: Any, *expressions: str, **more: Any) -> dict[str, Any]:
    rules = [{"name": f"{name}_{index}", "doc": "", "expr": text} for index, text in enumerate(expressions)]
    return {"name": name, "type": kind, "confluent:rules": rules, **more}


def record(*fields: dict[str, Any], name: str = "R", rules: tuple[str, ...] = ()) -> dict[str, Any]:
    declared = [{"name": f"{name}_{index}", "expr": text} for index, text in enumerate(rules)]
    return {"type": "record", "name": name, "fields": list(fields), "confluent:rules": declared}


MAIL = record(
    field("to", "string", "this.contains('@')"),
    field("hours", "int"),
    name="Mail",
    rules=("this.hours >= 0",),
)
SCHEMA = record(
    field("score", "int", "this >= 0 && this <= 100"),
    field("website", ["null", "string"], "this.startsWith('https://')"),
    field("note", "string", "this == '' ? '' : 'the note is not empty: ' + this"),
    field("mail", ["null", MAIL]),
    field("mails", {"type": "array", "items": "Mail"}, "size(this) < 4"),
    field("by_day", {"type": "map", "values": "Mail"}),
    field("either", ["null", "string", "Mail", {"type": "array", "items": "Mail"}]),
    rules=("this.score < 90 || size(this.mails) > 0", "this.mails.all(mail, mail.hours < 100)"),
)
GOOD: dict[str, Any] = {
    "score": 5,
    "website": None,
    "note": "",
    "mail": None,
    "mails": [],
    "by_day": {},
    "either": None,
}


def mail(to: str = "a@b", hours: int = 1) -> dict[str, Any]:
    return {"to": to, "hours": hours}


CASES = [
    {},
    {"score": 101},
    {"score": -1},
    {"score": 90},
    {"score": 90, "mails": [mail()]},
    {"website": "https://x"},
    {"website": "ftp://x"},
    {"note": "why"},
    {"mail": mail()},
    {"mail": mail(to="nobody")},
    {"mail": mail(hours=-1)},
    {"mails": [mail(), mail("nobody")]},
    {"mails": [mail()] * 4},
    {"mails": [mail(hours=100)]},
    {"by_day": {"mon": mail(), "tue": mail(hours=-1)}},
    {"either": "text"},
    {"either": mail("nobody")},
    {"either": [mail(), mail(hours=-3)]},
]


def refusal_of(schema: dict[str, Any], datum: dict[str, Any]) -> Refusal | None:
    try:
        Rules(parse(json.dumps(schema))).check(datum)
    except Refusal as refusal:
        assert refusal.reason is Reason.RULE_VIOLATED
        return refusal
    return None


def expanded(schema: Any, known: dict[str, Any]) -> Any:
    """Put each named type where its name is: the oracle does not follow names."""
    match schema:
        case str():
            return known.get(schema, schema)
        case list():
            return [expanded(branch, known) for branch in schema]
        case {"type": "record"}:
            fields = [{**each, "type": expanded(each["type"], known)} for each in schema["fields"]]
            return known.setdefault(schema["name"], {**schema, "fields": fields})
        case {"type": "array"}:
            return {**schema, "items": expanded(schema["items"], known)}
        case {"type": "map"}:
            return {**schema, "values": expanded(schema["values"], known)}
        case _:
            return schema


@pytest.mark.parametrize("changes", CASES, ids=str)
def test_a_rule_is_violated_just_where_confluents_validator_says_so(changes: dict[str, Any]) -> None:
    datum = {**GOOD, **changes}
    oracle = validate_message(CelValidator(), expanded(SCHEMA, {}), datum)
    refusal = refusal_of(SCHEMA, datum)
    if refusal is None:
        assert not oracle
    else:
        name = refusal.detail.partition(":")[0]
        assert (name, refusal.field) in {(each.rule.name, each.field_path) for each in oracle}


def test_what_a_rule_says_of_the_violation_is_told() -> None:
    refusal = refusal_of(SCHEMA, {**GOOD, "note": "why"})
    assert refusal is not None
    assert refusal.detail == "note_0: the note is not empty: why"


def test_a_rule_that_cannot_be_evaluated_is_violated_with_a_detail_of_its_own() -> None:
    refusal = refusal_of(record(field("a", "int", "1 / this > 0")), {"a": 0})
    assert refusal is not None
    assert refusal.detail.startswith("a_0: could not be evaluated: ")
    assert "divide by zero" in refusal.detail


def test_a_rule_that_gives_neither_bool_nor_text_is_violated() -> None:
    refusal = refusal_of(record(field("a", "int", "this + 1")), {"a": 0})
    assert refusal is not None
    assert "neither bool nor string" in refusal.detail


NUL_RULE = "this.matches('^[a-z@.]+$')"
ATTACK = "good@x.example\0evil"


def test_a_text_with_nul_is_refused_since_the_evaluator_sees_only_what_is_before_it() -> None:
    from cel_expr_python import cel

    program = cel.NewEnv(variables={"this": cel.Type.DYN}).compile(NUL_RULE)
    assert program.eval(data={"this": ATTACK}).value() is True  # the attack: the evaluator lets it pass

    refusal = refusal_of(record(field("a", "string", NUL_RULE)), {"a": ATTACK})
    assert refusal is not None
    assert (refusal.field, "U+0000" in refusal.detail) == ("a", True)


@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        ({"type": "array", "items": "string"}, ["a", "b\0"], "a[1]"),
        ({"type": "map", "values": "string"}, {"k": "\0"}, 'a["k"]'),
        ({"type": "map", "values": "string"}, {"k\0": ""}, "a"),
    ],
)
def test_a_nul_is_found_wherever_a_rule_could_read_it(kind: Any, value: Any, place: str) -> None:
    for schema in (
        record(field("a", kind, "size(this) > 0")),
        record(field("a", kind), rules=("size(this.a) > 0",)),
    ):
        refusal = refusal_of(schema, {"a": value})
        assert refusal is not None
        assert refusal.field == place


def test_what_can_not_be_shown_to_a_rule_is_told_with_its_place() -> None:
    nul = "rules can't be checked: a text holds U+0000, behind which rules are blind"
    for value, place, told in (
        ({"a": ["x", "\0"]}, "it.a[1]", nul),
        ({"a": {"b": ["\0"]}}, 'it.a["b"][0]', nul),
        ({"a": {1, 2}}, "it.a", "rules can't be checked: a set can't be shown to a rule"),
    ):
        schema = record(field("it", record(field("a", "string", "this == this"), name="Inner")))
        refusal = refusal_of(schema, {"it": value})
        assert refusal is not None
        assert (refusal.field, refusal.detail) == (place, told)


def test_what_is_bound_is_counted_with_all_that_is_inside_it() -> None:
    binding = Binding()
    assert binding.bind({"a": ["xy", b"abc", 1, None, {"key": b"a\0"}]})["a"][:4] == ["xy", b"abc", 1, None]
    assert (binding.values, binding.characters, binding.longest) == (8, 11, 3)
    binding.bind("four")
    assert Binding.total([binding, Binding(2, 40, 30), Binding(1, 5, 5)]) == Binding(12, 60, 30)


def test_a_text_with_nul_is_bound_as_bytes_alone() -> None:
    assert Binding().bind(b"a\0b") == BytesValue(value=b"a\0b")
    for given in ("a\0", ["\0"], {"\0": 1}):
        with pytest.raises(Unreadable):
            Binding().bind(given)


def test_a_time_without_a_zone_is_taken_as_utc_and_one_with_a_zone_is_converted() -> None:
    there = timezone(timedelta(hours=2))
    for moment in (datetime(2026, 1, 1, 7), datetime(2026, 1, 1, 9, tzinfo=there)):
        assert Binding().bind(moment).ToDatetime() == datetime(2026, 1, 1, 7)


@pytest.mark.parametrize(
    ("value", "seconds", "nanos"),
    [(time(0, 0, 1), 1, 0), (time(0, 1), 60, 0), (time(1, 2, 3, 4), 3_723, 4_000)],
)
def test_a_time_of_day_is_the_duration_since_midnight(value: time, seconds: int, nanos: int) -> None:
    bound = Binding().bind(value)
    assert (bound.seconds, bound.nanos) == (seconds, nanos)


def test_a_budget_may_be_used_up_and_not_exceeded() -> None:
    work = Work(timestamp(datetime.now(UTC)), left=100)
    work.charge(100, None)
    with pytest.raises(Refusal) as told:
        work.charge(1, ((None, ".mails[2]"), ".to"))
    assert (told.value.reason, told.value.detail, told.value.field) == (
        Reason.RULE_VIOLATED,
        "its rules would take too long on a record of its size",
        "mails[2].to",
    )


@pytest.mark.parametrize(
    ("expression", "members", "size", "nanoseconds"),
    [
        ("true", 1, Binding(), 3_000 + 50),
        ("this > 0", 1, Binding(values=1), 3_000 + 400 + 3 * 50),
        ("this > 0", 9, Binding(values=9), 3_000 + 9 * 400 + 9 * 3 * 50),
        ("this.contains('x')", 1, Binding(1, 100, 100), 3_000 + 400 + 7 * 50 + 100),
        ("this + 'abc' == ''", 2, Binding(2, 100, 60), 3_000 + 800 + 2 * 8 * 50 + 100 * 8),
        ("this.matches('^a{5}$')", 1, Binding(1, 10, 10), 3_000 + 400 + 7 * 50 + 7_000 + 10 * (4 + 13 * 7)),
        ("this.all(x, x > 0)", 2, Binding(7, 0, 0), 3_000 + 7 * 400 + 2 * 7 * 10 * 50),
        ("this.all(x, x > 0)", 1, Binding(), 3_000 + 10 * 50),
        ("this.all(x, x.size() > 0)", 1, Binding(3, 12, 9), 3_000 + 3 * 400 + 3 * (14 * 50 + 9)),
        ("this.all(x, this.all(y, x > y))", 1, Binding(3), 3_000 + 3 * 400 + 9 * 17 * 50),
        ("this.all(x, this.all(y, x > y))", 1, Binding(200), 3_000 + 200 * 400 + 10_000 * 17 * 50),
    ],
)
def test_what_a_rule_costs_follows_from_its_text_and_from_what_it_is_given(
    expression: str, members: int, size: Binding, nanoseconds: int
) -> None:
    assert Expression(expression).cost(members, size) == nanoseconds


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"name": "big", "doc": "It is big.", "expr": "this.a > 5"}, "big: It is big."),
        ({"name": "big", "expr": "this.a > 5"}, "big: this.a > 5"),
        ({"expr": "this.a > 5", "doc": "It is big."}, "unnamed: It is big."),
        ({"name": "big", "doc": "It is big.", "expr": "this.a > 5 ? '' : 'too small'"}, "big: too small"),
        ({"name": "big", "doc": None, "expr": "'' + string(this.a)"}, "big: 1"),
    ],
)
def test_a_violation_is_told_by_the_rules_name_and_what_it_says_or_else_what_it_demands(
    rule: dict[str, Any], told: str
) -> None:
    refusal = refusal_of({**record(field("a", "int")), "confluent:rules": [rule]}, {"a": 1})
    assert refusal is not None
    assert (refusal.detail, refusal.field) == (told, "")


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"expr": "true"}, "confluent:rules of {} is no list"),
        ([{"name": "x"}], "{}: a rule is an object with name, doc and expr"),
        ([{"name": "x", "expr": 5}], "{}: a rule is an object with name, doc and expr"),
        ([{"name": "x", "expr": "this >"}], "{}, rule x: the rule 'this >' does not compile: "),
        ([{"expr": "this >"}], "{}, rule unnamed: the rule 'this >' does not compile: "),
        (
            [{"name": "x", "expr": "this.matches(this)"}],
            "{}, rule x: the rule 'this.matches(this)' calls matches() with what is no literal:"
            " text.matches('…')",
        ),
        (
            [{"name": "x", "expr": "this.matches('(')"}],
            "{}, rule x: the regular expression '(' does not compile: ",
        ),
    ],
)
def test_a_rule_that_can_not_be_used_is_named_with_its_place(rules: Any, told: str) -> None:
    of_record = {**record(name="R"), "confluent:rules": rules}
    of_field = record({"name": "a", "type": "string", "confluent:rules": rules})
    for schema, place in ((of_record, "R"), (of_field, "R.a")):
        with pytest.raises(ConfigurationError) as refused:
            Rules(parse(json.dumps(schema)))
        assert str(refused.value).startswith(told.format(place))


def test_a_nul_that_no_rule_reads_is_nobodys_business() -> None:
    assert (
        refusal_of(record(field("a", "string"), field("b", "int", "this > 0")), {"a": "\0", "b": 1}) is None
    )


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        (b"a\0b", "size(this) == 3 && this == b'a\\x00b'"),
        (datetime(2026, 1, 1, tzinfo=UTC), "this < now && this > timestamp('2025-12-31T00:00:00Z')"),
        (datetime(2026, 1, 1, 0, 0), "this == timestamp('2026-01-01T00:00:00Z')"),
        (date(1970, 1, 3), "this == 2"),
        (time(1, 0, 0), "this == duration('1h')"),
        (Decimal("1.5"), "this == 1.5"),
        (UUID(int=10), "this == '00000000-0000-0000-0000-00000000000a'"),
        (2**63 - 1, "this == 9223372036854775807"),
        (1.5, "this > 1.0"),
        (True, "this"),
        ([1, [2]], "this[1][0] == 2"),
        ({"a": None}, "this.a == null"),
    ],
)
def test_every_decoded_type_can_be_ruled_on(value: Any, expression: str) -> None:
    assert refusal_of(record(field("a", "string", expression)), {"a": value}) is None
    assert (
        refusal_of(record(field("a", "string"), rules=(f"[this.a].all(this, {expression})",)), {"a": value})
        is None
    )


def test_a_rule_may_end_with_a_comment() -> None:
    schema = record(field("a", "int", "this > 0 // positive"), field("b", "int", "this > 0"))
    assert refusal_of(schema, {"a": 1, "b": 1}) is None
    assert refusal_of(schema, {"a": 1, "b": 0}) is not None


@pytest.mark.parametrize(
    "expression",
    [
        "this >",
        "this > 0) || (true",
        "nonsense(this)",
        "this.matches('(')",
        "this.matches(this)",
        "other > 0",
        "",
    ],
)
def test_a_rule_that_does_not_compile_makes_its_contract_unusable(expression: str) -> None:
    with pytest.raises(ConfigurationError):
        Rules(parse(json.dumps(record(field("a", "string", expression)))))


@pytest.mark.parametrize("rules", [{"expr": "true"}, ["true"], [{"name": "x"}], [{"expr": 5}]])
def test_rules_that_are_malformed_make_their_contract_unusable(rules: Any) -> None:
    with pytest.raises(ConfigurationError):
        Rules(parse(json.dumps({**record(), "confluent:rules": rules})))


def test_many_small_records_are_checked_and_the_one_that_fails_is_found() -> None:
    schema = record(field("mails", {"type": "array", "items": MAIL}))
    mails = [mail() for _ in range(3_000)]
    assert refusal_of(schema, {"mails": mails}) is None
    mails[2_876] = mail("nobody")
    refusal = refusal_of(schema, {"mails": mails})
    assert refusal is not None
    assert (refusal.field, refusal.detail.partition(":")[0]) == ("mails[2876].to", "to_0")


def test_rules_that_would_take_too_long_are_violated_rather_than_waited_for() -> None:
    # Four seconds, if it were evaluated.
    explosive = record(field("a", "string", r"this.matches('((([ab]?){10}){10}){10}[ab]*a[ab]{30}c')"))
    refusal = refusal_of(explosive, {"a": "ab" * 128 * 1024})
    assert refusal is not None
    assert "too long" in refusal.detail
    growing = record(
        field("a", {"type": "array", "items": "string"}, "this.all(x, this.all(y, (x + y + x) != 'z'))")
    )
    assert refusal_of(growing, {"a": ["ab" * 10] * 9_000}) is not None


# Both hold, and cost some thousand nanoseconds a record; the first for many records together.
TOGETHER = " && ".join(["this >= 0"] * 8)
ALONE = "this >= 0 ? '' : 'it is below zero'"


def numbers(expression: str, name: str) -> dict[str, Any]:
    return {"type": "array", "items": record(field("number", "int", expression), name=name)}


@pytest.mark.parametrize(
    ("expression", "few", "many"),
    [(TOGETHER, 3_000, 9_000), (ALONE, 1_000, 9_000)],
    ids=["rules that are evaluated together", "a rule that is evaluated for each"],
)
def test_what_rules_cost_adds_up_over_the_records_of_a_message(expression: str, few: int, many: int) -> None:
    schema = record(field("one", numbers(expression, "One")))
    assert refusal_of(schema, {"one": [{"number": 1}] * few}) is None
    refusal = refusal_of(schema, {"one": [{"number": 1}] * many})
    assert refusal is not None
    assert "too long" in refusal.detail


def test_the_record_types_of_a_message_share_what_its_rules_may_cost() -> None:
    schema = record(field("one", numbers(TOGETHER, "One")), field("other", numbers(TOGETHER, "Other")))
    some, none = [{"number": 1}] * 2_500, list[Any]()
    assert refusal_of(schema, {"one": some, "other": none}) is None
    assert refusal_of(schema, {"one": none, "other": some}) is None
    refusal = refusal_of(schema, {"one": some, "other": some})
    assert refusal is not None
    assert "too long" in refusal.detail


def test_a_loop_inside_a_loop_is_charged_for_each_pair() -> None:
    texts = {"type": "array", "items": "string"}
    schema = record(field("a", texts, "this.all(x, this.all(y, (x + y + x) != 'z'))"))
    assert refusal_of(schema, {"a": ["ab" * 10] * 30}) is None
    refusal = refusal_of(schema, {"a": ["ab" * 10] * 90})
    assert refusal is not None
    assert "too long" in refusal.detail


def test_a_loop_is_charged_for_the_longest_text_that_its_rule_reads() -> None:
    texts = {"type": "array", "items": "string"}
    schema = record(
        field("text", "string"),
        field("parts", texts),
        rules=("this.parts.all(part, this.text.contains(part))",),
    )
    assert refusal_of(schema, {"text": "x" * 1_000, "parts": ["x"] * 200}) is None
    refusal = refusal_of(schema, {"text": "x" * 100_000, "parts": ["x"] * 200})
    assert refusal is not None
    assert "too long" in refusal.detail


def test_a_condition_that_would_take_too_long_does_not_hold() -> None:
    counted = Condition("this.a.matches('^[ab]{1,1000}$')")
    assert counted.holds({"a": "ab"})
    assert not counted.holds({"a": "ab" * 500})


@pytest.mark.parametrize(
    ("pattern", "states"),
    [
        ("^[^@]+@[^@]+$", 0),
        (r"\x{1680}\p{Lu}", 0),
        ("a{3}", 3),
        ("(ab{2}){10}", 30),
        ("[0-9]{4}-[0-9]{2}", 7),
        ("(a?){1,30}", 60),
        ("((a{10}){10}){10}", 1_000),
        (r"\{3\}", 0),
        ("[{3}]", 0),
    ],
)
def test_counted_repetitions_unfold_to_states(pattern: str, states: int) -> None:
    assert counted_states(pattern) == states


def test_a_condition_holds_or_does_not_and_never_raises() -> None:
    wants = Condition("this.next_step != 'DISQUALIFY'")
    assert wants.holds({"next_step": "NURTURE"})
    assert not wants.holds({"next_step": "DISQUALIFY"})
    assert not wants.holds({})
    assert not wants.holds({"next_step": "\0"})
    assert not Condition("this.a").holds({"a": "text"})


def test_a_condition_knows_what_time_it_is() -> None:
    assert Condition("now > timestamp('2026-01-01T00:00:00Z')").holds({})
    assert not Condition("now > timestamp('2999-01-01T00:00:00Z')").holds({})


@pytest.mark.parametrize("expression", ["this >", "'text'", "1 + 1"])
def test_a_condition_that_can_give_no_bool_is_refused(expression: str) -> None:
    with pytest.raises(ConfigurationError):
        Condition(expression)


def test_personal_data_is_redacted_wherever_it_is_tagged() -> None:
    tags = {"confluent:tags": ["PII"]}
    person = record(
        field("name", "string", **tags),
        field("age", "int"),
        field("mail", ["null", "string"], **tags),
        name="P",
    )
    schema = record(
        field("person", person),
        field("others", {"type": "array", "items": ["null", "P"]}),
        field("by_role", {"type": "map", "values": "P"}),
        field("names", {"type": "array", "items": "string"}, **tags),
    )
    ada = {"name": "Ada", "age": 36, "mail": None}
    hidden = {"name": "•••", "age": 36, "mail": None}
    datum = {"person": ada, "others": [None, ada], "by_role": {"cto": ada}, "names": ["Ada"]}
    shown = redacted(parse(json.dumps(schema)), datum)
    assert shown == {"person": hidden, "others": [None, hidden], "by_role": {"cto": hidden}, "names": "•••"}
    assert datum["person"] == ada


def test_each_tagged_place_has_its_path_and_what_is_inside_a_tagged_place_has_none_of_its_own() -> None:
    tags = {"confluent:tags": ["PII"]}
    person = record(field("name", "string", **tags), field("age", "int"), name="P")
    schema = record(
        field("person", ["null", person]),
        field("others", {"type": "array", "items": "P"}),
        field("by_role", {"type": "map", "values": "P"}),
        field("hidden", "P", **tags),
        field("note", "string", **{"confluent:tags": ["INTERNAL"]}),
    )
    assert pii_paths(parse(json.dumps(schema))) == {
        "person.name",
        "others[].name",
        "by_role{}.name",
        "hidden",
    }


def test_a_whole_record_can_be_personal() -> None:
    secret = {**record(field("code", "string"), name="S"), "confluent:tags": ["PII"]}
    schema = parse(json.dumps(record(field("inner", secret), field("more", {"type": "array", "items": "S"}))))
    assert pii_paths(schema) == {"inner", "more[]"}
    datum = {"inner": {"code": "a"}, "more": [{"code": "b"}]}
    assert redacted(schema, datum) == {"inner": "•••", "more": ["•••"]}
    assert personal_values(schema, datum) == ["a", "b"]


def test_of_a_record_that_is_personal_as_a_whole_the_names_of_its_fields_are_shown_alone() -> None:
    schema = {**record(field("code", "string"), field("age", "int"), name="S"), "confluent:tags": ["PII"]}
    datum = {"code": "a", "age": None}
    assert redacted(parse(json.dumps(schema)), datum) == {"code": "•••", "age": "•••"}
    assert personal_values(parse(json.dumps(schema)), datum) == ["a"]


def test_what_has_a_schema_is_redacted_by_it() -> None:
    class Held:
        schema = parse(json.dumps(record(field("code", "string", **{"confluent:tags": ["PII"]}))))

    assert redacted(Held(), {"code": "a"}) == {"code": "•••"}
    assert personal_values(Held(), {"code": "a"}) == ["a"]


@pytest.mark.parametrize("tags", ["PII", {"PII": True}, None, ["pii"], []])
def test_what_is_not_tagged_by_a_list_with_the_very_word_is_shown(tags: Any) -> None:
    schema = parse(json.dumps(record(field("code", "string", **{"confluent:tags": tags}))))
    assert redacted(schema, {"code": "a"}) == {"code": "a"}
    assert pii_paths(schema) == set()


def test_the_texts_of_personal_values_are_found_however_deep_they_lie() -> None:
    tags = {"confluent:tags": ["PII"]}
    schema = record(
        field("names", {"type": "array", "items": "string"}, **tags),
        field("by_role", {"type": "map", "values": {"type": "array", "items": "string"}}, **tags),
        field("age", "int", **tags),
        field("note", "string"),
    )
    datum = {"names": ["Ada", "Bob"], "by_role": {"cto": ["Cy"]}, "age": 36, "note": "open"}
    assert personal_values(parse(json.dumps(schema)), datum) == ["Ada", "Bob", "Cy"]


def test_of_two_records_with_the_same_fields_the_rules_of_the_one_that_fits_hold() -> None:
    small = record(field("size", "int", "this < 10"), name="Small")
    named = record(field("size", "string", "this != 'none'"), name="Named")
    schema = parse(json.dumps(record(field("either", [small, named]))))
    rules = Rules(schema)
    rules.check({"either": {"size": 9}})
    rules.check({"either": {"size": "large"}})
    for value in (10, "none"):
        with pytest.raises(Refusal) as told:
            rules.check({"either": {"size": value}})
        assert told.value.field == "either.size"
