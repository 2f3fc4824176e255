"""``signalbox topics``: the catalog's topics on the broker."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from signalbox.cli.acls import acls
from signalbox.cli.output import AsJson, print_json, print_rows

app = typer.Typer()
app.command()(acls)

_FOR_EVER: Final = -1


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
    """Create the topics of the catalog that are missing; change none that is there.

    Says for each whether it was created, is unchanged, or differs and how; exits with 0 only when all are
    as the catalog wants them.

    Example: signalbox topics apply
    """
    from signalbox.contracts.catalog import Catalog
    from signalbox.kafka import KafkaSettings, TopicSpec
    from signalbox.kafka import apply as apply_topics

    wanted = [
        TopicSpec(
            name=name,
            partitions=topic.partitions,
            retention_ms=_FOR_EVER if topic.retention_ms is None else topic.retention_ms,
            compacted=topic.compacted,
            max_message_bytes=topic.max_message_bytes,
        )
        for name, topic in Catalog.load(catalog).topics.items()
    ]
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
