"""Whatever happens inside a tool: its caller gets an answer, and its lead goes on."""

import os
from pathlib import Path
from typing import Any

import pytest

from signalbox_agent.tools import (
    CompanyResearch,
    ContentLibrary,
    Directory,
    Finding,
    NotAvailable,
    ToolSettings,
    Website,
)

ERRORS = [
    RuntimeError("x"),
    RecursionError(),
    MemoryError(),
    AssertionError("unknown status keyword"),
    KeyError("k"),
]


def raising(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_an_error_that_nobody_thought_of_is_not_available(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("signalbox_agent.tools.website.page_text", raising(error))
    monkeypatch.setattr("signalbox_agent.tools.lookup.told", raising(error))
    monkeypatch.setattr("signalbox_agent.tools.content._search", raising(error))
    (tmp_path / "crm.csv").write_text("company,domain\nAcme,acme.example\n")
    settings = ToolSettings(
        website_fetch="on", website_allow=site.place, crm_file=tmp_path / "crm.csv", content_dir=tmp_path
    )
    research = CompanyResearch(Website(settings), Directory.crm(settings))
    findings = await research.about(email="x@acme.example", website=site.html("<p>x"))
    assert findings.found == ()
    assert [missing.kind for missing in findings.missing] == ["website", "crm"]
    assert isinstance(await ContentLibrary(settings).search("data"), NotAvailable)


async def test_a_content_folder_with_anything_in_it_is_searched(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Data\n\nGood data.")
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "binary.md").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "empty.md").write_bytes(b"")
    (tmp_path / "front.md").write_text("---\n" * 10_000)
    (tmp_path / "dangling.md").symlink_to(tmp_path / "gone.md")
    (tmp_path / "circle.md").symlink_to(tmp_path / "circle.md")
    os.mkfifo(tmp_path / "pipe.md")
    found = await ContentLibrary(ToolSettings(content_dir=tmp_path)).search("data")
    assert not isinstance(found, NotAvailable)
    assert [(type(page), page.location) for page in found] == [(Finding, "good.md")]


@pytest.mark.parametrize(
    "address",
    ["http://" + "a." * 5_000 + "com/", "http://\ud800.com/", "http://[::1", "\x00", "http://x:99999/"],
)
async def test_an_address_that_is_none_is_not_available(address: str) -> None:
    assert isinstance(await Website(ToolSettings(website_fetch="on")).fetch(address), NotAvailable)
