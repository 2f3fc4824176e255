"""What other distributions of ``infra/`` add to the local stack, by the entry points that they declare."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from signalbox.protocol.errors import ConfigurationError

COMMANDS: Final = "local_stack.commands"
"""Words of ``python -m local_stack``: functions as typer takes them."""
FOUNDATIONS: Final = "local_stack.foundations"
"""Values of ``STACK``: a :class:`local_stack.foundation.Foundation`, made of the checkout's root."""
STACKS: Final = "local_stack.stacks"
"""Values of ``STACK`` that are no processes of this machine: a :class:`local_stack.chosen.AnyStack`."""


def plugins(group: str) -> dict[str, EntryPoint]:
    """Return what is declared in ``group``, by name."""
    return {found.name: found for found in sorted(entry_points(group=group), key=lambda one: one.name)}


def plugin(group: str, name: str) -> Any:
    """Return what ``name`` stands for in ``group``.

    Raises:
        ConfigurationError: there is none of this name.
    """
    found = plugins(group)
    if name not in found:
        raise ConfigurationError(f"STACK={name} is not there; there are {', '.join(found)}")
    return found[name].load()
