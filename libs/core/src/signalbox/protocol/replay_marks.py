"""What marks a message as the replay of a dead letter."""

from typing import Final

REPLAY_OF: Final = "replay_of"
"""The header of a replay that names its dead letter: with it a workflow's guards count as the replay says."""
