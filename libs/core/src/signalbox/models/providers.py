"""A real model by its name: anything ``pydantic_ai`` can name, or any OpenAI-compatible endpoint."""

from importlib.metadata import metadata
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class
from pydantic_ai.providers.openai import OpenAIProvider

from signalbox.models.chat_client import ChatClient
from signalbox.models.settings import ModelSettings
from signalbox.protocol.errors import ConfigurationError

_CHAT_PREFIXES: Final = ("openai-chat:", "openai:")
_OPENAIS_OWN: Final = ("openai.com", "openai.azure.com", "cognitiveservices.azure.com")
_PLAIN_CHAT: Final = frozenset(
    {"openai-chat", "alibaba", "azure", "deepseek", "fireworks", "litellm", "moonshotai", "nebius", "ollama"}
    | {"ovhcloud", "sambanova", "together", "vercel", "vllm"}
)
"""Providers that speak chat completions and nothing of their own beside it: their answers are read by us."""


def provider_model(name: str, settings: ModelSettings) -> Model:
    """Make the client of the model ``name``; nothing is sent yet.

    With ``LLM_BASE_URL`` it speaks OpenAI chat completions to that address (Ollama, vLLM, llama.cpp,
    Azure); else the part before the colon names the provider, whose own key variable counts unless
    ``LLM_API_KEY`` is set.

    Raises:
        ConfigurationError: when the name, its provider's package or its key is missing.
    """
    try:
        if settings.base_url:
            return _chat_model(name, settings)
        return infer_model(name, provider_factory=lambda provider: _provider(provider, settings))
    except ImportError as error:
        extra = name.partition(":")[0]
        if extra not in (metadata("signalbox-core").get_all("Provides-Extra") or ()):
            raise ConfigurationError(f"LLM_MODEL={name!r} can't be used: {error}") from error
        needs = f"its provider's client is missing: pip install 'signalbox-core[{extra}]'"
        raise ConfigurationError(f"LLM_MODEL={name!r} can't be used: {needs}") from error
    except (UserError, ValueError) as error:
        raise ConfigurationError(f"LLM_MODEL={name!r} can't be used: {error}") from error


def _chat_model(name: str, settings: ModelSettings) -> Model:
    bare = next((name.removeprefix(prefix) for prefix in _CHAT_PREFIXES if name.startswith(prefix)), name)
    client = ChatClient(settings.timeout_s)
    provider = OpenAIProvider(
        base_url=settings.base_url, api_key=_key(settings) or "none", http_client=client
    )
    # The older field for the bound of an answer: servers beside OpenAI's own may know no other.
    host = urlsplit(settings.base_url or "").hostname or ""
    profile = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=host.endswith(_OPENAIS_OWN))
    return OpenAIChatModel(bare, provider=provider, profile=profile)


def _provider(provider: str, settings: ModelSettings) -> Provider[Any]:
    key = _key(settings)
    given: dict[str, Any] = {} if key is None else {"api_key": key}
    if provider in _PLAIN_CHAT:
        given["http_client"] = ChatClient(settings.timeout_s)
    if not given:
        return infer_provider(provider)
    made: Provider[Any] = infer_provider_class(provider)(**given)
    return made


def _key(settings: ModelSettings) -> str | None:
    return settings.api_key.get_secret_value() if settings.api_key else None
