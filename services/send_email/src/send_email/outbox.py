"""Hand over by file: each mail becomes an ``.eml`` in a folder, and nothing leaves the machine."""

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from send_email.composing import Sender, verified
from send_email.handover import Deferred, Delivered, Outcome, Refused
from send_email.mails import Mail


class Outbox:
    """The safe default. A mail's file is named after its Message-ID, so repeating a handover is harmless."""

    repeatable = True

    def __init__(self, folder: Path, sender: Sender, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._sender = sender
        self._clock = clock

    async def deliver(self, mail: Mail) -> Outcome:
        try:
            text = verified(mail, self._sender, self._clock())
        except ValueError as error:
            return Refused(str(error))
        try:
            await asyncio.to_thread(_write_whole, self._folder / file_name(mail), text)
        except OSError as error:
            return Deferred(f"the outbox can't be written: {error.strerror}")
        return Delivered()


def file_name(mail: Mail) -> str:
    """Name a mail's file: its Message-ID's unique part."""
    return f"{mail.message_id.partition('@')[0]}.eml"


def _write_whole(path: Path, content: bytes) -> None:
    # Write aside, make it durable, then rename: a reader sees the whole file or none.
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
