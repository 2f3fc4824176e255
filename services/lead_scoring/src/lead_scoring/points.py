"""The stand-in's point system: every rule in sight, with its points and its words in the rationale."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from signalbox_contracts.sdr import Lead, Report

START: Final = 20
ENGAGE_FROM: Final = 65
NURTURE_FROM: Final = 25
_DESCRIBED: Final = 40  # characters; shorter is a keyword, not a description
_DESCRIBED_DENSELY: Final = 12
_MID_SIZE: Final = 50
_TWO_OF_THREE: Final = 2
_READ_LIMIT: Final = 6_000

FREE_MAIL: Final = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "icloud.com",
        "aol.com",
        "proton.me",
        "protonmail.com",
        "gmx.de",
        "gmx.net",
        "web.de",
        "t-online.de",
        "mail.ru",
        "yandex.ru",
        "qq.com",
        "163.com",
        "naver.com",
        "hanmail.net",
        "mail.com",
        "zoho.com",
        "freemail.example",
        "mail.example",
        "inbox.example",
        "webmail.example",
    ]
)


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_LEADERS: Final = _words(
    r"\bC[A-Z]{1,2}O\b|chief|founder|owner|proprietor|president|\b[SE]?VP\b|director|head of|managing",
    r"partner\b",
    r"general manager|executive|geschäftsführ|vorstand|inhaber|leiter|direct(?:or|eur|rice)|dire[ck]t",
    r"dirett|diret",
    r"dyrektor|\bPDG\b|gerente general|jef[ea]|titolare|propriétaire|eigenaar|johtaja|müdür|vezető|voditelj",
    r"дирек|руковод|основател|начальник|власник|διευθ|ιδιοκτ|社長|部長|代表|取締役|总监|總監|总经理|董事|创始人",
    r"主任|處長|副总裁|대표|이사|본부장|ผู้อำนวยการ|เจ้าของ|مدير|رئيس|מנכ|בעלים|निदेशक|अधिकारी",
)
_EXPERTS: Final = _words(
    r"manager|lead\b|architect|engineer|analyst|specialist|coordinator|administrator|developer|officer",
    r"supervisor|superintendent|planner|operations|referent|ingenieur|ingénieur|responsab|gerent",
    r"analist|kierown",
    r"inżynier|менедж|инженер|інженер|аналитик|課長|マネージャ|エンジニア|经理|經理|主管|工程师|과장|차장|팀장|매니저",
    r"엔지니어|ผู้จัดการ|مهندس|प्रबंधक",
)
_SPAM: Final = _words(
    r"\bcasino\b|\bbacklinks?\b|guest post|\bSEO (?:service|expert|package|ranking)|rank (?:your|#?1)",
    r"bitcoin|crypto (?:invest|profit)|\bviagra\b|\bloan offer|\blottery\b|make money|earn \$|click here",
    r"buy followers|invest \d+ (?:usd|eur)|has been selected|strict confidence|verified .{0,20}contacts",
    r"ignore (?:all |any |the |your )*(?:previous |prior |above )?(?:instructions|rules)",
    r"score (?:me|this lead) (?:as )?100",
)
_STUDENT: Final = _words(
    r"\bstudent\b|\bintern\b|schüler|praktikant|studierende|estudiante|étudiant|студент|学生|學生|대학생|취업준비",
    r"طالب|دانشجو|doutoramento|phd\b|postdoc",
)
_NO_BUYER: Final = _words(
    r"\b(?:my|our) (?:thesis|dissertation|homework|cv|resume)\b|final year project|looking for a job",
    r"job application",
    r"magistersk|卒業論文|referat|rédaction de mon mémoire|not buying|not a lead|no buyer",
    r"career fair|채용|hiring",
    r"unsubscribe|(?:quit|stop) e?-?mailing|kein interesse|pas intéressé|not interested",
    r"no me interesa|remove me from",
    r"you have the wrong|free tier|free (?:access|copy|version)|購入のご相談ではござ|ne kupujemo",
    r"do(?:n.t|es not) call me",
)
_COMPETITOR: Final = _words(
    r"competitive (?:research|analysis|intelligence)|reseller margin|win/loss|similar product",
    r"we (?:also )?(?:place|invest in|offer to) |\bI offer\b|web ?design|ich biete|jag erbjuder",
    r"good price|pcs of",
    r"freelanc|frilans|translator|talent partner|data engineers on my books|çevirmek isterim",
)
_NO_HURRY: Final = _words(
    r"next (?:financial )?year|some ?day|just (?:looking|browsing)|\bcurious\b|no (?:hurry|rush)",
    r"not (?:yet|urgent)",
    r"over drie jaar|exploring|early stage|nächstes jahr|kein(?:e)? eile|año que viene",
    r"l'année prochaine|來年|来年|明年|내년",
)
_TEST_ENTRY: Final = _words(
    r"^(?:test(?:ing)?|asdf+|qwert[yz]?|foo|bar|xxx+|n/?a|none|-+|\.+)(?: (?:test|asdf|user|lead))?$"
)
_SOURCES_WARM: Final = _words(r"referral|demo|pricing|contact|partner")
_SOURCES_LUKEWARM: Final = _words(r"webinar|event|fair|conference|website|form|download|newsletter|trial")
_SOURCES_COLD: Final = _words(r"purchased|list|scrap|cold|directory")


@dataclass(frozen=True, slots=True)
class Case:
    """A lead and the report about it, as the rules look at them."""

    lead: Lead
    report: Report

    @property
    def description(self) -> str:
        return (self.lead.project_description or "").strip()[:_READ_LIMIT]

    @property
    def mail_domain(self) -> str:
        return self.lead.email.rpartition("@")[2].casefold()

    @property
    def free_mail(self) -> bool:
        return self.mail_domain in FREE_MAIL

    @property
    def title(self) -> str:
        return self.lead.job_title[:200]

    @property
    def employees(self) -> int:
        numbers = re.findall(r"\d+", (self.report.company_size or "").replace(",", "").replace(".", ""))
        return max((int(number[:9]) for number in numbers), default=0)

    def signals(self, *words: str) -> bool:
        said = " ".join(self.report.buying_signals).casefold()
        return any(word in said for word in words)


@dataclass(frozen=True, slots=True)
class Rule:
    """``points`` for ``reason`` when ``holds``."""

    points: int
    reason: str
    holds: Callable[[Case], bool]


def _leads(case: Case) -> bool:
    return bool(_LEADERS.search(case.title))


def _dense(case: Case) -> bool:
    # Chinese, Japanese and Korean say in fifteen characters what takes sixty in English.
    return sum(character >= "\u2e80" for character in case.description) >= _DESCRIBED_DENSELY


def _finds(pattern: re.Pattern[str], case: Case) -> bool:
    return bool(pattern.search(f"{case.title}\n{case.lead.company_name[:200]}\n{case.description}"))


def _test_entry(case: Case) -> bool:
    fields = (case.lead.name, case.lead.company_name, case.description)
    return sum(bool(_TEST_ENTRY.match(field.strip().casefold())) for field in fields) >= _TWO_OF_THREE


def _source(pattern: re.Pattern[str]) -> Callable[[Case], bool]:
    return lambda case: bool(pattern.search(case.lead.lead_source[:100]))


RULES: Final = (
    Rule(20, "can decide", _leads),
    Rule(10, "works on the subject", lambda case: not _leads(case) and bool(_EXPERTS.search(case.title))),
    Rule(10, "writes from a company address", lambda case: not case.free_mail),
    Rule(-15, "writes from a free mail address", lambda case: case.free_mail),
    Rule(10, "describes a project", lambda case: len(case.description) >= _DESCRIBED or _dense(case)),
    Rule(-5, "describes no project", lambda case: not case.description),
    Rule(8, "has a problem that we solve", lambda case: len(case.report.pain_points) >= 1),
    Rule(4, "has several of them", lambda case: len(case.report.pain_points) > 1),
    Rule(-8, "is in no hurry", lambda case: bool(_NO_HURRY.search(case.description))),
    Rule(12, "has a budget", lambda case: case.signals("budget", "fund")),
    Rule(
        10,
        "has a date in mind",
        lambda case: case.signals("date", "month", "quarter"),
    ),
    Rule(8, "asks for a conversation", lambda case: case.signals("demonstration", "demo", "call", "meeting")),
    Rule(6, "compares vendors or prices", lambda case: case.signals("vendor", "price", "pilot", "evaluat")),
    Rule(8, "is known to us", lambda case: case.signals("known in the crm", "referred", "customer")),
    Rule(6, "came by a warm way", _source(_SOURCES_WARM)),
    Rule(
        3,
        "came by an event or the website",
        _source(_SOURCES_LUKEWARM),
    ),
    Rule(-8, "came from a cold list", _source(_SOURCES_COLD)),
    Rule(5, "is a company of fifty or more", lambda case: case.employees >= _MID_SIZE),
)

DISQUALIFIERS: Final = (
    Rule(-60, "reads like spam", lambda case: _finds(_SPAM, case)),
    Rule(-40, "studies", lambda case: bool(_STUDENT.search(case.title))),
    Rule(-40, "says that they won't buy", lambda case: _finds(_NO_BUYER, case)),
    Rule(-40, "competes with us or sells to us", lambda case: _finds(_COMPETITOR, case)),
    Rule(-60, "is a test entry", _test_entry),
    Rule(-20, "is a private person without a project", lambda case: case.free_mail and not case.description),
)
