"""Certificates of a stack's own authority, made when they are missing."""

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signalbox.process.private_files import write_private

_VALID: Final = timedelta(days=365)
_SKEW: Final = timedelta(hours=1)
_NOTHING: Final = NoEncryption()


class Authority:
    """A certificate authority whose key stays in ``folder``; whoever trusts ``certificate`` trusts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._key_file = folder / "ca.key"
        if not self.certificate.exists():
            self._make()
        key = load_pem_private_key(self._key_file.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._own = x509.load_pem_x509_certificate(self.certificate.read_bytes())

    def issue(
        self, name: str, hosts: Iterable[str] = (), *, password: str | None = None
    ) -> tuple[Path, Path]:
        """Return a certificate for ``CN=name`` and its key, made unless they are there; both PEM files.

        ``hosts`` are the addresses that it stands for as a server; ``password`` encrypts the key.
        """
        certificate, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if not certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            encryption = BestAvailableEncryption(password.encode()) if password else _NOTHING
            write_private(key_file, _pem(key, encryption))
            certificate.write_bytes(self._signed(name, key, list(hosts)).public_bytes(Encoding.PEM))
        return certificate, key_file

    def key_store(self, name: str, hosts: Iterable[str] = ()) -> Path:
        """Return a certificate and its key in one PEM file, as Apache Kafka wants them."""
        certificate, key_file = self.issue(name, hosts)
        both = self.folder / f"{name}.keystore.pem"
        write_private(both, key_file.read_text() + certificate.read_text())
        return both

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("signalbox stack")
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        own = (
            _dated(x509.CertificateBuilder())
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key_file, _pem(key, _NOTHING))
        self.certificate.write_bytes(own.public_bytes(Encoding.PEM))

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, hosts: list[str]) -> x509.Certificate:
        builder = (
            _dated(x509.CertificateBuilder())
            .subject_name(_name(name))
            .issuer_name(self._own.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def _dated(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()
