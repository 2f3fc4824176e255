"""Requests that can never succeed as they are: too long for the model, or stopped by a content filter.

To wait for those would hold the message without an end, and what is behind it. To refuse what was only a bad
moment would cost a good message at once. So a form counts and not a word: an error of the protocol, whose
status fits, with a code that is known or a sentence that a known server writes. A page says nothing, whatever
stands on it. What is missed here waits, and ends when that message alone never has an answer
(:mod:`signalbox.process.own_failures`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_OK: Final = 200
_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_TOO_LARGE: Final = 413
_UNPROCESSABLE: Final = 422
_RATE_LIMITED: Final = 429
_LARGEST_LOOKED_AT: Final = 200_000
_SHOWN: Final = 300

_OF_THE_REQUEST: Final = frozenset({_BAD_REQUEST, _TOO_LARGE, _UNPROCESSABLE})
"""The statuses about one request. A 5xx, a 429 or a 403 is about the moment, the account or the key."""
_OF_LLAMA_CPP: Final = _OF_THE_REQUEST | {500}
_OF_A_FILTER: Final = _OF_THE_REQUEST | {_FORBIDDEN}


def _any(*forms: str) -> re.Pattern[str]:
    return re.compile("|".join(forms), re.IGNORECASE | re.DOTALL)


_TOO_LONG_NAMES: Final = frozenset(
    {
        "context_length_exceeded",  # OpenAI, Groq, LM Studio
        "string_above_max_length",  # OpenAI
        "exceed_context_size_error",  # llama.cpp
        "contextwindowexceedederror",  # LiteLLM
        "request_too_large",  # Anthropic
        "tokens_limit_reached",  # GitHub Models
    }
)
_TOO_LONG: Final = _any(
    r"maximum (context|prompt) length (is|of) \d+",  # OpenAI, vLLM, SGLang, OpenRouter, xAI
    r"model'?s context length (is only|\()\s?\d+",  # vLLM, SGLang
    r"longer than the maximum model length of \d+",  # vLLM
    r"too large for model with \d+ maximum context length",  # Mistral
    r"\b(prompt|input) is too long( for requested model|:? ?\d+| ?\()",  # Anthropic, Bedrock, Fireworks
    r"(^|- |\")(the )?(prompt|input) is too long\.?($|\")",
    r"input length and `?max_tokens`? exceed context limit",  # Anthropic
    r"too many input tokens\. max input tokens: \d+",  # Bedrock
    r"too many tokens: (the )?total number of tokens",  # Cohere
    r"input token count \(?\d+\)? exceeds the maximum",  # Google
    r"exceeds the context window of this model",  # OpenAI
    r"context the overflows",  # LM Studio
    r"inputs`? tokens \+ `?max_new_tokens`? must be",  # TGI, Together
    r"inputs`? must have less than \d+ tokens",  # TGI
    r"request \(\d+ tokens\) exceeds the available context size",  # llama.cpp
    r"exceeds? (the )?(max(imum)? )?context length( by \d+|\.?$)",  # Ollama
    r"exceeded model token limit: \d+",  # Moonshot
    r"range of input length should be",  # Qwen
    r"litellm\.ContextWindowExceededError",
)
_TOO_LONG_FOR_LLAMA_CPP: Final = _any(
    r"^the request exceeds the available context size",
    r"^request \(\d+ tokens\) exceeds the available context size",
    r"^context size has been exceeded",
)
_OVER_THE_RATE_ALONE: Final = _any(r"request too large for .* limit:? (\d+), requested:? (\d+)")
"""Among rate limits: this request alone is over what the account may send in a minute. OpenAI, Groq."""

_FILTER_NAMES: Final = frozenset(
    {
        "content_filter",  # Azure
        "responsibleaipolicyviolation",  # Azure
        "content_policy_violation",  # OpenAI
        "contentpolicyviolationerror",  # LiteLLM
        "data_inspection_failed",  # Qwen
        "datainspectionfailed",  # Qwen
        "prohibited_content",  # Google
    }
)
_FILTERED: Final = _any(
    r"triggering (azure openai's|microsoft's) content management policy",  # Azure
    r"^invalid prompt: .*\bflagged\b",  # OpenAI
    r"^(<\d+> )?(\w+\.)*(in|out)put (text |image )?data may contain inappropriate content",  # Qwen
    r"^content exists risk",  # DeepSeek
    r"failed check: SAFETY_CHECK_TYPE_",  # xAI
    r"litellm\.ContentPolicyViolationError",
)
_OF_THE_MOMENT: Final = _any(
    r"rate.?limit|throttl|quota|overloaded|unavailable|please wait|too many requests",
    r"\b(tokens|requests) per (min|minute|hour|day)\b",
)
"""What says that others' requests, or the same one later, are the matter: it wins over all but the 413."""


class Unanswerable(Exception):
    """The model's server can't take this request, now or later; the text says why."""


@dataclass(frozen=True, slots=True)
class _Error:
    """An error of the protocol: the statuses that it was sent with, its codes, its sentences."""

    statuses: frozenset[int]
    names: frozenset[str]
    messages: tuple[str, ...]
    flagged: bool

    def fits(self, statuses: frozenset[int]) -> bool:
        return self.statuses <= statuses

    def says(self, forms: re.Pattern[str]) -> bool:
        return any(forms.search(message) for message in self.messages)

    @property
    def of_the_moment(self) -> bool:
        return self.says(_OF_THE_MOMENT) or any(map(_OF_THE_MOMENT.search, self.names))


def why_unanswerable(status: int, said: object) -> str | None:
    """Say why a request that was answered like this can't succeed; None when it may.

    ``said`` is the body: JSON text, what was read from it, or None when it was sent as something else.
    """
    error = _error(status, said)
    shown = " ".join(str(said or "").split())[:_SHOWN]
    if status == _TOO_LARGE or (error and _is_too_long(error)):
        return f"it is too long for the model: {status} {shown}"
    if error is None or error.of_the_moment:
        return None
    if _is_filtered(error):
        return f"a content filter stopped it: {status} {shown}"
    if error.statuses == {_UNPROCESSABLE}:
        return f"the model's server can't process it: {shown}"
    return None


def _is_too_long(error: _Error) -> bool:
    if error.fits(frozenset({_RATE_LIMITED, _TOO_LARGE})):
        found = (_OVER_THE_RATE_ALONE.search(message) for message in error.messages)
        return any(one is not None and int(one[2]) > int(one[1]) for one in found)
    if error.of_the_moment:
        return False
    if error.fits(_OF_LLAMA_CPP) and (
        "exceed_context_size_error" in error.names or error.says(_TOO_LONG_FOR_LLAMA_CPP)
    ):
        return True
    return error.fits(_OF_THE_REQUEST) and (
        not error.names.isdisjoint(_TOO_LONG_NAMES) or error.says(_TOO_LONG)
    )


def _is_filtered(error: _Error) -> bool:
    named = not error.names.isdisjoint(_FILTER_NAMES) or error.flagged
    return error.fits(_OF_A_FILTER) and (named or error.says(_FILTERED))


def _error(status: int, said: object) -> _Error | None:
    """Read the error of the protocol in ``said``; None when there is none."""
    parts = list(_parts(_read(said)))
    if not any(_texts(part) or _names(part) for part in parts):
        return None
    own = {code for part in parts if (code := _http_status(part.get("code"))) is not None}
    # An error in a 200 brings its status with it; without one it is taken for what a request alone causes.
    sent = set() if status == _OK and own else {_BAD_REQUEST if status == _OK else status}
    return _Error(
        statuses=frozenset(own | sent),
        names=frozenset(name for part in parts for name in _names(part)),
        messages=tuple(text for part in parts for text in _texts(part)),
        flagged=any("flagged_input" in part for part in parts),  # OpenRouter's moderation
    )


def _read(said: object) -> object:
    if not isinstance(said, str) or len(said) > _LARGEST_LOOKED_AT:
        return None if isinstance(said, str) else said
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None


def _parts(said: object, deep: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that an error is made of: itself, Azure's inner error, what a gateway passes on."""
    if isinstance(said, list) and len(said) == 1:  # Google
        said = said[0]
    if not isinstance(said, dict) or deep > 3:  # noqa: PLR2004
        return
    part = {str(name).lower(): value for name, value in said.items()}
    yield part
    for name in ("error", "innererror", "inner_error", "metadata", "detail"):
        yield from _parts(part.get(name), deep + 1)
    if "raw" in part:
        yield from _parts(_read(part["raw"]), deep + 1)


def _names(part: Mapping[str, Any]) -> list[str]:
    found = [part.get(name) for name in ("code", "type", "error_type")]
    return [one.lower() for one in found if isinstance(one, str) and not one.isdigit()]


def _texts(part: Mapping[str, Any]) -> list[str]:
    found = [part.get(name) for name in ("message", "error", "detail")]
    return [one for one in found if isinstance(one, str) and one]


def _http_status(code: object) -> int | None:
    number = int(code) if isinstance(code, str) and re.fullmatch("[1-5][0-9]{2}", code) else code
    return number if type(number) is int and 100 <= number <= 599 else None  # noqa: PLR2004
