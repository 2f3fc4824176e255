"""Dead letters that come back: mended, held against the contract in force, sent once, and audited."""

from signalbox.replay.closings import Closing, Closings
from signalbox.replay.desk import Desk, Prepared, open_desk
from signalbox.replay.renewal import REPLAY_OF, Mending

__all__ = ["REPLAY_OF", "Closing", "Closings", "Desk", "Mending", "Prepared", "open_desk"]
