"""What keeps a dead letter from coming back though the gate would let it pass."""

from signalbox.gate import Rejected
from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox.protocol.lesser_dead_letters import expiry, leaves_out
from signalbox.protocol.reasons import Reason
from signalbox_operations.replay.renewal import ReplayOptions


def obstacle(dead_letter: DeadLetter, options: ReplayOptions, *, edited: bool) -> Rejected | None:
    """Say why ``dead_letter`` must not be sent: what it leaves out is gone, or its id is another lead's."""
    left_out = leaves_out(dead_letter)
    given = edited or (left_out == {"headers"} and options.completes)
    if left_out and not given:
        lay_at = Position(dead_letter.topic, dead_letter.partition, dead_letter.offset)
        detail = (
            f"the letter was written without its {', '.join(sorted(left_out))}, now gone from {lay_at};"
            f" they were kept until {expiry(dead_letter)}"
        )
        return Rejected(dead_letter.reason, detail)
    if dead_letter.reason is Reason.CONFLICT and options.key in (None, dead_letter.original.key):
        detail = (
            "its lead id is another lead's, and a replay would not replace that one;"
            " give it an id of its own with --key, and the same in the record with --edit"
        )
        return Rejected(Reason.CONFLICT, detail, "key")
    return None
