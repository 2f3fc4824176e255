"""Dead letters that come back: mended, held against the contract in force, sent once, and audited."""

from signalbox_operations.replay.renewal import ReplayOptions
from signalbox_operations.replay.resolutions import Resolution, Resolutions
from signalbox_operations.replay.service import DeadLetterService, PreparedReplay, open_dead_letter_service

__all__ = [
    "DeadLetterService",
    "PreparedReplay",
    "ReplayOptions",
    "Resolution",
    "Resolutions",
    "open_dead_letter_service",
]
