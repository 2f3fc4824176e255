"""The versions that were read from the registry: each once, since what a version is never changes."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from signalbox.protocol.names import Subject
from signalbox.registry.port import SchemaVersion

_KEPT_CHARACTERS: Final = 64 * 1024 * 1024

Versions = Mapping[int, SchemaVersion]


class VersionsRead:
    """Remembers versions by subject; the subjects that were not asked for longest go when it is too much."""

    def __init__(self, kept_characters: int = _KEPT_CHARACTERS) -> None:
        self._kept_characters = kept_characters
        self._subjects: OrderedDict[Subject, Versions] = OrderedDict()
        self._characters = 0

    def known(self, subject: Subject, numbers: Sequence[int], newest: SchemaVersion | None) -> Versions:
        """Return those of ``numbers`` that need not be read; ``newest`` was just read.

        A number that left the list is forgotten: it may come back as another version. A subject that was
        deleted for good begins at 1 again, and is told by its newest version, which is another one then.
        """
        before = self._subjects.get(subject, {})
        if newest is None:
            return {number: before[number] for number in numbers[:-1] if number in before}
        if before.get(newest.version, newest) != newest:
            return {newest.version: newest}
        known = {number: before[number] for number in numbers if number in before}
        return known | {newest.version: newest}

    def keep(self, subject: Subject, versions: Versions) -> None:
        """Remember these as all that there are of ``subject``."""
        self._characters += _characters(versions) - _characters(self._subjects.get(subject, {}))
        self._subjects[subject] = versions
        self._subjects.move_to_end(subject)
        while len(self._subjects) > 1 and self._characters > self._kept_characters:
            _, gone = self._subjects.popitem(last=False)
            self._characters -= _characters(gone)


def _characters(versions: Versions) -> int:
    return sum(len(one.schema_text) for one in versions.values())
