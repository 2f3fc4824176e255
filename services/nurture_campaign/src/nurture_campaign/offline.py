"""The stand-in for the offline model: fills templates around articles. Not an LLM; it understands nothing."""

from collections.abc import Iterator, Sequence
from typing import Final

from nurture_campaign.draft import Draft, DraftedMail
from nurture_campaign.library import Article
from signalbox_agent.texts import SenderSettings, filled, foreign_links, hosts_of, name_of, plain, quotable
from signalbox_contracts.sdr import LeadScored

_HOURS_A_WEEK: Final = 168
_WEEKS: Final = (0, 1, 3, 5, 8)
_MOST_ARTICLES: Final = 4
_FEWEST: Final = 3  # mails before the question; thoughts take the places of articles that are missing


def draft_stand_in(scored: LeadScored, articles: Sequence[Article], sender: SenderSettings) -> Draft:
    """Write a mail for each article, and one that asks; the same input gives the same mails."""
    ours = [article for article in articles if _is_ours(article.address, sender.site)][:_MOST_ARTICLES]
    texts = _texts(_words(scored, sender), _points(scored), ours)
    mails = [
        DraftedMail(subject=subject, body=body, send_after_hours=week * _HOURS_A_WEEK)
        for (subject, body), week in zip(texts, _WEEKS, strict=False)
    ]
    return Draft(mails=mails)


def _texts(
    words: dict[str, str], points: Sequence[str], articles: Sequence[Article]
) -> Iterator[tuple[str, str]]:
    for number, article in enumerate(articles, start=1):
        point = points[(number - 1) % len(points)]
        yield filled(__package__, f"article_{number}", {**words, "point": point, **_citation(article)})
    for number in range(len(articles) + 1, _FEWEST + 1):
        yield filled(__package__, f"thought_{number}", {**words, "point": points[(number - 1) % len(points)]})
    yield filled(__package__, "question", {**words, "point": points[0]})


def _words(scored: LeadScored, sender: SenderSettings) -> dict[str, str]:
    name, wish = name_of(scored.lead.name), quotable(scored.lead.project_description, 160)
    return {
        "greeting": f"Dear {name}," if name else "Good day,",
        "them": name_of(scored.lead.company_name) or "your company",
        "us": sender.company,
        "sender": sender.name,
        "quoted": f" You wrote: “{wish}”" if wish else "",
    }


def _points(scored: LeadScored) -> list[str]:
    points = [quotable(point, 110).rstrip(" .!?") for point in scored.talking_points]
    return [point for point in points if point] or ["keeping your data in step"]


def _is_ours(address: str, site: str) -> bool:
    return address.startswith("https://") and not foreign_links(address, hosts_of(site))


def _citation(article: Article) -> dict[str, str]:
    paragraphs = [part for part in article.text.split("\n\n") if part and not part.startswith("#")]
    return {
        "title": plain(article.title, 90),
        "kind": plain(article.kind, 30),
        "gist": plain(paragraphs[0], 260) if paragraphs else "",
        "address": article.address,
    }
