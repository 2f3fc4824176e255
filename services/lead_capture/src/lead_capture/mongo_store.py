"""Leads in MongoDB, one document a lead, with no transaction and no change stream.

A document is ``{_id: the lead id, details, captured_at, published_at, outbox}``; ``outbox`` is ``{position,
leased_by, leased_until}``, is there while the lead waits, and goes away in the very update that sets
``published_at``, so that the index on it stays as small as what waits. MongoDB changes one document
atomically; no more is needed.
"""

import logging
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from bson.codec_options import CodecOptions
from pymongo import ASCENDING, AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from lead_capture.charges import Charge, Limited
from lead_capture.lead import CapturedLead, LeadDetails
from lead_capture.mongo_counters import MongoCounters
from lead_capture.store import LEASE, CaptureOutcome, OutboxState
from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox.protocol.names import LeadId

_Document = dict[str, Any]

_DATABASE: Final = "lead_capture"
_COLLECTION: Final = "leads"
_TIMEOUT_MS: Final = 5000
_DUPLICATE_KEY: Final = 11000
_NEVER: Final = datetime.fromtimestamp(0, UTC)
_DURABLE: Final = WriteConcern("majority", j=True)
"""On the disks of most members: what was answered with 202 survives the loss of the primary."""
_WAITING: Final = {"outbox.position": {"$exists": True}}


class MongoLeadStore:
    """A LeadStore in the database that the URL names, else in ``lead_capture``; needs MongoDB 4.4.

    ``timeoutMS`` in the URL is how long one operation may take, 5,000 by default. ``holder`` is the name
    under which leads are leased, another one for each process.

    Raises:
        ConfigurationError: the URL is not one of MongoDB's.
    """

    def __init__(self, url: str, lease: timedelta = LEASE, holder: str = "") -> None:
        # Its DEBUG lines hold whole commands, and those hold leads.
        logging.getLogger("pymongo").setLevel(logging.INFO)
        self._client = _client(url)
        self._leads = _collection(self._client)
        self._counters = MongoCounters(self._leads)
        self._lease = lease
        self._holder = holder or str(uuid.uuid4())
        self._indexed = False

    async def add(self, leads: Sequence[CapturedLead]) -> list[CaptureOutcome]:
        """Keep the leads that are new; each by itself, so that a failure may leave some of them kept."""
        details = [lead.details.model_dump() for lead in leads]
        first: dict[LeadId, _Document] = {}
        for lead, fields in zip(leads, details, strict=True):
            first.setdefault(lead.lead_id, _document(lead, fields))
        known = await self._insert(list(first.values()))
        outcomes = []
        for lead, fields in zip(leads, details, strict=True):
            before = known.setdefault(lead.lead_id, fields)
            if before is fields:
                outcomes.append(CaptureOutcome.STORED)
            else:
                outcomes.append(CaptureOutcome.KNOWN if before == fields else CaptureOutcome.TAKEN)
        return outcomes

    async def admit(self, lead: CapturedLead, charges: Sequence[Charge]) -> CaptureOutcome | Limited:
        """Count the lead, then keep it; what was counted for one that is not kept is taken back."""
        if not charges:
            return (await self.add([lead]))[0]
        details = lead.details.model_dump()
        safe = self._leads.with_options(read_concern=ReadConcern("majority"))
        async with _border():
            if before := await safe.find_one({"_id": lead.lead_id}, {"details": 1}):
                return CaptureOutcome.KNOWN if before["details"] == details else CaptureOutcome.TAKEN
            if limited := await self._counters.count(charges, datetime.now(UTC)):
                return limited
        (outcome,) = await self.add([lead])
        if outcome is not CaptureOutcome.STORED:
            async with _border():
                await self._counters.take_back(charges)
        return outcome

    async def purge(self, now: datetime) -> None:
        async with _border():
            await self._counters.purge(now)

    async def probe(self, size: int) -> None:
        probes = self._leads.database.get_collection("store_probes", write_concern=_DURABLE)
        async with _border():
            filler = {"_id": self._holder, "filler": os.urandom(size)}
            await probes.replace_one({"_id": self._holder}, filler, upsert=True)

    async def state(self, lead_id: LeadId) -> OutboxState | None:
        async with _border():
            found = await self._leads.find_one({"_id": lead_id}, {"captured_at": 1, "published_at": 1})
        if found is None:
            return None
        return OutboxState(lead_id, found["captured_at"], found["published_at"])

    async def claim(self, limit: int) -> list[CapturedLead]:
        async with _border():
            await self._ensure_index()
            while found := await self._oldest_free(limit):
                if leads := await self._leased(found):
                    return leads
        return []

    async def count_waiting(self) -> int:
        async with _border():
            return await self._leads.count_documents(_WAITING)

    async def mark_published(self, lead_ids: Sequence[LeadId], at: datetime) -> None:
        ours = {"_id": {"$in": list(lead_ids)}, **_WAITING}
        async with _border():
            await self._leads.update_many(ours, {"$set": {"published_at": at}, "$unset": {"outbox": ""}})

    async def close(self) -> None:
        free = {"outbox.leased_by": None, "outbox.leased_until": _NEVER}
        with suppress(Unavailable):  # the leases run out by themselves
            async with _border():
                await self._leads.update_many({"outbox.leased_by": self._holder}, {"$set": free})
        await self._client.close()

    async def _insert(self, documents: list[_Document]) -> dict[LeadId, _Document]:
        """Insert what is new, and return the details of what was there before, by lead id."""
        async with _border():
            try:
                await self._leads.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                known = [documents[index]["_id"] for index in _duplicates(error)]
            else:
                return {}
            # A lead that only some members have may be lost yet: it is known when a majority has it.
            safe = self._leads.with_options(read_concern=ReadConcern("majority"))
            before = {
                found["_id"]: found["details"]
                async for found in safe.find({"_id": {"$in": known}}, {"details": 1})
            }
        if len(before) < len(known):
            raise Unavailable("lead store", "a lead of this id is just being stored")
        return before

    async def _ensure_index(self) -> None:
        if not self._indexed:
            await self._leads.create_index([("outbox.position", ASCENDING)], sparse=True)
            self._indexed = True

    async def _oldest_free(self, limit: int) -> _Document:
        """Say which leads are the oldest that can be claimed, as a filter; empty when there are none."""
        now = datetime.now(UTC)
        free = {
            **_WAITING,
            "$or": [{"outbox.leased_until": {"$lte": now}}, {"outbox.leased_by": self._holder}],
        }
        oldest = self._leads.find(free, {"_id": 1}).sort("outbox.position", ASCENDING).limit(limit)
        ids = [found["_id"] async for found in oldest]
        return {"_id": {"$in": ids}, **free} if ids else {}

    async def _leased(self, found: _Document) -> list[CapturedLead]:
        """Lease what is still free of ``found``: of two processes that saw a lead free, one gets it."""
        lease = {"outbox.leased_by": self._holder, "outbox.leased_until": datetime.now(UTC) + self._lease}
        await self._leads.update_many(found, {"$set": lease})
        ours = {"_id": found["_id"], "outbox.leased_by": self._holder}
        return [
            _lead(document) async for document in self._leads.find(ours).sort("outbox.position", ASCENDING)
        ]


def _client(url: str) -> AsyncMongoClient[_Document]:
    settings: dict[str, Any] = {} if "timeoutms=" in url.lower() else {"timeoutMS": _TIMEOUT_MS}
    try:
        return AsyncMongoClient(url, appname="signalbox-lead-capture", **settings)
    except (PyMongoError, ValueError, TypeError) as error:
        # The driver's words may quote what stands in the URL, and that may be a part of the password.
        detail = "is no MongoDB URL that can be used; in a password, @ is written %40, : %3A and / %2F"
        raise ConfigurationError(f"LEAD_STORE_URL {detail} ({type(error).__name__})") from None


def _collection(client: AsyncMongoClient[_Document]) -> AsyncCollection[_Document]:
    aware: CodecOptions[_Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
    database = client.get_default_database(_DATABASE)
    return database.get_collection(_COLLECTION, codec_options=aware, write_concern=_DURABLE)


def _document(lead: CapturedLead, details: _Document) -> _Document:
    return {
        "_id": lead.lead_id,
        "details": details,
        "captured_at": lead.captured_at,
        "published_at": None,
        # An ObjectId made here grows with the time, and within one process with each lead.
        "outbox": {"position": ObjectId(), "leased_by": None, "leased_until": _NEVER},
    }


def _lead(document: Mapping[str, Any]) -> CapturedLead:
    details = LeadDetails.model_construct(**document["details"])
    return CapturedLead(LeadId(document["_id"]), details, document["captured_at"])


def _duplicates(error: BulkWriteError) -> list[int]:
    """Return the positions of the documents whose ids were there; raises when anything else went wrong."""
    failed = error.details.get("writeErrors", [])
    others = [one["code"] for one in failed if one["code"] != _DUPLICATE_KEY]
    if others or error.details.get("writeConcernErrors"):
        raise Unavailable("lead store", f"not all leads were stored durably (codes {others})") from None
    return [one["index"] for one in failed]


@asynccontextmanager
async def _border() -> AsyncIterator[None]:
    """Turn what the driver says into the project's own error, without documents or credentials."""
    try:
        yield
    except PyMongoError as error:
        raise Unavailable("lead store", _said(error)) from None


def _said(error: PyMongoError) -> str:
    if isinstance(error, OperationFailure):
        name = (error.details or {}).get("codeName", type(error).__name__)
        return f"MongoDB answered {name} (code {error.code})"
    if isinstance(error, ConnectionFailure):
        return f"MongoDB does not answer ({type(error).__name__})"
    return f"MongoDB's driver failed ({type(error).__name__})"
