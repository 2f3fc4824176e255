"""Foreign errors become ours here, and nowhere else: no ``pydantic_ai`` error travels further in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic_ai import exceptions as foreign

from signalbox.models.faults import UnsupportedForm
from signalbox.models.forms import is_about_the_form
from signalbox.models.unanswerable import Unanswerable, why_unanswerable
from signalbox.protocol.errors import NotAnAnswer, Unavailable, causes
from signalbox.telemetry import logger

_log = logger(__name__)
_DETAIL_LIMIT = 500
_NEVER_SENT: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
_RATE_LIMITED: Final = 429
_ABOUT_A_REQUEST: Final = frozenset({400, 404, 415, 500, 501})
_OPERATORS: Final = frozenset({401, 402, 403, 404, 405, 407})
"""A key, an account, a model's name or an address that is wrong: the same for every message."""


@contextmanager
def request_errors(model: str) -> Iterator[None]:
    """Convert whatever one request to ``model`` raises inside the block.

    Raises:
        NotAnAnswer: 5xx and time-outs, connections that broke, and whatever the client can't read.
        Unanswerable: the server can't take this request, now or later.
        UnsupportedForm: it can't answer in the form that it was asked for.
        Unavailable: 429 (with ``Retry-After``), no connection, and what an operator must mend.
    """
    try:
        yield
    except TimeoutError as error:
        raise NotAnAnswer("model", f"{model}: no answer in time") from error
    except Exception as error:
        raise _converted(model, error) from error


def _converted(model: str, error: Exception) -> Exception:
    chain = list(causes(error))
    ours = next((one for one in chain if isinstance(one, NotAnAnswer | Unanswerable)), None)
    if isinstance(ours, Unanswerable):
        return ours
    if ours is not None:
        return NotAnAnswer("model", f"{model}: {ours.detail}", ours.retry_after)
    if isinstance(error, foreign.ModelAPIError):
        return _of_status(model, error, any(type(one).__name__ in _NEVER_SENT for one in chain))
    if isinstance(error, foreign.UserError):
        if is_about_the_form(str(error)):
            return UnsupportedForm("model", f"{model}: {_short(error)}")
        return _misconfigured(model, error)
    # The client stumbled over what came: an IndexError of ours or theirs says nothing about the message.
    return NotAnAnswer("model", f"{model}: {type(error).__name__}: {_short(error)}")


def _of_status(model: str, error: foreign.ModelAPIError, never_sent: bool) -> Exception:
    status, said = getattr(error, "status_code", None), f"{model}: {_short(error)}"
    # Not by the class: to the library some words in a 503 are a context that is too long, too.
    if status is not None and (why := why_unanswerable(status, getattr(error, "body", None))):
        return Unanswerable(why)
    # A model may be called "functionary", and errors name it.
    if status in _ABOUT_A_REQUEST and is_about_the_form(_short(error).replace(error.model_name, "")):
        return UnsupportedForm("model", said, error.retry_after)
    if status in _OPERATORS:
        # Waiting alone won't mend this, so it must be seen: a wrong key, model name or endpoint.
        _log.error("model_request_rejected", model=model, status=status, detail=_short(error))
        return Unavailable("model", said, error.retry_after)
    if status == _RATE_LIMITED or never_sent:
        return Unavailable("model", said, error.retry_after)
    if isinstance(error, foreign.ModelRequestRejectedError):
        # It may be this message alone, or every one: which of the two, others' answers tell.
        _log.error("model_request_rejected", model=model, status=status, detail=_short(error))
    return NotAnAnswer("model", said, error.retry_after)


def _misconfigured(model: str, error: Exception) -> Unavailable:
    _log.error("model_misconfigured", model=model, detail=_short(error))
    return Unavailable("model", f"{model}: {_short(error)}")


def _short(error: BaseException) -> str:
    return str(error)[:_DETAIL_LIMIT]
