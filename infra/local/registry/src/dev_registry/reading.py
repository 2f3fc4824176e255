"""Reads submissions: a schema's text together with the schemas it refers to."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace

from dev_registry.errors import invalid_schema
from dev_registry.model import LATEST, Reference, StoredSchema, Submission
from dev_registry.parsed import ParsedSchema, parse
from dev_registry.schema_text import SchemaTextError
from dev_registry.store import Store


class Reader:
    """Parses schemas, with what they refer to taken from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, submission: Submission) -> tuple[Submission, ParsedSchema]:
        """Parse what was sent; references to the latest version are made references to its number.

        Raises RegistryError (42201).
        """
        if submission.schema_type != "AVRO":
            raise invalid_schema(f"Invalid schema type {submission.schema_type}; this registry keeps AVRO")
        if not submission.text.strip():
            raise invalid_schema("Empty schema")
        pinned = replace(submission, references=tuple(map(self._pinned, submission.references)))
        return pinned, self._parsed(pinned.text, pinned.references)

    def reread(self, schema: StoredSchema) -> ParsedSchema:
        """Parse what is stored; raises RegistryError (42201) when what it refers to is gone."""
        return self._parsed(schema.text, schema.references)

    def _parsed(self, text: str, references: Iterable[Reference]) -> ParsedSchema:
        try:
            return parse(text, self._texts(references))
        except SchemaTextError as error:
            raise invalid_schema(f"Invalid schema: {error}") from error

    def _pinned(self, reference: Reference) -> Reference:
        if reference.version != LATEST:
            return reference
        latest = self._store.latest(reference.subject)
        if latest is None:
            raise _no_reference(reference)
        return replace(reference, version=latest.version)

    def _texts(self, references: Iterable[Reference]) -> tuple[str, ...]:
        """Return the texts of all that is referred to, each once, what is needed first standing first."""
        texts: dict[tuple[str, int], str] = {}
        open_now: set[tuple[str, int]] = set()

        def collect(reference: Reference) -> None:
            key = (reference.subject, reference.version)
            if key in texts or key in open_now:
                return
            version = self._store.version(*key)
            if version is None:
                raise _no_reference(reference)
            open_now.add(key)
            for further in version.schema.references:
                collect(further)
            texts[key] = version.schema.text

        for reference in references:
            collect(reference)
        return tuple(dict.fromkeys(texts.values()))


def identity(submission: Submission, parsed: ParsedSchema) -> str:
    """Return what is equal for two submissions exactly when they are the same schema."""
    references = [reference.as_json() for reference in submission.references]
    said = [parsed.canonical, references, submission.metadata, submission.rule_set]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _no_reference(reference: Reference) -> Exception:
    return invalid_schema(
        f"Invalid schema: No schema reference found for subject '{reference.subject}' "
        f"and version {reference.version}"
    )
