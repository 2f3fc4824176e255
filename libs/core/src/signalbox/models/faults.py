"""What may go wrong with a model beside what may go wrong with any other: its answers are of no use."""

from signalbox.protocol.errors import NotAnAnswer, SignalboxError


class ModelRefused(SignalboxError):
    """The model was reached, but gave no answer that is valid, its retries included.

    ``calls``, the tokens and ``cost`` (billionths of a US dollar) say what the attempts took.
    ``violated_check`` is true when the last answer had the right type and was turned down by the caller's
    own check.
    """

    def __init__(
        self,
        detail: str,
        *,
        calls: int,
        input_tokens: int,
        output_tokens: int,
        cost: int = 0,
        violated_check: bool = False,
    ) -> None:
        super().__init__(f"the model gave no valid answer in {calls} calls: {detail}")
        self.detail = detail
        self.calls = calls
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.cost = cost
        self.violated_check = violated_check


class InvalidAnswer(Exception):
    """No valid answer after all retries; the port adds what the attempts cost and raises ModelRefused."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class UnsupportedForm(NotAnAnswer):
    """The server can't answer in the form that it was asked for; in another it may."""
