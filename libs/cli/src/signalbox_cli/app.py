"""``signalbox``: the operator's command, put together from one module per group."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import typer

from signalbox.protocol.errors import SignalboxError
from signalbox_cli.output import say


@dataclass(frozen=True, slots=True)
class Group:
    """Where a word of the command is defined: a module's typer app, or one function of it."""

    module: str
    help: str
    attribute: str = "app"


GROUPS: Final[Mapping[str, Group]] = {
    "leads": Group("signalbox_cli.leads", "Send leads in and see where they are."),
    "campaigns": Group("signalbox_cli.campaigns", "See and end mail campaigns; say who gets mail."),
    "dead-letters": Group("signalbox_cli.dead_letters", "See what was refused, and why."),
    "contracts": Group("signalbox_cli.contracts", "Evolve contracts: new, lint, check, plan, register."),
    "can-i-deploy": Group(
        "signalbox_cli.can_i_deploy",
        "Say whether a service fits what is registered and runs.",
        "can_i_deploy",
    ),
    "agents": Group("signalbox_cli.agents", "See the agents, say whose word counts for them, sign requests."),
    "routes": Group("signalbox_cli.routes", "Measure how well messages are routed; correct decisions."),
    "topics": Group("signalbox_cli.topics", "Create the catalog's topics, and say who may use them."),
}
"""The words in the order of ``--help``. Only the module of the word that was given is imported."""
MORE: Final = "signalbox.commands"
"""The entry points by which other installed distributions add a word: a function each."""


def assemble(word: str | None) -> typer.Typer:
    """Make the command with the group ``word`` in full and the others by their help only."""
    app = typer.Typer(
        name="signalbox",
        help="Signalbox: see and steer leads, dead letters, contracts, agents and topics.\n\n"
        "Example: signalbox leads send examples/leads.csv --follow",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_nothing_in_common)
    for name, group in GROUPS.items():
        if name == word:
            _add(app, name, group)
        else:
            app.command(name, help=group.help)(_placeholder)
    for added in sorted(entry_points(group=MORE), key=lambda one: one.name):
        if added.name == word:
            app.command(added.name)(added.load())
        else:
            app.command(added.name, help=_summary(added))(_placeholder)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 when it did what was asked, 1 when it could not, 2 for wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    word = next((argument for argument in given if not argument.startswith("-")), None)
    try:
        assemble(word)(given, prog_name="signalbox")
    except SignalboxError as error:
        say(f"error: {error}", err=True)
        sys.exit(1)


def _add(app: typer.Typer, name: str, group: Group) -> None:
    found = getattr(import_module(group.module), group.attribute)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name, help=group.help, no_args_is_help=True)
    else:
        app.command(name)(found)


def _summary(added: EntryPoint) -> str:
    return added.dist.metadata["Summary"] if added.dist else ""


def _nothing_in_common() -> None:
    """Take no options before the first word; being there makes typer expect a word."""


def _placeholder() -> None:
    """Stand in ``--help`` for a group whose module was not imported."""
