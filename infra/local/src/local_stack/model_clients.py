"""The clients of models' providers: what LLM_MODEL names is installed when the stack comes up."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from local_stack.progress import Progress
from signalbox.protocol.errors import ConfigurationError

_MODULES: Final = {
    "anthropic": "anthropic",
    "bedrock": "boto3",
    "google": "google.genai",
    "mistral": "mistralai",
}
"""The extras of signalbox-core that bring a provider's client, and the module by which it is known."""


def install_missing_clients(root: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Install the extras of signalbox-core that the models in ``environment`` need and this Python lacks.

    Raises:
        ConfigurationError: pip could not; says what it said.
    """
    missing = missing_extras(environment)
    if not missing:
        return
    progress.say(f"installing the model client of {', '.join(missing)}")
    core = f"{root / 'libs' / 'core'}[{','.join(missing)}]"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run(
        [*pip, "-c", str(root / "constraints.txt"), "-e", core], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigurationError(
            f"the model client of {', '.join(missing)} can't be installed: {done.stderr}"
        )


def missing_extras(environment: Mapping[str, str]) -> list[str]:
    """Return the extras that the models named in ``environment`` need and that are not installed."""
    if environment.get("LLM_BASE_URL"):
        return []  # then all of them speak OpenAI's chat completions
    providers = {name.partition(":")[0] for name in _named(environment)}
    return sorted(one for one in providers & _MODULES.keys() if not _is_installed(_MODULES[one]))


def _named(environment: Mapping[str, str]) -> Iterable[str]:
    return (value for name, value in environment.items() if f"_{name}".endswith("_LLM_MODEL"))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it
        return False
