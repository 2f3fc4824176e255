"""Signing requests with a key that may be exchanged while the process runs."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.trust.keys import SigningKey
from signalbox.trust.requests import RequestParts, token_for

_log: Final = structlog.get_logger(module=__name__)
_LOOK_EVERY_S: Final = 1.0


class RequestSigner:
    """Signs requests as ``issuer``. An exchanged key counts within a second.

    While the new one can't be read, the one that was read before signs on.
    """

    def __init__(self, issuer: str, key: Callable[[], SigningKey]) -> None:
        """Read the key for the first time.

        Raises:
            ConfigurationError: there is no usable key.
        """
        self._issuer = issuer
        self._read = key
        self._key = key()
        self._looked = time.monotonic()

    def authorization(self, audience: AgentId, request: RequestParts) -> str:
        """Return the header ``Authorization`` for this one request."""
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self._looked = time.monotonic()
            try:
                self._key = self._read()
            except ConfigurationError as error:
                _log.error("signing key not read", why=str(error))
        return f"Bearer {token_for(request, audience, self._key, self._issuer)}"
