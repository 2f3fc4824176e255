"""Deletes versions and subjects: softly first (hidden, ids stay good), then for good."""

from dev_registry import errors
from dev_registry.catalogue import version_number
from dev_registry.model import LATEST, StoredVersion
from dev_registry.settings_in_force import SettingsInForce
from dev_registry.store import Store


class Deletion:
    """Deletes. All errors are RegistryErrors."""

    def __init__(self, store: Store, settings: SettingsInForce) -> None:
        self._store = store
        self._settings = settings

    def delete_version(self, subject: str, asked: str, *, permanent: bool) -> int:
        """Delete one version; return its number. What others refer to stays (42206)."""
        with self._store.writing():
            version = self._version(subject, version_number(asked), permanent=permanent)
            self._settings.refuse_read_only(subject)
            if self._store.users(subject, version.version, deleted=permanent):
                raise errors.reference_exists(subject, version.version)
            if permanent and not version.deleted:
                raise errors.version_not_soft_deleted(subject, version.version)
            self._remove([version], permanent=permanent)
        return version.version

    def delete_subject(self, subject: str, *, permanent: bool) -> list[int]:
        """Delete all versions of a subject; return their numbers. Its settings go when it goes for good."""
        with self._store.writing():
            if not self._store.has_subject(subject, deleted=True):
                raise errors.subject_not_found(subject)
            versions = [v for v in self._store.versions(subject) if permanent or not v.deleted]
            if not versions:
                raise errors.subject_soft_deleted(subject)
            self._settings.refuse_read_only(subject)
            self._refuse_used(subject, versions, permanent=permanent)
            if permanent and any(not v.deleted for v in versions):
                raise errors.subject_not_soft_deleted(subject)
            self._remove(versions, permanent=permanent)
        return [v.version for v in versions]

    def _version(self, subject: str, number: int, *, permanent: bool) -> StoredVersion:
        found = self._store.latest(subject) if number == LATEST else self._store.version(subject, number)
        if found is None and not self._store.has_subject(subject, deleted=True):
            raise errors.subject_not_found(subject)
        if found is None:
            raise errors.version_not_found(number)
        if found.deleted and not permanent:
            raise errors.version_soft_deleted(subject, found.version)
        return found

    def _refuse_used(self, subject: str, versions: list[StoredVersion], *, permanent: bool) -> None:
        for version in versions:
            users = self._store.users(subject, version.version, deleted=permanent)
            if any(user != subject for _, user in users):
                raise errors.reference_exists(subject, version.version)

    def _remove(self, versions: list[StoredVersion], *, permanent: bool) -> None:
        for version in reversed(versions):
            if permanent:
                self._store.erase_version(version)
            else:
                self._store.hide_version(version.subject, version.version)
        subject = versions[0].subject
        if permanent and not self._store.has_subject(subject, deleted=True):
            self._store.drop_config(subject)
            self._store.drop_mode(subject)
