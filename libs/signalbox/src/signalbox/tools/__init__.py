"""Tools for agents: look at a company's page, look a company up in a file or service, search content.

A tool gives typed findings, each with ``kind``, ``location`` and ``retrieved_at``, or says
:class:`NotAvailable` and why; it never invents, and it never raises because the outside is not there.
"""

from signalbox.tools.content import ContentLibrary
from signalbox.tools.findings import Finding, NotAvailable
from signalbox.tools.lookup import Directory
from signalbox.tools.research import CompanyResearch, Findings
from signalbox.tools.settings import ToolSettings
from signalbox.tools.website import Website

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
