"""Every request to a model is recorded here, at the port: offline and real ones alike."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import Counter

from signalbox.models.prices import NANOS, Price
from signalbox.models.said import Said

_CALLS = Counter(
    "signalbox_model_calls_total", "Requests sent to a model, retries included", ["model", "task"]
)
_TOKENS = Counter("signalbox_model_tokens_total", "Tokens of model requests", ["model", "task", "direction"])
_COST = Counter(
    "signalbox_model_cost_usd_total", "What model requests cost, where the price is known", ["model", "task"]
)


class CallLog:
    """A file with one JSON line a request: ``time``, ``task``, ``message_id``, ``model``.

    A line is one ``write`` in append mode, so several processes can share the file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, *, task: str, message_id: str, model: str) -> None:
        """Write the line of a request that is about to be sent."""
        if self._path is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "task": task, "message_id": message_id, "model": model})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


@dataclass
class Spent:
    """What a completion took so far; ``cost`` is in billionths of a US dollar, 0 where no price is known."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0


@dataclass(slots=True)
class Account:
    """Records the requests of one completion, and adds up what they cost in ``spent``."""

    log: CallLog
    model: str
    task: str
    message_id: str
    price: Price | None
    spent: Spent

    def sending(self) -> None:
        """Record a request before it is sent: one that fails or hangs was one, too."""
        self.spent.calls += 1
        _CALLS.labels(self.model, self.task).inc()
        self.log.append(task=self.task, message_id=self.message_id, model=self.model)

    def answered(self, said: Said) -> None:
        """Add what an answer cost."""
        self.spent.input_tokens += said.input_tokens
        self.spent.output_tokens += said.output_tokens
        _TOKENS.labels(self.model, self.task, "input").inc(said.input_tokens)
        _TOKENS.labels(self.model, self.task, "output").inc(said.output_tokens)
        if self.price is not None:
            cost = self.price(said.input_tokens, said.output_tokens)
            self.spent.cost += cost
            _COST.labels(self.model, self.task).inc(cost / NANOS)
