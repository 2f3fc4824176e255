"""Lint rules on data rules (``confluent:rules``) and tags (``confluent:tags``)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from signalbox_operations.contracts.cel_check import holds, problem_of
from signalbox_operations.contracts.lint_subject import LintedSubject, Problem
from signalbox_operations.contracts.located_json import Path
from signalbox_operations.contracts.schema_walk import branches, kind_of

RULES: Final = "confluent:rules"
TAGS: Final = "confluent:tags"

_PERSONAL: Final = re.compile(
    r"(?:.*_)?(?:e_?mail|phone|mobile|fax|(?:first|last|full|middle|sur|family|given|person|contact)_?name"
    r"|birth(?:day|date|_date)|date_of_birth|ssn|passport|iban|ip_address|street|postal_address|home_address)(?:_.*)?"
)
_PERSONS: Final = frozenset({"Lead", "Person", "Contact", "Customer", "User"})
"""Records whose plain ``name`` is a person's."""


def personal_data_is_tagged(subject: LintedSubject) -> Iterator[Problem]:
    for field in subject.fields:
        personal = _holds_text(field.field.get("type")) and _looks_personal(field.name, field.record)
        if personal and "PII" not in field.field.get(TAGS, ()):
            hint = f'Add "{TAGS}": ["PII"], so that logs and lists redact it.'
            yield Problem(field.path, f"the field {field.name} looks like personal data", hint)


def rules_are_complete(subject: LintedSubject) -> Iterator[Problem]:
    for path, rules, _ in _places(subject):
        if not isinstance(rules, list):
            yield Problem(path, f"{RULES} is no list", 'Write [{"name": …, "doc": …, "expr": …}].')
            continue
        names = Counter(rule.get("name") for rule in rules if isinstance(rule, Mapping))
        for index, rule in enumerate(rules):
            if problem := _incomplete(rule, names):
                hint = "A rule has name, doc and expr; the name is what a rejected message's sender is told."
                yield Problem((*path, index), problem, hint)


def rules_run(subject: LintedSubject) -> Iterator[Problem]:
    for path, rules, schema in _places(subject):
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            expression = rule.get("expr") if isinstance(rule, Mapping) else None
            if not isinstance(expression, str):
                continue
            if problem := problem_of(expression, schema, subject.definitions):
                hint = "`this` is the record, or the field's value when that is not null; `now` is the time."
                yield Problem((*path, index, "expr"), f"{rule.get('name', 'the rule')}: {problem}", hint)


def defaults_keep_rules(subject: LintedSubject) -> Iterator[Problem]:
    for field in subject.fields:
        default, schema = field.field.get("default"), field.field.get("type")
        for index, rule in enumerate(field.field.get(RULES, ()) if default is not None else ()):
            expression = str(rule.get("expr")) if isinstance(rule, Mapping) else ""
            if problem_of(expression, schema, subject.definitions) is None and not holds(expression, default):
                hint = "Choose another default, or make the field optional: rules are skipped on null."
                yield Problem(
                    (*field.path, RULES, index), f"the default of {field.name} violates its rule", hint
                )


def rules_are_read(subject: LintedSubject) -> Iterator[Problem]:
    for here in subject.types:
        if isinstance(here.schema, Mapping) and RULES in here.schema and here.kind != "record":
            hint = "Move it to the field that holds this type, or to the record."
            yield Problem(
                (*here.path, RULES), f"rules on a type of kind {here.kind} are never evaluated", hint
            )


def _places(subject: LintedSubject) -> Iterator[tuple[Path, Any, Any]]:
    """Give each list of rules with its place and the schema that ``this`` has there."""
    for here in subject.types:
        if here.kind == "record" and RULES in here.schema:
            yield (*here.path, RULES), here.schema[RULES], here.schema
    for field in subject.fields:
        if RULES in field.field:
            yield (*field.path, RULES), field.field[RULES], field.field.get("type")


def _incomplete(rule: Any, names: Mapping[Any, int]) -> str | None:
    if not isinstance(rule, Mapping):
        return "a rule is no object"
    missing = [key for key in ("name", "doc", "expr") if not str(rule.get(key, "")).strip()]
    if missing:
        return f"a rule has no {' and no '.join(missing)}"
    if names[rule["name"]] > 1:
        return f"two rules are called {rule['name']}"
    extra = sorted(set(rule) - {"name", "doc", "expr", "sql"})
    return f"a rule has {', '.join(extra)}, which is not read" if extra else None


def _holds_text(schema: Any) -> bool:
    kinds = {kind_of(branch) for branch in branches(schema)}
    items = [b.get("items") for b in branches(schema) if isinstance(b, Mapping) and kind_of(b) == "array"]
    return bool(kinds & {"string", "bytes"}) or any(_holds_text(item) for item in items)


def _looks_personal(name: str, record: str) -> bool:
    persons_name = name == "name" and record.rpartition(".")[2] in _PERSONS
    return persons_name or bool(_PERSONAL.fullmatch(name))
