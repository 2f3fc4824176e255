"""``python -m local_stack``: what the Makefile's targets call."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from local_stack.chosen import AnyStack, KeepsOwnLogs, stack_of
from local_stack.logs import follow as follow_logs
from local_stack.logs import log_path, tail
from local_stack.model_clients import install_missing_clients
from local_stack.plugins import COMMANDS, plugins
from local_stack.progress import Progress
from local_stack.status import status
from signalbox.protocol.errors import ConfigurationError, SignalboxError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command()(status)


@app.command()
def up() -> None:
    """Start broker, registry, orchestrator and services, and wait until all are ready."""
    progress = Progress()
    with told_plainly():
        stack = stack_here(progress)
        if not isinstance(stack, KeepsOwnLogs):  # images bring what is in them
            install_missing_clients(stack.root, os.environ, progress)
        started = stack.up()
        progress.say("\nSignalbox is up." if started else "Signalbox is already running.")
        for line in _overview(stack):
            progress.say(line)


@app.command()
def down() -> None:
    """Stop everything, also what a crash left behind."""
    with told_plainly():
        stopped = stack_here(Progress()).down()
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "no stack was up")


@app.command()
def redeploy(
    service: str,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE for this service, from now on; repeatable.")
    ] = None,
) -> None:
    """Restart one service alone, as it was but for --set, and wait until it is ready."""
    with told_plainly():
        stack_here(Progress()).redeploy(service, dict(map(_setting, settings or ())))


def _setting(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not (name and equals):
        raise ConfigurationError(f"--set {said}: write NAME=VALUE")
    return name, value


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A name that `status` prints; without it, all.")] = "",
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(help="How many lines of the past.")] = 100,
) -> None:
    """Show a service's log."""
    with told_plainly():
        stack = stack_here(Progress())
        if isinstance(stack, KeepsOwnLogs):
            raise typer.Exit(stack.show_logs(service, lines, follow=follow))
        names = [stack.process(service).service] if service else list(stack.addresses)
    paths = [log_path(stack.run_dir, name) for name in names]
    for path in paths:
        for line in tail(path, lines):
            _show(path, line, named=len(paths) > 1)
    if follow:
        _follow(paths)


@app.command()
def demo() -> None:
    """Send the example leads and show how they come through."""
    with told_plainly():
        stack = stack_here(Progress())
        stack.process("lead_capture")
    command = [_beside_python("signalbox"), "leads", "send", "examples/leads.csv", "--follow"]
    raise typer.Exit(subprocess.run(command, cwd=stack.root, env=stack.env, check=False).returncode)


def main() -> None:
    # Being told to end must stop what was started, just as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    word = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    for name, added in plugins(COMMANDS).items():
        if word in ("", name):  # the others are not imported
            app.command(name)(added.load())
    app(prog_name="local_stack")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def told_plainly() -> Iterator[None]:
    try:
        yield
    except SignalboxError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None


def root_of_checkout() -> Path:
    """Find this checkout: the folder in which, or above which, the Makefile stands."""
    return next(
        (path for path in (Path.cwd(), *Path.cwd().parents) if (path / "Makefile").is_file()), Path.cwd()
    )


def stack_here(progress: Progress) -> AnyStack:
    """Make the stack of this checkout."""
    root = root_of_checkout()
    return stack_of(root, root / (os.environ.get("RUN_DIR") or ".run"), progress)


def _overview(stack: AnyStack) -> Iterator[str]:
    titles = {"lead_capture": "lead form", "console": "console"}
    addresses = stack.addresses
    for name in (*titles, *(name for name in addresses if name not in titles)):
        if name in addresses:
            yield f"  {titles.get(name, name):<18} {addresses[name]}"
    if not isinstance(stack, KeepsOwnLogs):
        yield f"logs are in {_short(stack.run_dir / 'logs')}"
    yield "`make demo` sends leads, `make down` stops everything"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _follow(paths: list[Path]) -> None:
    try:
        for path, line in follow_logs(paths):
            _show(path, line, named=len(paths) > 1)
    except KeyboardInterrupt:
        return


def _show(path: Path, line: str, *, named: bool) -> None:
    typer.echo(f"{path.stem:<18} | {line}" if named else line)


def _beside_python(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
