"""The model port: one way to ask a model for a typed answer, whoever the model is.

The only place that imports ``pydantic_ai``. With no ``LLM_MODEL`` set, the model is ``offline``: a
deterministic stand-in that is no LLM, and is called what it is wherever its name is shown.
"""

from signalbox.models.faults import ModelRefused
from signalbox.models.port import Completion, Model, model_for
from signalbox.models.prices import NANOS, nanos_of, price_of, usd
from signalbox.models.prompts import prompt_version
from signalbox.models.settings import OFFLINE, ROUTE, DollarBudget, ModelSettings

__all__ = [
    "NANOS",
    "OFFLINE",
    "ROUTE",
    "Completion",
    "DollarBudget",
    "Model",
    "ModelRefused",
    "ModelSettings",
    "model_for",
    "nanos_of",
    "price_of",
    "prompt_version",
    "usd",
]
