"""Registers schemas and says beforehand whether that would work."""

import unicodedata
from dataclasses import replace

from dev_registry import errors
from dev_registry.catalogue import Catalogue, version_number
from dev_registry.model import LATEST, Mode, StoredSchema, StoredVersion, Submission
from dev_registry.parsed import ParsedSchema
from dev_registry.reading import Reader, identity
from dev_registry.settings_in_force import SettingsInForce
from dev_registry.store import Store
from dev_registry.verdicts import Earlier, TooComplex, findings_at

_RESERVED = frozenset({"__GLOBAL", "__EMPTY"})


class Registration:
    """Writes new versions. All errors are RegistryErrors."""

    def __init__(self, store: Store, reader: Reader, settings: SettingsInForce, catalogue: Catalogue) -> None:
        self._store = store
        self._reader = reader
        self._settings = settings
        self._catalogue = catalogue

    def register(self, subject: str, submission: Submission, *, normalize: bool) -> StoredVersion:
        """Return the version that has this schema, a new one if none has it yet.

        1. What is registered already is returned, in any mode.  2. The mode must allow a new version.
        3. The schema must be compatible.  4. It gets its id, then its version.
        All but the parsing is done as the only writer, so that one schema that is sent by many gets one id.
        """
        refuse_bad_subject(subject)
        pinned, parsed = self._reader.read(submission)
        same = identity(pinned, parsed)
        known = self._registered(subject, same, pinned)
        if known:
            return known
        with self._store.writing():
            known = self._registered(subject, same, pinned)
            if known:
                return known
            self._refuse_by_mode(subject, pinned)
            if self._settings.mode(subject) is not Mode.IMPORT:
                self._refuse_incompatible(subject, parsed)
            if normalize or self._settings.normalizes(subject):
                pinned = replace(pinned, text=parsed.normal)
            return self._add(subject, same, pinned)

    def compatibility(self, subject: str, submission: Submission, asked: str | None) -> list[str]:
        """Return why the schema could not be registered next to a version, or (None) to those that count.

        A subject without versions takes any schema.
        """
        _, parsed = self._reader.read(submission)
        return self._findings(subject, parsed, asked)

    def _held_against(self, subject: str, asked: str | None) -> list[StoredVersion]:
        if asked is None:
            return [v for v in self._store.versions(subject) if not v.deleted]
        number = version_number(asked)
        if number == LATEST:
            latest = self._store.latest(subject)
            return [latest] if latest else []
        version = self._store.version(subject, number)
        if version is None or version.deleted:
            raise errors.version_not_found(number)
        return [version]

    def _earlier(self, versions: list[StoredVersion]) -> list[Earlier]:
        return [Earlier(v.version, v.schema.text, self._reader.reread(v.schema)) for v in versions]

    def _registered(self, subject: str, same: str, wanted: Submission) -> StoredVersion | None:
        schema_id = self._store.schema_id(same)
        if schema_id is None or wanted.schema_id not in (None, schema_id):
            return None
        found = self._store.version_of_schema(subject, schema_id, deleted=False)
        return found if found and wanted.version in (None, found.version) else None

    def _refuse_by_mode(self, subject: str, submission: Submission) -> None:
        self._settings.refuse_read_only(subject)
        importing = self._settings.mode(subject) is Mode.IMPORT
        if submission.schema_id is not None and not importing:
            raise errors.not_permitted(f"Subject {subject} is not in import mode")
        if submission.schema_id is None and importing:
            raise errors.not_permitted(f"Subject {subject} is not in read-write mode")

    def _refuse_incompatible(self, subject: str, parsed: ParsedSchema) -> None:
        found = self._findings(subject, parsed, None)
        if found:
            raise errors.incompatible(subject, found)

    def _findings(self, subject: str, parsed: ParsedSchema, asked: str | None) -> list[str]:
        earlier = self._earlier(self._held_against(subject, asked))
        try:
            return findings_at(self._settings.level(subject), parsed, earlier)
        except TooComplex as error:
            raise errors.invalid_schema(f"Invalid schema: {error}") from error

    def _add(self, subject: str, same: str, submission: Submission) -> StoredVersion:
        versions = self._store.versions(subject)
        number = self._next_version(versions, submission)
        schema_id = self._id_for(same, submission)
        self._store.add_version(subject, number, schema_id)
        self._forget_hidden_twins(versions, schema_id)
        return StoredVersion(subject, number, self._catalogue.schema(schema_id))

    def _next_version(self, versions: list[StoredVersion], submission: Submission) -> int:
        following = max((v.version for v in versions), default=0) + 1
        wanted = submission.version
        if wanted is None or wanted == following:
            return following
        if submission.schema_id is None:
            raise errors.invalid_schema("Version is not one more than previous version")
        if any(v.version == wanted for v in versions):
            raise errors.not_permitted(f"Overwrite version {wanted} is not permitted.")
        return wanted

    def _id_for(self, same: str, submission: Submission) -> int:
        wanted, known = submission.schema_id, self._store.schema_id(same)
        if known is not None and wanted in (None, known):
            return known
        if known is not None or (wanted is not None and self._store.schema(wanted)):
            raise errors.not_permitted(f"Overwrite new schema with id {wanted} is not permitted.")
        new = StoredSchema(
            0, submission.text, submission.references, submission.metadata, submission.rule_set
        )
        return self._store.add_schema(same, new, wanted)

    def _forget_hidden_twins(self, versions: list[StoredVersion], schema_id: int) -> None:
        """Erase soft-deleted versions of the same schema: the new one stands for them, as at Confluent.

        One that others refer to stays, since they refer to it by its number.
        """
        for twin in versions:
            hidden = twin.deleted and twin.schema.schema_id == schema_id
            if hidden and not self._store.users(twin.subject, twin.version, deleted=True):
                self._store.erase_version(twin)


def refuse_bad_subject(subject: str) -> None:
    """Raise 42208 for names that no subject may have."""
    if not subject or subject in _RESERVED or any(unicodedata.category(char) == "Cc" for char in subject):
        raise errors.invalid_subject(subject)
