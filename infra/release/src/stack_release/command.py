"""The words ``release`` and ``affected`` of ``python -m local_stack``."""

import json as json_format
from typing import Annotated

import typer

from local_stack.command import root_of_checkout, stack_here, told_plainly
from local_stack.progress import Progress
from stack_release.affected import affected as affected_services
from stack_release.affected import changed_files
from stack_release.releasing import release_service
from stack_release.sources import Sources
from stack_release.steps import EXIT_STATUS


def release_one(
    service: str,
    environment: Annotated[
        str, typer.Option(help="With STACK=k8s: an overlay of infra/k8s; without it, infra/k8s/services/.")
    ] = "",
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")] = False,
) -> None:
    """Test, build and deploy one service; put back what ran before when it does not become ready.

    Exit status: 0 it is released, 1 nothing was changed, 3 rolled back, 4 rolling back failed, too.
    """
    with told_plainly():
        progress = Progress(quiet=json)
        report = release_service(service, stack_here, root_of_checkout(), environment, progress)
    typer.echo(json_format.dumps(report.as_dict(), indent=2) if json else report.summary)
    raise typer.Exit(EXIT_STATUS[report.result])


def affected(
    since: Annotated[
        str, typer.Option(metavar="REV", help="The commit to compare with, such as origin/main.")
    ],
    *,
    json: Annotated[bool, typer.Option("--json", help="With the files that are why.")] = False,
) -> None:
    """Name the services that a change affects: CI builds and tests these, and no others."""
    with told_plainly():
        found = affected_services(Sources(root_of_checkout()), changed_files(root_of_checkout(), since))
    if json:
        typer.echo(json_format.dumps(found, indent=2))
        return
    for service in found:
        typer.echo(service)
