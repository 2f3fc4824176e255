"""Texts of agents: prompts that keep foreign words apart as data, and mails that are fit to send.

Nothing here knows the message kit or a model; ``package`` is always the calling service's own, whose
folders ``prompts`` and ``letters`` hold its words.
"""

from signalbox.texts.clickable import foreign_links
from signalbox.texts.fitness import MOST_MAILS, Unfit, twins, unfit
from signalbox.texts.hidden import without_hidden
from signalbox.texts.letters import letter
from signalbox.texts.mails import MailText, body_text, hosts_of, problem_with, subject_line
from signalbox.texts.offers import invented_offers, quotable
from signalbox.texts.prompting import as_data, instructions
from signalbox.texts.wording import name_of, one_line, plain

__all__ = [
    "MOST_MAILS",
    "MailText",
    "Unfit",
    "as_data",
    "body_text",
    "foreign_links",
    "hosts_of",
    "instructions",
    "invented_offers",
    "letter",
    "name_of",
    "one_line",
    "plain",
    "problem_with",
    "quotable",
    "subject_line",
    "twins",
    "unfit",
    "without_hidden",
]
