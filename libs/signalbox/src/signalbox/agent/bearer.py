"""The agent's own bearer token: who may post messages to it."""

import hmac
import os
import secrets
from pathlib import Path

from signalbox.agent.settings import AgentSettings
from signalbox.errors import ConfigurationError
from signalbox.names import AgentId


def own_token(settings: AgentSettings, agent: AgentId) -> str:
    """Return ``AGENT_TOKEN``, or the token in the agent's file, which is made where it is missing.

    Raises:
        ConfigurationError: when the file can't be made or read, or is empty.
    """
    if settings.token is not None:
        return settings.token.get_secret_value()
    path = settings.tokens_dir / agent
    try:
        _make(path)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the token file {path} can't be used: {error}") from error
    if not token:
        raise ConfigurationError(f"the token file {path} is empty: delete it, and it is made anew")
    return token


def permits(authorization: str | None, token: str) -> bool:
    """Tell whether the header ``Authorization`` holds ``token``; takes the same time for any wrong one."""
    scheme, _, given = (authorization or "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return same and scheme.lower() == "bearer"


def _make(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole under another name and then linked: a reader never sees half a token, the first one wins.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
