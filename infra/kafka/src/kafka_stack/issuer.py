"""Who signs the tokens that a secured broker takes: a key, and the JWKS file by which the broker knows it.

Source: RFC 7517 (JSON Web Key Set), RFC 7519 (JSON Web Token); Apache Kafka, KIP-768.
"""

import json
import time
from pathlib import Path
from typing import Final

from joserfc import jwt
from joserfc.jwk import ECKey

from signalbox.process.private_files import write_private

AUDIENCE: Final = "signalbox-kafka"
ISSUER: Final = "signalbox-stack"
_ALGORITHM: Final = "ES256"


class Issuer:
    """Signs tokens with the key in ``folder``; ``jwks`` is the file that the broker reads."""

    def __init__(self, folder: Path) -> None:
        self.jwks = folder / "jwks.json"
        key_file = folder / "issuer.key"
        if not key_file.exists():
            made = ECKey.generate_key("P-256", {"alg": _ALGORITHM, "use": "sig", "kid": "stack"})
            write_private(key_file, json.dumps(made.as_dict(private=True)))
            self.jwks.write_text(json.dumps({"keys": [made.as_dict(private=False)]}))
        self._key = ECKey.import_key(json.loads(key_file.read_text()))

    def token(self, subject: str, *, lasts_s: int = 300, audience: str = AUDIENCE) -> str:
        """Return a token for the principal ``User:subject``."""
        now = int(time.time())
        claims = {"sub": subject, "iss": ISSUER, "aud": audience, "iat": now, "exp": now + lasts_s}
        return jwt.encode({"alg": _ALGORITHM, "kid": "stack"}, claims, self._key)
