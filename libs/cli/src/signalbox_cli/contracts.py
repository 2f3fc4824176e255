"""``signalbox contracts``: the data owner's commands, in the order in which a change takes them."""

from collections.abc import Callable
from typing import Final

import typer

from signalbox_cli import (
    contract_checking,
    contract_planning,
    contract_registration,
    contract_reverting,
    contract_sources,
    contract_standing,
)

app = typer.Typer(
    help="Evolve the contracts: new, lint, generate, check, plan, register, revert, status.",
    no_args_is_help=True,
)

_COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    contract_sources.new,
    contract_sources.lint,
    contract_sources.generate,
    contract_sources.diff,
    contract_checking.check,
    contract_planning.plan,
    contract_registration.register,
    contract_reverting.revert,
    contract_registration.deregister,
    contract_standing.status,
    contract_sources.docs,
    contract_sources.asyncapi,
)

for _command in _COMMANDS:
    app.command()(_command)
