import pytest

from handling import a_lead, contracts, message, work
from lead_ingestion.agent import make_agent
from signalbox_agent import Agent

__all__ = ["a_lead", "contracts", "message", "work"]


@pytest.fixture
def agent() -> Agent:
    return make_agent()
