"""Whose requests an agent takes: public keys of the environment, or else those in the folder of keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import structlog
from pydantic import SecretStr

from signalbox.protocol.errors import ConfigurationError
from signalbox.trust.key_files import TRUSTED
from signalbox.trust.keys import PublicKey, public_keys
from signalbox.trust.settings import TrustSettings

_log: Final = structlog.get_logger(module=__name__)
_SUFFIX: Final = ".pub"
_NONE: Final[tuple[PublicKey, ...]] = ()

Holders: TypeAlias = Mapping[str, tuple[PublicKey, ...]]
"""Public keys by who holds them: ``orchestrator``, ``operator``."""


class TrustedKeys:
    """The keys as they are now: one that was exchanged counts from the next request on.

    When a file can't be read, what it held before is trusted on: a key that is half written shuts no one out.
    """

    def __init__(self, settings: TrustSettings) -> None:
        self._given = {
            "orchestrator": settings.orchestrator_public_key,
            "operator": settings.operator_public_key,
        }
        self._folder = None if any(self._given.values()) else settings.folder / TRUSTED
        self._read: dict[str, tuple[str, tuple[PublicKey, ...]]] = {}
        self._files: dict[Path, int] = {}

    def __call__(self) -> Holders:
        """Return the keys by their holders."""
        if self._folder is None:
            given = {name: secret for name, secret in self._given.items() if secret is not None}
            return {name: self._keys(name, secret) for name, secret in given.items()}
        return self._of(self._folder)

    def _of(self, folder: Path) -> Holders:
        try:
            files = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == _SUFFIX}
        except OSError:  # no key was made yet, or one was just exchanged
            files = {path: at for path, at in self._files.items() if path.exists()}
        if files != self._files:
            self._read = {
                path.stem: found for path in files if (found := self._parsed(path.stem, path)) is not None
            }
            self._files = files
        return {name: keys for name, (_, keys) in self._read.items()}

    def _keys(self, name: str, secret: SecretStr) -> tuple[PublicKey, ...]:
        found = self._parsed(name, secret)
        if found is not None:
            self._read[name] = found
        return self._read.get(name, ("", _NONE))[1]

    def _parsed(self, name: str, source: SecretStr | Path) -> tuple[str, tuple[PublicKey, ...]] | None:
        known = self._read.get(name)
        try:
            text = source.read_text() if isinstance(source, Path) else source.get_secret_value()
            return known if known and known[0] == text else (text, public_keys(text))
        except (OSError, UnicodeDecodeError, ConfigurationError) as error:
            _log.error("public key not read", holder=name, why=str(error))
            return known
