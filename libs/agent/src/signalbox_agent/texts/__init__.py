"""Texts of agents: prompts that keep foreign words apart as data, and mails that are fit to send.

Nothing here knows the message kit or a model; ``package`` is always the calling service's own, whose
folders ``prompts`` and ``templates`` hold its words.
"""

from signalbox_agent.texts.clickable import foreign_links
from signalbox_agent.texts.fitness import MOST_MAILS, Unfit, twins, unfit
from signalbox_agent.texts.hidden import without_hidden
from signalbox_agent.texts.mails import MailText, addressed, body_text, hosts_of, problem_with, subject_line
from signalbox_agent.texts.offers import invented_offers, quotable
from signalbox_agent.texts.prompting import as_data, instructions
from signalbox_agent.texts.sender import SenderSettings
from signalbox_agent.texts.templates import filled
from signalbox_agent.texts.wording import name_of, one_line, plain

__all__ = [
    "MOST_MAILS",
    "MailText",
    "SenderSettings",
    "Unfit",
    "addressed",
    "as_data",
    "body_text",
    "filled",
    "foreign_links",
    "hosts_of",
    "instructions",
    "invented_offers",
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
