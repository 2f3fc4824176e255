"""Ed25519 keys in PEM, and compact signatures with them.

Source: RFC 8032 (Ed25519), RFC 7515 (JWS, compact serialization), RFC 8037 (``alg`` is ``EdDSA``). The
header of a signature is one fixed text for each kind of thing that is signed: no algorithm is to be chosen.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NewType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from signalbox.protocol.errors import ConfigurationError

PublicKey = NewType("PublicKey", str)
"""The PEM of one public key, as :func:`public_keys` returns it."""

_LONGEST_TOKEN: Final = 4096
"""In characters; ours have less than a thousand."""
_PEM: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_NO_KEY: Final = "this is no Ed25519 key in PEM"


class SigningKey:
    """A private key. ``pem`` is PKCS#8, as `openssl genpkey -algorithm ed25519` writes it."""

    def __init__(self, pem: str) -> None:
        """Read the key.

        Raises:
            ConfigurationError: it is no private Ed25519 key; the text never quotes it.
        """
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigurationError(f"{_NO_KEY}, or not a private one") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationError(_NO_KEY)
        self._key = key

    @classmethod
    def generate(cls) -> "SigningKey":
        """Make a new key."""
        made = Ed25519PrivateKey.generate()
        return cls(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())

    @property
    def pem(self) -> str:
        """The private key's PEM."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return _text_of(self._key.public_key())

    def sign(self, kind: str, claims: Mapping[str, Any]) -> str:
        """Return ``claims`` as a compact JWS; a ``kind`` serves for nothing else."""
        signed = f"{_header(kind)}.{_encoded(json.dumps(claims, separators=(',', ':')).encode())}"
        return f"{signed}.{_encoded(self._key.sign(signed.encode()))}"


def public_keys(pems: str) -> tuple[PublicKey, ...]:
    """Read one or several public keys that stand one after another, for a rotation.

    Raises:
        ConfigurationError: there is none, or one of them is no public Ed25519 key.
    """
    found = tuple(_text_of(_imported(match[0])) for match in _PEM.finditer(pems))
    if not found:
        raise ConfigurationError(
            "there is no PEM of a public key, which begins with -----BEGIN PUBLIC KEY-----"
        )
    return found


def claims_of(kind: str, token: str, keys: Iterable[PublicKey]) -> tuple[dict[str, Any], PublicKey] | None:
    """Return what a ``kind`` by one of ``keys`` says, and that key; None when it is not one."""
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if len(token) > _LONGEST_TOKEN or not token.isascii() or header != _header(kind):
        return None
    try:
        key = _signer(signed.encode(), urlsafe_b64decode(signature + "=="), keys)
        claims = None if key is None else json.loads(urlsafe_b64decode(payload + "=="))
    except (ValueError, RecursionError):
        return None
    return (claims, key) if isinstance(claims, dict) and key is not None else None


def _signer(signed: bytes, signature: bytes, keys: Iterable[PublicKey]) -> PublicKey | None:
    for pem in keys:
        try:
            _imported(pem).verify(signature, signed)
        except InvalidSignature:
            continue
        return pem
    return None


@lru_cache(maxsize=256)
def _imported(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{_NO_KEY}, or not a public one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(_NO_KEY)
    return key


@lru_cache(maxsize=8)
def _header(kind: str) -> str:
    return _encoded(json.dumps({"alg": "EdDSA", "typ": kind}, separators=(",", ":")).encode())


def _text_of(key: Ed25519PublicKey) -> PublicKey:
    return PublicKey(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
