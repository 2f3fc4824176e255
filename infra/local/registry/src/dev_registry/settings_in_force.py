"""Compatibility levels and modes: what is set for a subject, what is set for all, what is in force."""

from dataclasses import replace

from dev_registry import errors
from dev_registry.model import GLOBAL, Config, Level, Mode, Seen
from dev_registry.store import Store

DEFAULT_CONFIG = Config(level=Level.BACKWARD)
DEFAULT_MODE = Mode.READWRITE


class SettingsInForce:
    """Reads and changes the settings. A subject inherits what it does not set itself from all subjects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- compatibility --------------------------------------------------------------------------------

    def config(self, subject: str) -> Config:
        """Return the settings in force for a subject, or for all."""
        everywhere = self._store.config(GLOBAL) or DEFAULT_CONFIG
        if everywhere.level is None:
            everywhere = replace(everywhere, level=DEFAULT_CONFIG.level)
        own = self._store.config(subject) or Config() if subject != GLOBAL else Config()
        return Config(
            level=own.level or everywhere.level,
            normalize=everywhere.normalize if own.normalize is None else own.normalize,
        )

    def level(self, subject: str) -> Level:
        return self.config(subject).level or Level.BACKWARD

    def normalizes(self, subject: str) -> bool:
        return bool(self.config(subject).normalize)

    def shown_config(self, subject: str, *, default_to_global: bool) -> Config:
        """Return what is set for the subject itself; raises 40408 when nothing is."""
        if subject == GLOBAL or default_to_global or self._store.config(subject):
            return self.config(subject)
        raise errors.compatibility_not_configured(subject)

    def put_config(self, subject: str, change: Config) -> Config:
        """Change what ``change`` sets and leave the rest; return all that is set then."""
        with self._store.writing():
            self.refuse_read_only(subject)
            old = self._store.config(subject) or Config()
            new = Config(
                level=change.level or old.level,
                normalize=old.normalize if change.normalize is None else change.normalize,
            )
            self._store.put_config(subject, new)
        return new

    def drop_config(self, subject: str) -> Config:
        """Go back to what is inherited; return what was set before."""
        with self._store.writing():
            if subject != GLOBAL and self._store.config(subject) is None:
                raise errors.subject_not_found(subject)
            before = self.config(subject)
            self.refuse_read_only(subject)
            self._store.drop_config(subject)
        return before

    # -- mode -----------------------------------------------------------------------------------------

    def mode(self, subject: str) -> Mode:
        """Return the mode in force for a subject, or for all."""
        own = self._store.mode(subject) if subject != GLOBAL else None
        return own or self._store.mode(GLOBAL) or DEFAULT_MODE

    def shown_mode(self, subject: str, *, default_to_global: bool) -> Mode:
        """Return the mode that is set for the subject itself; raises 40409 when none is."""
        if subject == GLOBAL or default_to_global or self._store.mode(subject):
            return self.mode(subject)
        raise errors.mode_not_configured(subject)

    def put_mode(self, subject: str, mode: Mode, *, force: bool) -> None:
        """Set the mode; IMPORT needs that nothing is registered yet, unless forced (42205)."""
        with self._store.writing():
            if mode is Mode.IMPORT and self.mode(subject) is not Mode.IMPORT and not force:
                self._clear_for_import(subject)
            self._store.put_mode(subject, mode)

    def drop_mode(self, subject: str) -> Mode:
        """Go back to the inherited mode; return what was set before."""
        with self._store.writing():
            if subject != GLOBAL and self._store.mode(subject) is None:
                raise errors.subject_not_found(subject)
            before = self.mode(subject)
            self._store.drop_mode(subject)
        return before

    def refuse_read_only(self, subject: str) -> None:
        """Raise 42205 when nothing may be written for the subject."""
        if self.mode(subject) is Mode.READONLY:
            named = f"Subject {subject}" if subject else "The registry"
            raise errors.not_permitted(f"{named} is in read-only mode")

    def _clear_for_import(self, subject: str) -> None:
        """Refuse live versions and erase soft-deleted ones, so that ids and versions can be given again."""
        everyone = Seen(deleted=True)
        subjects = [subject] if subject != GLOBAL else self._store.subjects(everyone)
        if any(self._store.has_subject(name, deleted=False) for name in subjects):
            raise errors.not_permitted("Cannot import since found existing subjects")
        for name in subjects:
            for version in self._store.versions(name):
                users = self._store.users(name, version.version, deleted=True)
                if any(user not in subjects for _, user in users):
                    raise errors.reference_exists(name, version.version)
                self._store.erase_version(version)
