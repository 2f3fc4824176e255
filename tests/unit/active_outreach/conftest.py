import pytest

from active_outreach.agent import make_agent
from handling import a_lead, contracts, message, work
from signalbox_agent import Agent

__all__ = ["a_lead", "contracts", "message", "work"]


@pytest.fixture
def agent() -> Agent:
    return make_agent()
