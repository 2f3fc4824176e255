"""The signed links by which a person confirms an address: a campaign's id, and proof that we wrote it."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import select

from send_email.mails import Kind
from send_email.queries import insert_unless_there, planned_mails
from send_email.recipients import Recipient
from send_email.rows import moment_of
from send_email.store import ScheduleStore
from send_email.tables import KEYS, MAILS, PLANS

_NAME: Final = "confirm"
_PROOF_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a link asks, and until when it may be answered."""

    recipient: Recipient
    until: datetime


class Links:
    """Blocking, as the store is, which keeps the key: so all replicas have the same."""

    def __init__(self, store: ScheduleStore, base: str) -> None:
        self._store = store
        self._base = base.rstrip("/")
        self._key = b""

    def link(self, campaign_id: str) -> str:
        """Return the link for the person whom a campaign's opening goes to."""
        return f"{self._base}/{campaign_id}.{self._proof(campaign_id)}"

    def asked(self, token: str) -> Asked | None:
        """Return whom the link with ``token`` asks; None when we did not write it."""
        campaign_id, _, proof = token.partition(".")
        if not hmac.compare_digest(proof.encode(), self._proof(campaign_id).encode()):
            return None
        openings = planned_mails().where(
            MAILS.c.campaign_id == campaign_id, PLANS.c.kind.in_([Kind.OPENING, Kind.OPENED])
        )
        with self._store.reading() as connection:
            row = connection.execute(openings).one_or_none()
        if row is None:
            return None
        return Asked(Recipient(row.recipient_key, row.domain), moment_of(row.held_until))

    def _proof(self, campaign_id: str) -> str:
        self._key = self._key or self._kept()
        mac = hmac.digest(self._key, f"confirm {campaign_id}".encode(), sha256)
        return urlsafe_b64encode(mac[:_PROOF_BYTES]).decode()

    def _kept(self) -> bytes:
        with self._store.writing() as transaction:
            # Of replicas that make one at the same time, the first one's counts for all.
            made = {"name": _NAME, "secret": secrets.token_hex(32)}
            insert_unless_there(transaction.connection, KEYS, made)
            known = transaction.connection.execute(
                select(KEYS.c.secret).where(KEYS.c.name == _NAME)
            ).scalar_one()
        return bytes.fromhex(known)
