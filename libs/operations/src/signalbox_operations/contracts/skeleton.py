"""A new contract: a source to fill in, and its entries in the catalog, whose comments stay as they are."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AGENT_MESSAGES, RecordType

_NAME: Final = re.compile(r"([a-z][a-z0-9_]*)\.([A-Z][A-Za-z0-9]*)")


@dataclass(frozen=True, slots=True)
class NewContract:
    """What a new contract is called, who owns it, and on which topic it travels."""

    record_type: RecordType
    owner: str
    doc: str
    topic: str = AGENT_MESSAGES


def create(new: NewContract, catalog: Catalog) -> list[Path]:
    """Write the source and the catalog's entries; return the files that were written.

    Raises:
        ConfigurationError: the name is no ``namespace.Name``, it is taken, or the catalog can't take it.
    """
    path = _source_path(new, catalog)
    text = catalog.path.read_text(encoding="utf-8")
    extended = _with_entry(_admitted(text, new), new)
    _ensure_nothing_else_changed(text, extended, new, catalog)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_source(new), encoding="utf-8")
    catalog.path.write_text(extended, encoding="utf-8")
    return [path, catalog.path]


def _source_path(new: NewContract, catalog: Catalog) -> Path:
    match = _NAME.fullmatch(new.record_type)
    if match is None:
        raise ConfigurationError(f"{new.record_type!r} is no record type; name it like sdr.MeetingBooked")
    namespace, name = match.groups()
    path = catalog.directory / "avro" / namespace / f"{name}.avsc"
    if path.exists() or new.record_type in catalog.records:
        raise ConfigurationError(f"{new.record_type} is there already: {path}")
    if namespace not in catalog.namespaces:
        listed = ", ".join(catalog.namespaces)
        raise ConfigurationError(f"{catalog.path} has no namespace {namespace!r}; there are {listed}")
    if new.topic not in catalog.topics:
        listed = ", ".join(catalog.topics)
        raise ConfigurationError(f"{catalog.path} has no topic {new.topic!r}; there are {listed}")
    return path


def _source(new: NewContract) -> str:
    namespace, _, name = new.record_type.rpartition(".")
    definition = {
        "type": "record",
        "name": name,
        "namespace": namespace,
        "doc": new.doc,
        "fields": [
            {
                "name": "lead_id",
                "type": "string",
                "doc": "Id of the lead: the key of every record of its workflow.",
                "confluent:rules": [
                    {
                        "name": "not_blank",
                        "doc": "The lead id must hold at least one visible character.",
                        "expr": r"this.matches(r'\S')",
                    }
                ],
            },
            {
                "name": "note",
                "type": ["null", "string"],
                "doc": "What else is worth saying; null when nothing is.",
                "default": None,
            },
        ],
    }
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _with_entry(text: str, new: NewContract) -> str:
    """Put the record's entry behind the last one of its namespace, else behind the last one."""
    records = _value(yaml.compose(text, Loader=yaml.SafeLoader), "records")
    namespace = new.record_type.rpartition(".")[0]
    pairs = list(records.value)
    same = [pair for pair in pairs if str(pair[0].value).startswith(f"{namespace}.")]
    key, value = (same or pairs)[-1]
    indent = " " * key.start_mark.column
    inner = " " * (value.start_mark.column if not value.flow_style else key.start_mark.column + 2)
    entry = (
        f"{indent}{new.record_type}:\n"
        f"{inner}doc: {_scalar(new.doc)}\n"
        f"{inner}owner: {_scalar(new.owner)}\n"
        f"{inner}producers: []\n"
        f"{inner}consumers: []\n"
    )
    lines = text.splitlines(keepends=True)
    at = _last_line(value) + 1
    return "".join([*lines[:at], "" if lines[at - 1].endswith("\n") else "\n", entry, *lines[at:]])


def _admitted(text: str, new: NewContract) -> str:
    """Put the record type at the end of its topic's ``admits``."""
    topic = _value(_value(yaml.compose(text, Loader=yaml.SafeLoader), "topics"), new.topic)
    admits = next((value for key, value in topic.value if key.value == "admits"), None)
    if admits is None or not admits.value:
        raise ConfigurationError(
            f"the topic {new.topic} admits nothing yet: write `admits: [{new.record_type}]` into it"
        )
    last = admits.value[-1]
    addition = (
        f", {new.record_type}"
        if admits.flow_style
        else f"\n{' ' * (last.start_mark.column - 2)}- {new.record_type}"
    )
    return text[: last.end_mark.index] + addition + text[last.end_mark.index :]


def _ensure_nothing_else_changed(before: str, after: str, new: NewContract, catalog: Catalog) -> None:
    expected = yaml.safe_load(before)
    expected["records"][new.record_type] = {
        "doc": new.doc,
        "owner": new.owner,
        "producers": [],
        "consumers": [],
    }
    expected["topics"][new.topic]["admits"].append(new.record_type)
    try:
        extended = yaml.safe_load(after)
    except yaml.YAMLError:
        extended = None
    if extended != expected:
        raise ConfigurationError(
            f"{catalog.path} is written in a way that can't be extended; add {new.record_type} by hand"
        )


def _value(node: Any, name: str) -> Any:
    return next(value for key, value in node.value if key.value == name)


def _last_line(node: Any) -> int:
    """Return the line of the last character of ``node``; a block's end mark is at what follows it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, width=10_000, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
