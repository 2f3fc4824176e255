"""``signalbox topics``: the catalog's topics on the broker."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from signalbox_cli.acls import acls
from signalbox_cli.output import AsJson, print_json, print_rows

app = typer.Typer()
app.command()(acls)


@app.callback()
def topics() -> None:
    """Create the catalog's topics, say who may use them, and wait for their replicas."""


@app.command()
def apply(
    catalog: Annotated[
        Path | None, typer.Option(help="The catalog; else CATALOG, else contracts/catalog.yaml upward.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Create the topics of the catalog that are missing, and widen those that are too small.

    One that takes smaller records than the catalog says, or a dead letter topic with fewer partitions than
    its source, could refuse what must be written to it. Nothing else that is there is changed. Says for each
    topic whether it was created, was widened, is unchanged, or differs and how; exits with 0 only when all
    are as the catalog wants them.

    Example: signalbox topics apply
    """
    from signalbox.catalog import Catalog
    from signalbox.kafka import KafkaSettings, topics_of
    from signalbox.kafka import apply as apply_topics

    wanted = topics_of(Catalog.load(catalog))
    changes = asyncio.run(apply_topics(KafkaSettings(), wanted))
    if json:
        print_json([asdict(change) for change in changes])
    else:
        print_rows([asdict(change) for change in changes], ("name", "outcome", "detail"), "no topics")
    if any(change.outcome == "differs" for change in changes):
        raise typer.Exit(1)


@app.command()
def wait(
    seconds: Annotated[float, typer.Option(min=0, help="How long at most.")] = 30,
) -> None:
    """Wait until all replicas of all topics are in sync, so that the next broker may be restarted.

    Exits with 0 only when they are.

    Example: signalbox topics wait --seconds 120
    """
    from signalbox.kafka import KafkaSettings, await_in_sync

    asyncio.run(await_in_sync(KafkaSettings(), seconds))
