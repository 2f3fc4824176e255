"""Dead letters that come back: mended, held against the contract in force, sent once, and audited."""

from signalbox.replay.renewal import REPLAY_OF, ReplayOptions
from signalbox.replay.resolutions import Resolution, Resolutions
from signalbox.replay.service import DeadLetterService, PreparedReplay, open_dead_letter_service

__all__ = [
    "REPLAY_OF",
    "DeadLetterService",
    "PreparedReplay",
    "ReplayOptions",
    "Resolution",
    "Resolutions",
    "open_dead_letter_service",
]
