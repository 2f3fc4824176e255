"""Tools for agents: look at a company's page, look a company up in a file or service, search content.

A tool gives typed findings, each with ``kind``, ``location`` and ``retrieved_at``, or says
:class:`NotAvailable` and why; it never invents, and it never raises because the outside is not there.
"""

from signalbox_agent.tools.content import ContentLibrary
from signalbox_agent.tools.findings import Finding, NotAvailable
from signalbox_agent.tools.lookup import Directory
from signalbox_agent.tools.research import CompanyResearch, Findings
from signalbox_agent.tools.settings import ToolSettings
from signalbox_agent.tools.website import Website

__all__ = [
    "CompanyResearch",
    "ContentLibrary",
    "Directory",
    "Finding",
    "Findings",
    "NotAvailable",
    "ToolSettings",
    "Website",
]
