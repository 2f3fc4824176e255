"""Everything that clients read: schemas by id, subjects, versions, references."""

from typing import Any

from dev_registry import errors
from dev_registry.model import LATEST, Seen, StoredSchema, StoredVersion, Submission
from dev_registry.reading import Reader, identity
from dev_registry.store import Store


class Catalogue:
    """Reads; changes nothing. All errors are RegistryErrors."""

    def __init__(self, store: Store, reader: Reader) -> None:
        self._store = store
        self._reader = reader

    def schema(self, schema_id: int) -> StoredSchema:
        found = self._store.schema(schema_id)
        if found is None:
            raise errors.schema_not_found(schema_id)
        return found

    def largest_id(self) -> int:
        return self._store.largest_id()

    def usages(self, schema_id: int, seen: Seen) -> list[tuple[str, int]]:
        """Return the (subject, version) pairs that have this schema."""
        self.schema(schema_id)
        usages = self._store.usages(schema_id, deleted=seen.deleted)
        return [usage for usage in usages if seen.subject in (None, usage[0])]

    def subjects(self, seen: Seen) -> list[str]:
        return self._store.subjects(seen)

    def all_versions(self, seen: Seen, *, latest_only: bool) -> list[StoredVersion]:
        versions = self._store.all_versions(seen)
        return list({v.subject: v for v in versions}.values()) if latest_only else versions

    def version(self, subject: str, asked: str, *, deleted: bool = False) -> StoredVersion:
        """Return a version by its number, or the newest live one for ``latest`` and -1."""
        number = version_number(asked)
        found = self._store.latest(subject) if number == LATEST else self._store.version(subject, number)
        if found and (deleted or not found.deleted):
            return found
        if not self._store.has_subject(subject, deleted=deleted):
            raise errors.subject_not_found(subject)
        raise errors.version_not_found(number)

    def version_numbers(self, subject: str, seen: Seen) -> list[int]:
        if not self._store.has_subject(subject, deleted=seen.deleted or seen.deleted_only):
            raise errors.subject_not_found(subject)
        wanted = {True} if seen.deleted_only else {False, seen.deleted}
        return [v.version for v in self._store.versions(subject) if v.deleted in wanted]

    def users(self, subject: str, asked: str, *, deleted: bool) -> list[int]:
        """Return the ids of the schemas that refer to this version."""
        version = self.version(subject, asked, deleted=True)
        users = self._store.users(subject, version.version, deleted=deleted)
        return sorted({schema_id for schema_id, _ in users})

    def lookup(self, subject: str, submission: Submission, *, deleted: bool) -> StoredVersion:
        """Return the version of the subject that has this very schema.

        Texts that differ in white space, in the order of attributes or in how names are spelled out are the
        same schema, so that asking for normalisation would make no difference to what is found.
        """
        pinned, parsed = self._reader.read(submission)
        schema_id = self._store.schema_id(identity(pinned, parsed))
        if schema_id is not None:
            found = self._store.version_of_schema(subject, schema_id, deleted=deleted)
            if found:
                return found
        if not self._store.has_subject(subject, deleted=deleted):
            raise errors.subject_not_found(subject)
        raise errors.schema_not_found()

    def counts(self) -> dict[str, int]:
        return self._store.counts()


def version_number(asked: Any) -> int:
    """Return the number of a version as it stands in a path; LATEST for ``latest``."""
    text = str(asked).strip()
    if text.lower() == "latest":
        return LATEST
    try:
        number = int(text)
    except ValueError:
        raise errors.invalid_version(str(asked)) from None
    if number != LATEST and not 0 < number < 2**31:
        raise errors.invalid_version(str(asked))
    return number
