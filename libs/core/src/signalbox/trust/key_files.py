"""Keys as files that only their owner reads: private ones 0600, in folders 0700, made on first use."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from signalbox.process.private_files import private_draft
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.trust.keys import PublicKey, SigningKey, public_keys

_AGENTS: Final = "agents"
TRUSTED: Final = "trusted"
"""Public keys whose requests agents take, by who holds them: ``orchestrator.pub``, ``operator.pub``."""


def agents_key(folder: Path, agent: AgentId) -> SigningKey:
    """Return an agent's key, made where it is missing; its public half lies beside it.

    Raises:
        ConfigurationError: the files can't be made or read.
    """
    key = _kept(folder / _AGENTS / f"{agent}.key")
    publish_agents_key(folder, agent, key.public)
    return key


def publish_agents_key(folder: Path, agent: AgentId, public: PublicKey) -> None:
    """Leave an agent's public key where an orchestrator of the same user looks, if that can be done."""
    with suppress(OSError):  # a key that comes from the environment may have no folder to lie in
        _publish(folder / _AGENTS / f"{agent}.pub", public)


def agents_public_keys(folder: Path, agent: AgentId) -> tuple[PublicKey, ...]:
    """Read the key that an agent left; none where there is no file.

    Raises:
        ConfigurationError: others may write it, so it says nothing, or it is no key.
    """
    path = folder / _AGENTS / f"{agent}.pub"
    try:
        for place in (path.parent, path):
            if place.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ConfigurationError(f"{place} can be written by others: chmod go-w {place}")
        return public_keys(path.read_text())
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error


def holders_key(folder: Path, holder: str) -> SigningKey:
    """Return the key of the orchestrator or of operators, made where it is missing.

    Agents of the same user find its public half.

    Raises:
        ConfigurationError: the files can't be made or read.
    """
    key = _kept(folder / f"{holder}.key")
    path = folder / TRUSTED / f"{holder}.pub"
    try:
        _publish(path, key.public)
    except OSError as error:
        raise ConfigurationError(f"the public key {path} can't be written: {error}") from error
    return key


def _kept(path: Path) -> SigningKey:
    try:
        if not path.exists():
            _write(path, SigningKey.generate().pem, first=True)
        return SigningKey(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the key {path} can't be used: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}; remove it, and a new one is made") from error


def _publish(path: Path, public: PublicKey) -> None:
    if not path.exists() or path.read_text() != public:
        _write(path, public, first=False)


def _write(path: Path, text: str, *, first: bool) -> None:
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = private_draft(path, text)
    if not first:
        draft.replace(path)
        return
    # Linked: of many that make the key at once the first one wins.
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
