import os
from pathlib import Path

import pytest

import signalbox_agent.tools
from signalbox_agent.tools import ContentLibrary, Finding, NotAvailable, ToolSettings


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    (folder / "cases").mkdir(parents=True)
    (folder / "cases" / "logistics.md").write_text(
        "# Logistics case study\n\nA freight company halved its delays.\n\nThey used streaming data."
    )
    (folder / "retail.md").write_text("# Retail guide\n\nShops sell more with recommendations.")
    (folder / "data-platforms.txt").write_text("Streaming data for banks and insurers, and data governance.")
    (folder / "picture.png").write_bytes(b"streaming")
    return folder


def library(folder: Path) -> ContentLibrary:
    return ContentLibrary(ToolSettings(content_dir=folder))


async def search(folder: Path, words: str, limit: int = 3) -> tuple[Finding, ...]:
    found = await library(folder).search(words, limit=limit)
    assert isinstance(found, tuple), found
    return found


async def test_the_page_that_fits_best_comes_first(pages: Path) -> None:
    found = await search(pages, "Freight logistics: delays!")
    assert [(page.location, page.title) for page in found] == [("cases/logistics.md", "Logistics case study")]
    assert found[0].text == "A freight company halved its delays."
    assert found[0].kind == "content"


async def test_a_rare_word_counts_more_than_a_common_one(pages: Path) -> None:
    found = await search(pages, "streaming insurers")
    assert [page.location for page in found] == ["data-platforms.txt", "cases/logistics.md"]
    assert found[0].title == "data platforms"


async def test_front_matter_gives_the_title_and_is_no_text(pages: Path) -> None:
    page = '---\ntitle: "Zeppelin fleets"\nurl: https://x.example/\n---\n\n# Other\n\nAirships for all.'
    (pages / "air.md").write_text(page)
    [found] = await search(pages, "zeppelin")
    assert (found.title, found.text) == ("Zeppelin fleets", "Airships for all.")


async def test_singular_and_plural_are_one_word(pages: Path) -> None:
    found = await search(pages, "companies, shop")
    assert {page.location for page in found} == {"cases/logistics.md", "retail.md"}


async def test_no_more_pages_than_asked_for(pages: Path) -> None:
    assert len(await search(pages, "streaming data retail", limit=1)) == 1


async def test_words_that_are_nowhere_find_nothing_and_say_so(pages: Path) -> None:
    found = await library(pages).search("zeppelin")
    assert isinstance(found, NotAvailable)
    assert "none of its 3 pages" in found.why


@pytest.mark.parametrize("words", ["", "of", "\x00", '"; DROP TABLE pages', "NEAR(x y)", "* ^ : -", "\ud800"])
async def test_words_that_mean_something_to_the_index_or_nothing_at_all_find_nothing(
    pages: Path, words: str
) -> None:
    found = await library(pages).search(words)
    assert isinstance(found, NotAvailable)
    assert found.why.startswith("none of its")


async def test_a_page_whose_name_is_in_no_encoding_is_found_as_the_others_are(pages: Path) -> None:
    Path(os.fsdecode(os.fsencode(pages) + b"/x\xff.md")).write_text("All about the Stra\u00dfe")
    [found] = await search(pages, "strasse")
    assert found.text == "All about the Stra\u00dfe"


async def test_a_link_out_of_the_folder_is_not_followed(pages: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("zeppelin plans")
    (pages / "link.md").symlink_to(secret)
    assert isinstance(await library(pages).search("zeppelin"), NotAvailable)


@pytest.mark.parametrize("text", ["", "# \n", "   \n\n"])
async def test_an_empty_page_does_no_harm(pages: Path, text: str) -> None:
    (pages / "empty.md").write_text(text)
    (pages / "zeppelin.md").write_text(text)
    assert [page.text.strip() for page in await search(pages, "zeppelin")] in ([""], ["#"])


async def test_an_empty_folder_and_a_missing_one_are_not_available(tmp_path: Path) -> None:
    assert isinstance(await library(tmp_path).search("x"), NotAvailable)
    assert isinstance(await library(tmp_path / "none").search("x"), NotAvailable)
    assert isinstance(await ContentLibrary(ToolSettings()).search("x"), NotAvailable)


def test_the_package_exports_these_names_and_no_others() -> None:
    assert signalbox_agent.tools.__all__ == [
        "CompanyResearch", "ContentLibrary", "Directory", "Finding", "Findings", "NotAvailable",
        "ToolSettings", "Website",
    ]  # fmt: skip
