"""The model port: one way to ask a model for a typed answer, whoever the model is.

The only place that imports ``pydantic_ai``. With no ``LLM_MODEL`` set, the model is ``offline``: a
deterministic stand-in that is no LLM, and is called what it is wherever its name is shown.
"""

from signalbox.models.faults import ModelRefused
from signalbox.models.port import Completion, Model, model_for
from signalbox.models.prices import NANOS, price_of, usd
from signalbox.models.prompts import prompt_version
from signalbox.models.settings import OFFLINE, ROUTE, ModelSettings

__all__ = [
    "NANOS",
    "OFFLINE",
    "ROUTE",
    "Completion",
    "Model",
    "ModelRefused",
    "ModelSettings",
    "model_for",
    "price_of",
    "prompt_version",
    "usd",
]
