"""Requests that can never succeed as they are: too long for the model, or stopped by a content filter.

Servers say it in many ways, and some with a status that means something else (llama.cpp's 500, OpenRouter's
200 and 403, OpenAI's 429). To wait would hold the message without an end, and what is behind it.
"""

import re
from typing import Final

_TOO_LARGE: Final = 413
_UNPROCESSABLE: Final = 422
_SERVER_ERROR: Final = 500
_OPERATORS: Final = frozenset({401, 402, 404, 405, 407})
_LARGEST_LOOKED_AT: Final = 20_000
_SHOWN: Final = 300

_TOO_LONG: Final = re.compile(
    "|".join(
        [
            r"context[ _-]?(length|size|window)|exceed_context|maximum context",  # most of them
            r"prompt (is )?too long|input (is )?too long|too many (input )?tokens",  # Anthropic, Bedrock
            r"input token count|exceeds? the max(imum)? (number of )?tokens",  # Google
            r"context the overflows|reduce the length|string_above_max_length",  # LM Studio; OpenAI
            r"\+ `?max_new_tokens|request (entity )?too large",  # TGI; Groq, nginx
        ]
    ),
    re.IGNORECASE,
)
_TOO_LARGE_AT_ONCE: Final = re.compile("request too large", re.IGNORECASE)
"""Among rate limits: one request alone is over what the account may send in a minute."""
_FLAGGED: Final = re.compile(r"flagged|content_filter", re.IGNORECASE)
_FILTERED: Final = re.compile(
    "|".join(
        [
            r"content_filter|content management policy|ResponsibleAIPolicyViolation",  # Azure
            r"content_policy_violation|invalid_prompt|flagged",  # OpenAI, OpenRouter
            r"data_inspection_failed|inappropriate content|content exists risk|prohibited_content",  # Qwen …
        ]
    ),
    re.IGNORECASE,
)


class Unanswerable(Exception):
    """The model's server can't take this request, now or later; the text says why."""


def why_unanswerable(status: int, said: str) -> str | None:
    """Say why a request that was answered like this can't succeed; None when it may."""
    said = said[:_LARGEST_LOOKED_AT]
    shown = " ".join(said.split())[:_SHOWN]
    if _says(status, said, _TOO_LONG) or status == _TOO_LARGE:
        return f"it is too long for the model: {status} {shown}"
    if _says(status, said, _FILTERED):
        return f"a content filter stopped it: {status} {shown}"
    if status == _UNPROCESSABLE:
        return f"the model's server can't process it: {shown}"
    return None


def _says(status: int, said: str, words: re.Pattern[str]) -> bool:
    # What concerns a key, an account or a rate holds for all messages, whatever else the text names.
    match status:
        case _ if status in _OPERATORS:
            return False
        case 403:
            return words is _FILTERED and bool(_FLAGGED.search(said))
        case 429:
            return words is _TOO_LONG and bool(_TOO_LARGE_AT_ONCE.search(said))
        case _ if status >= _SERVER_ERROR:
            return words is _TOO_LONG and bool(words.search(said))
        case _:
            return bool(words.search(said))
