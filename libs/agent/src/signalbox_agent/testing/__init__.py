"""An in-memory Signalbox, to test agents with: no broker, no HTTP server, no network.

::

    async with InMemorySignalbox(agents=[AGENT]) as box:
        await box.send(LeadCaptured(lead=lead))
        await box.until_idle()
        assert box.records(LeadProfiled)[0].report.summary
        assert not box.dead_letters

Registry, broker and HTTP are stand-ins; gate, intake, decider, the records of decisions and the agents' own
handling of a message are the real ones. ``docs/testing-agents.md`` shows more. Install the extra:
``signalbox-agent[testing]``.
"""

from signalbox.protocol.dead_letters import DeadLetter
from signalbox_agent.testing.box import InMemorySignalbox
from signalbox_agent.testing.clock import MovableClock
from signalbox_agent.testing.log import MemoryLog
from signalbox_agent.testing.messages import LoggedMessage
from signalbox_agent.testing.patience import Unsettled
from signalbox_agent.testing.registry import MemoryRegistry
from signalbox_agent.testing.routes import Route

__all__ = [
    "DeadLetter",
    "InMemorySignalbox",
    "LoggedMessage",
    "MemoryLog",
    "MemoryRegistry",
    "MovableClock",
    "Route",
    "Unsettled",
]
