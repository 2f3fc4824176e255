"""Foreign errors become ours here, and nowhere else: no ``pydantic_ai`` error travels further in."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from pydantic_ai import exceptions as foreign

from signalbox.errors import SignalboxError, Unavailable
from signalbox.telemetry import logger

_log = logger(__name__)
_DETAIL_LIMIT = 500


class ModelRefused(SignalboxError):
    """The model was reached, but gave no answer that is valid, its retries included.

    ``calls`` and the tokens say what the attempts cost. ``violated_check`` is true when the last answer
    had the right type and was turned down by the caller's own check.
    """

    def __init__(
        self, detail: str, *, calls: int, input_tokens: int, output_tokens: int, violated_check: bool = False
    ) -> None:
        super().__init__(f"the model gave no valid answer in {calls} calls: {detail}")
        self.detail = detail
        self.calls = calls
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.violated_check = violated_check


class InvalidAnswer(Exception):
    """No valid answer after all retries; the port adds what the attempts cost and raises ModelRefused."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@contextmanager
def model_errors(model: str) -> Iterator[None]:
    """Convert what a request to ``model`` raises inside the block.

    Raises:
        Unavailable: 429 (with ``Retry-After``), 5xx, time-outs, connection errors, unreadable responses; and
            any other 4xx, which an operator must fix: it says nothing about the message.
        InvalidAnswer: when the model answered, and the answer is of no use for this message.
    """
    try:
        yield
    except (foreign.ModelContextWindowExceededError, foreign.UnexpectedModelBehavior) as error:
        raise InvalidAnswer(_cause(error)) from error
    except foreign.ModelAPIError as error:
        raise _unavailable(model, error) from error
    except TimeoutError as error:
        raise Unavailable("model", f"{model}: no answer in time") from error
    except (foreign.UserError, foreign.AgentRunError) as error:
        _log.error("model_misconfigured", model=model, detail=_short(error))
        raise Unavailable("model", f"{model}: {_short(error)}") from error


def _unavailable(model: str, error: foreign.ModelAPIError) -> Unavailable:
    status = getattr(error, "status_code", None)
    if isinstance(error, foreign.ModelRequestRejectedError) or _operators_fault(status):
        # Waiting alone won't mend this, so it must be seen: a wrong key, model name or endpoint.
        _log.error("model_request_rejected", model=model, status=status, detail=_short(error))
    return Unavailable("model", f"{model}: {_short(error)}", error.retry_after)


def _operators_fault(status: int | None) -> bool:
    passing = {408, 409, 425, 429}
    return status is not None and 400 <= status < 500 and status not in passing  # noqa: PLR2004 - HTTP's classes


def _cause(error: BaseException) -> str:
    """Return the innermost text: the outer one only says that the retries are used up."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _faults_of(error) if isinstance(error, ValidationError) else _short(error)


def _faults_of(error: ValidationError) -> str:
    # Without the values: the text becomes a problem's detail and a dead letter's header, and an answer may
    # quote the person whom it is about.
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
    return "; ".join(said)[:_DETAIL_LIMIT]


def _short(error: BaseException) -> str:
    return str(error)[:_DETAIL_LIMIT]
