"""What the kit hands to a handler beside the message."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger

from signalbox.models import Completion, Model, ModelRefused, prompt_version
from signalbox.protocol.names import MessageId

T = TypeVar("T")
Violation = Callable[[BaseModel], str | None]


class TaskModel:
    """The model port, bound to one message: its calls are recorded for it and their tokens counted."""

    def __init__(self, model: Model, message_id: MessageId) -> None:
        self._model = model
        self._message_id = message_id
        self.tokens = 0
        self.cost = 0
        """In billionths of a US dollar."""
        self.prompts: list[str] = []
        """The versions of the prompts that were used, in their order."""

    @property
    def name(self) -> str:
        """Return the model's name; ``offline`` is the stand-in."""
        return self._model.name

    async def complete(
        self,
        *,
        task: str,
        instructions: str,
        prompt: str,
        output_type: type[T],
        stand_in: Callable[[], T | Mapping[str, Any]],
        check: Callable[[T], str | None] | None = None,
    ) -> Completion[T]:
        """Ask for an ``output_type``, as :meth:`signalbox.models.Model.complete` does.

        Raises:
            Unavailable: the kit answers 503, and the message is sent again later.
            ModelRefused: the kit answers 422: no valid answer, or the model can't take this message.
        """
        try:
            completion = await self._model.complete(
                task=task,
                instructions=instructions,
                prompt=prompt,
                output_type=output_type,
                stand_in=stand_in,
                message_id=self._message_id,
                check=check,
            )
        except ModelRefused as refused:  # a handler may answer all the same
            self.tokens += refused.input_tokens + refused.output_tokens
            self.cost += refused.cost
            raise
        self.tokens += completion.tokens
        self.cost += completion.cost
        self.prompts.append(prompt_version(instructions))
        return completion


class Work:
    """The means of a handler for one message.

    ``model`` asks the model; ``log`` carries the message's ids; ``violation`` says what an output contract
    has against a record, or None: pass it to ``model.complete(check=...)`` so that the model can mend it::

        check=lambda score: work.violation(LeadScored(lead=lead, **score.model_dump()))
    """

    def __init__(self, model: TaskModel, log: FilteringBoundLogger, violation: Violation) -> None:
        self.model = model
        self.log = log
        self.violation = violation

    @property
    def tokens(self) -> int:
        """Return the model tokens spent on this message so far."""
        return self.model.tokens
