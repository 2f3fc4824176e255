"""Editing a dead letter's record: from bytes to JSON for a person, and back to bytes of a contract."""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signalbox.avro import ParsedSchema, encode, unframe
from signalbox.protocol.errors import ConfigurationError, Refusal, SignalboxError
from signalbox.protocol.names import RecordType, SchemaId
from signalbox.protocol.reasons import Reason
from signalbox_operations.replay.json_form import from_json, skeleton
from signalbox_operations.replay.json_text import as_json, same_json


@dataclass(frozen=True, slots=True)
class Editable:
    """A record that is ready to be edited, as JSON, and the contract that it will be encoded against.

    ``problem`` says why the text is not simply what the bytes say; empty when it is. What JSON can't say,
    a value's branch of a union for one, is kept from ``datum`` wherever the text is not changed; ``value`` is
    the whole record, when it was written with this very contract.
    """

    text: str
    problem: str
    record_type: RecordType
    version: int
    schema_id: SchemaId
    schema: ParsedSchema
    datum: Mapping[str, Any] | None = None
    value: bytes | None = None

    def encoded(self, text: str) -> bytes:
        """Encode what was edited; a text that says the same gives the same bytes.

        Raises:
            Refusal: it is no JSON, or no record of this contract; with the path of what does not fit.
        """
        try:
            edited = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Refusal(Reason.MALFORMED, f"what was edited is no JSON: {error}") from error
        if self.value is not None and same_json(edited, json.loads(self.text)):
            return self.value
        datum = from_json(self.schema.root, edited, before=self.datum)
        return encode(self.schema_id, self.schema, datum)


def editable(
    datum: Mapping[str, Any] | None,
    problem: str,
    contract: tuple[int, SchemaId, ParsedSchema],
    value: bytes | None = None,
) -> Editable:
    """Make ``datum``, or where there is none the contract's empty form, ready to be edited.

    ``value`` is the framed record that ``datum`` was read from.
    """
    version, schema_id, schema = contract
    shown = skeleton(schema.root) if datum is None else datum
    exact = datum is not None and not problem
    return Editable(
        as_json(shown),
        problem,
        RecordType(schema.name),
        version,
        schema_id,
        schema,
        datum if exact else None,
        value if exact and value is not None and unframe(value)[0] == schema_id else None,
    )


def in_editor(text: str) -> str:
    """Let the operator edit ``text`` in ``$EDITOR``, else ``$VISUAL``, else vi, and return it.

    The file is readable by its owner alone and removed afterwards: it holds personal data.

    Raises:
        ConfigurationError: the editor is not there.
        SignalboxError: it ended with an error.
    """
    editor = os.environ.get("EDITOR") or os.environ.get("VISUAL") or "vi"
    with tempfile.TemporaryDirectory(prefix="dead-letter-") as folder:
        file = Path(folder) / "record.json"
        file.write_text(text + "\n", encoding="utf-8")
        try:
            done = subprocess.run([*shlex.split(editor), str(file)], check=False)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the editor {editor!r} can't be started: {error}; set EDITOR"
            ) from error
        if done.returncode:
            raise SignalboxError(f"the editor ended with status {done.returncode}; nothing was sent")
        return file.read_text(encoding="utf-8")
