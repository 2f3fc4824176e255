"""``signalbox routes``: measure how well messages are routed, correct decisions, learn a linear router."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from signalbox.protocol.errors import ConfigurationError, SignalboxError
from signalbox_cli.output import AsJson, print_json, say
from signalbox_cli.route_correcting import correct

app = typer.Typer()
app.command()(correct)

_SET: Final = Path("tests/evals/routing.jsonl")
_INSTALL: Final = "pip install 'signalbox-cli[routes]'"
_BELOW: Final = 1
_UNKNOWN: Final = 2

SetFile = Annotated[
    Path | None,
    typer.Option(
        "--set",
        help=f"Labelled cases, a JSON object a line; eval has {_SET} without it.",
        dir_okay=False,
        metavar="FILE",
    ),
]
Recorded = Annotated[
    str | None,
    typer.Option(help="Instead of a set: what was decided since then, 30m, 24h or 7d.", metavar="SINCE"),
]
AgentFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--agents",
        help="Agents' definitions, several times if need be; else NAME.agents.yaml beside NAME.jsonl.",
        metavar="FILE",
    ),
]


@app.command("eval")
def evaluate(
    set_file: SetFile = None,
    recorded: Recorded = None,
    agents: AgentFiles = None,
    part: Annotated[
        Literal["train", "held_out", "all"] | None,
        typer.Option(
            help="Which cases. Look at held_out only when the prompt is done.", show_default="held_out"
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="A model's name as in LLM_MODEL; else ROUTER_LLM_MODEL, LLM_MODEL, offline."),
    ] = "",
    prompt: Annotated[
        Path | None, typer.Option(help="A text file with other instructions for the model.", metavar="FILE")
    ] = None,
    learned: Annotated[
        Path | None,
        typer.Option(help="A learned router; else one is learned from the part train.", metavar="FILE"),
    ] = None,
    learned_min: Annotated[
        float | None,
        typer.Option(
            help="From which confidence the row learned asks no model, 0 to 1.",
            envvar="ROUTER_LEARNED_MIN",
            show_default="0.9",
            min=0,
            max=1,
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="How many cases are asked at a time.", min=1)] = 4,
    save: Annotated[
        Path | None, typer.Option(help="Keep every answer, for --compare.", metavar="FILE")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Compare two saved files instead; FILE:ROW names another row than the first."),
    ] = None,
    fail_below: Annotated[
        float | None, typer.Option(help="The least accuracy of the first row, 0 to 1.", min=0, max=1)
    ] = None,
    json: AsJson = False,
) -> None:
    """Measure a router on labelled cases, beside the contract alone, the offline stand-in and a linear one.

    The first row is the model; without one, the learned router of --learned; else the offline stand-in, which
    is no LLM. --compare says with McNemar's exact test whether two runs differ by more than chance.

    The row learned is ROUTER_ASK=learned: the linear one where it is sure, and else the model. Below the
    table stands how many of the model's calls that saves, and what it costs.

    --recorded tries a model, a prompt or a definition on what was decided in the running system, and lists
    what would have been decided otherwise. Agents are defined as they are announced now, or as --agents says.

    Exit status: 0 when it was measured, 1 when the accuracy is under --fail-below, 2 when it could not be
    measured.

    Example: signalbox routes eval --model openai:gpt-4o-mini --save now.json

    Example: signalbox routes eval --recorded 24h --prompt new.txt
    """
    if recorded is not None and (set_file or part):
        raise typer.BadParameter("takes the place of --set and --part", param_hint="--recorded")
    if compare is not None and (model or prompt or learned or save or recorded or fail_below is not None):
        raise typer.BadParameter("measures nothing: leave the other options out", param_hint="--compare")
    try:
        _require_the_router()
        from signalbox_cli import measuring, route_report
        from signalbox_cli.dead_letter_selection import moment

        if compare is not None:
            route_report.show_comparison(measuring.compared(*compare), as_json=json)
            return
        asked = measuring.Asked(
            set_file or _SET,
            agents or [],
            part or "held_out",
            model,
            prompt,
            learned,
            concurrency,
            None if recorded is None else moment(recorded),
            learned_min,
        )
        evaluation = measuring.measured(asked, quiet=json)
        if save is not None:
            measuring.save(save, evaluation.saved)
    except SignalboxError as error:
        say(f"could not measure: {error}", err=True)
        raise typer.Exit(_UNKNOWN) from error
    accuracy = route_report.show(evaluation, as_json=json)
    if fail_below is not None and accuracy < fail_below:
        say(f"accuracy {accuracy:.3f} is below {fail_below:g}", err=True)
        raise typer.Exit(_BELOW)


@app.command()
def train(
    *,
    set_file: SetFile = None,
    recorded: Recorded = None,
    out: Annotated[Path, typer.Option(help="Where the learned router is written, as JSON.", metavar="FILE")],
    agents: AgentFiles = None,
    json: AsJson = False,
) -> None:
    """Learn a linear router from the part train of a set, or from recorded decisions.

    It needs scikit-learn; serving does not. The file is good for the agents as they are defined now: a
    changed definition makes it refused.

    Example: signalbox routes train --set tests/evals/routing.jsonl --out learned.json
    """
    if (set_file is None) == (recorded is None):
        raise typer.BadParameter("give one of --set and --recorded")
    _require_the_router()
    from signalbox_cli import measuring, route_cases
    from signalbox_cli.dead_letter_selection import moment

    if set_file is not None:
        found = route_cases.cases_to_learn(set_file, agents or [])
    else:
        found = route_cases.cases_recorded(moment(recorded or ""), agents or [])
    trained = measuring.trained(found, out)
    if json:
        print_json(trained)
    else:
        say("\n".join(f"{name:<12} {value}" for name, value in trained.items()))


def _require_the_router() -> None:
    """Say how to install what measures, where it is missing."""
    if find_spec("signalbox_decide") is None:
        raise ConfigurationError(f"measuring needs signalbox-decide: {_INSTALL}")
