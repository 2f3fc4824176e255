"""Texts of agents: prompts that keep foreign words apart as data, and mails that are fit to send.

Nothing here knows the message kit or a model; ``package`` is always the calling service's own, whose
folders ``prompts`` and ``letters`` hold its words.
"""

from signalbox.texts.letters import letter
from signalbox.texts.mails import MailText, problem_with, subject_line
from signalbox.texts.prompting import as_data, instructions
from signalbox.texts.wording import name_of, one_line, plain

__all__ = [
    "MailText",
    "as_data",
    "instructions",
    "letter",
    "name_of",
    "one_line",
    "plain",
    "problem_with",
    "subject_line",
]
