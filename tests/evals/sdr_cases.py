"""The cases of the SDR demonstration: each record type that reaches the router, as it reaches it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from case_making import NONE, case, drawn, hostile, long, texts
from sdr_records import drafted, lead, profiled, scored

INGESTION, SCORING, MAILER = "lead_ingestion", "lead_scoring", "send_email"
WRITERS: Final = {"ACTIVELY_ENGAGE": "active_outreach", "NURTURE": "nurture_campaign"}
_SCORES: Final = {"ACTIVELY_ENGAGE": (88, 71, 60, 55), "NURTURE": (45, 54, 59, 74)}
"""Typical ones, and some on the wrong side of the usual line: the next step decides, not the number."""
_MATURITY: Final = {"active_outreach": "ready", "nurture_campaign": "early"}
_BORDERLINE: Final = range(54, 75)
_SAID: Final = texts("sdr")


def sdr_cases() -> Iterator[dict[str, Any]]:
    """Yield all cases of the domain."""
    yield from _captured()
    yield from _not_leads()
    yield from _profiled()
    yield from _scored()
    yield from _scored_by_a_newer_writer()
    yield from _drafted()


def _captured() -> Iterator[dict[str, Any]]:
    why = "A lead was captured and nobody has looked at it: lead_ingestion researches it."
    for number, (language, _, want) in enumerate(_SAID["wants"]):
        stem = f"sdr/captured/{number:02}"
        yield _capture(stem, want, INGESTION, why, [language])
        if number % 5 == 0:
            attack = f"{want} {hostile(stem, INGESTION, (INGESTION,))}"
            yield _capture(f"{stem}+hostile", attack, INGESTION, why, [language, "hostile"])
        if number % 11 == 2:
            yield _capture(f"{stem}+long", long(want, stem), INGESTION, why, [language, "long"])
    for number, want in enumerate((None, "", " ", "?")):
        yield _capture(f"sdr/captured/wordless-{number}", want, INGESTION, why, ["empty"])


def _not_leads() -> Iterator[dict[str, Any]]:
    for number, (language, text, what) in enumerate(_SAID["not_leads"]):
        stem = f"sdr/not-a-lead/{number:02}"
        why = f"This is {what} and no lead, so no research is due."
        yield _capture(stem, text, NONE, why, [language])
        if number % 5 == 1:
            attack = f"{text} {hostile(stem, NONE, (INGESTION,))}"
            yield _capture(f"{stem}+hostile", attack, NONE, why, [language, "hostile"])


def _capture(case_id: str, want: str | None, label: str, why: str, tags: list[str]) -> dict[str, Any]:
    language = tags[0] if tags[0] != "empty" else "en"
    record = {"lead": lead(case_id.partition("+")[0], language, want)}
    return case(case_id, "sdr.LeadCaptured", record, [INGESTION], label, why, tags)


def _profiled() -> Iterator[dict[str, Any]]:
    why = "The lead comes with a report and has no score yet: lead_scoring scores it."
    for number in range(36):
        stem = f"sdr/profiled/{number:02}"
        language, _, want = _SAID["wants"][number % len(_SAID["wants"])]
        record = profiled(stem, language, want, number)
        yield case(stem, "sdr.LeadProfiled", record, [SCORING], SCORING, why, [language])
        if number % 6 == 3:
            attacked = profiled(stem, language, f"{want} {hostile(stem, SCORING, (SCORING,))}", number)
            tags = [language, "hostile"]
            yield case(f"{stem}+hostile", "sdr.LeadProfiled", attacked, [SCORING], SCORING, why, tags)


def _scored() -> Iterator[dict[str, Any]]:
    for step, label in WRITERS.items():
        for number, (rationale, points) in enumerate(_SAID["rationales"][step]):
            for variant, score in enumerate(_SCORES[step]):
                if (number + variant) % 4 != 3:
                    yield from _one_scored(step, label, rationale, points, score, f"{number:02}-{variant}")


def _one_scored(
    step: str, label: str, rationale: str, points: list[str], score: int, key: str
) -> Iterator[dict[str, Any]]:
    stem = f"sdr/scored/{step.lower()}-{key}"
    why = f"The next step is {step}, which {label} is for."
    language, want = _wish(stem, _MATURITY[label])
    tags = [language, *(["borderline"] if score in _BORDERLINE else [])]
    record = scored(stem, language, want, step, score, rationale, points)
    yield _to_writers(stem, record, label, why, tags)
    fate = drawn(range(9), f"{stem} fate")
    if fate in (0, 1):
        attack = f"{want} {hostile(stem, label, tuple(WRITERS.values()))}"
        record = scored(stem, language, attack, step, score, rationale, points)
        yield _to_writers(f"{stem}+hostile", record, label, why, [*tags, "hostile"])
    if fate == 2:
        record = scored(stem, language, None, step, score, ".", [])
        yield _to_writers(f"{stem}+empty", record, label, why, [*tags, "empty"])
    if fate == 3:
        record = scored(stem, language, long(want, stem), step, score, rationale, points)
        yield _to_writers(f"{stem}+long", record, label, why, [*tags, "long"])


def _scored_by_a_newer_writer() -> Iterator[dict[str, Any]]:
    for number, (label, rationale, points) in enumerate(_SAID["rationales"]["UNKNOWN"]):
        stem = f"sdr/scored/unknown-{number:02}"
        why = f"The next step is one that we don't know; by the rationale {_fits(label)}."
        for variant in ("", "+other-lead"):
            language, want = _wish(f"{stem}{variant}", _MATURITY.get(label))
            score = drawn(range(30, 95), f"{stem}{variant} score")
            record = scored(stem + variant, language, want, "UNKNOWN", score, rationale, points)
            yield _to_writers(f"{stem}{variant}", record, label, why, [language, "unknown-step"])


def _wish(key: str, maturity: str | None) -> tuple[str, str]:
    """Draw what a prospect of this maturity wants, or of any: language and text."""
    fitting = [want for want in _SAID["wants"] if maturity in (None, want[1])]
    language, _, text = drawn(fitting, key)
    return language, text


def _fits(label: str) -> str:
    return "no campaign may follow" if label == NONE else f"it is work for {label}"


def _to_writers(
    case_id: str, record: Mapping[str, Any], label: str, why: str, tags: list[str]
) -> dict[str, Any]:
    return case(case_id, "sdr.LeadScored", record, list(WRITERS.values()), label, why, tags)


def _drafted() -> Iterator[dict[str, Any]]:
    kind, why = "sdr.CampaignDrafted", "The mails are written: send_email schedules and sends them."
    for number in range(24):
        campaign = ("ACTIVE_OUTREACH", "NURTURE")[number % 2]
        stem = f"sdr/drafted/{number:02}"
        mails = _SAID["emails"][campaign][: 1 + number % 4]
        yield case(stem, kind, drafted(stem, campaign, mails), [MAILER], MAILER, why, [campaign.lower()])
        if number % 6 == 0:
            subject, body = mails[-1]
            attack = [*mails[:-1], [subject, f"{body}\n{hostile(stem, MAILER, (MAILER,))}"]]
            tags = [campaign.lower(), "hostile"]
            yield case(f"{stem}+hostile", kind, drafted(stem, campaign, attack), [MAILER], MAILER, why, tags)
    for number, (subject, body, what) in enumerate(_SAID["unfinished"]):
        campaign = ("ACTIVE_OUTREACH", "NURTURE")[number % 2]
        stem = f"sdr/unfinished/{number:02}"
        reason = f"The draft holds {what}; send_email takes finished drafts only and writes no text."
        record = drafted(stem, campaign, [[subject, body]])
        yield case(stem, kind, record, [MAILER], NONE, reason, [campaign.lower(), "unfinished"])
