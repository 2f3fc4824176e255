"""Counters of strangers' posts in MongoDB, one document a counter; each changes atomically by itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from bson.codec_options import CodecOptions
from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from lead_capture.charges import Charge, Limited

_COLLECTION: Final = "lead_counters"


class MongoCounters:
    """``{_id: the counter's key, count, ends_at}`` beside the leads, with the same write concern."""

    def __init__(self, leads: AsyncCollection[dict[str, Any]]) -> None:
        options: CodecOptions[dict[str, Any]] = leads.codec_options
        self._counters = leads.database.get_collection(
            _COLLECTION, codec_options=options, write_concern=leads.write_concern
        )
        self._indexed = False

    async def count(self, charges: Sequence[Charge], now: datetime) -> Limited | None:
        """Count one post on each counter; when one is full, on the poster's alone, and say so.

        The poster's come first: what is refused for the recipient's sake has been counted against him then.
        """
        counted: list[Charge] = []
        for charge in sorted(charges, key=lambda one: not one.of_poster):
            if not await self._counted(charge, now):
                poster_full = charge.of_poster
                await self.take_back([one for one in counted if poster_full or not one.of_poster])
                return await self._limited(charge, now)
            counted.append(charge)
        return None

    async def take_back(self, charges: Sequence[Charge]) -> None:
        """Take back what was counted for a post that came to nothing."""
        for charge in charges:
            await self._counters.update_one({"_id": charge.key, "count": {"$gt": 0}}, {"$inc": {"count": -1}})

    async def purge(self, now: datetime) -> None:
        """Forget the counters whose time has ended."""
        if not self._indexed:
            await self._counters.create_index([("ends_at", ASCENDING)])
            self._indexed = True
        await self._counters.delete_many({"ends_at": {"$lte": now}})

    async def _counted(self, charge: Charge, now: datetime) -> bool:
        room = {"_id": charge.key, "ends_at": {"$gt": now}, "count": {"$lt": charge.limit}}
        if (await self._counters.update_one(room, {"$inc": {"count": 1}})).matched_count:
            return True
        first = {"$set": {"count": 1, "ends_at": now + charge.period}}
        try:
            # It is missing, or its time has ended. A full one has this key already, and is no match.
            await self._counters.update_one({"_id": charge.key, "ends_at": {"$lte": now}}, first, upsert=True)
        except DuplicateKeyError:
            # Full, or just made by another process.
            return bool((await self._counters.update_one(room, {"$inc": {"count": 1}})).matched_count)
        return True

    async def _limited(self, charge: Charge, now: datetime) -> Limited:
        found = await self._counters.find_one({"_id": charge.key}, {"ends_at": 1})
        return Limited(max(found["ends_at"] - now, charge.period * 0) if found else charge.period)
