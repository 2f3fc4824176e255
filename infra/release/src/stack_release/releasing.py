"""A release of one service from this checkout, onto what is there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from compose_stack import images
from local_stack.chosen import AnyStack
from local_stack.governance import CommandFailed
from local_stack.progress import Progress
from local_stack.stack import Stack
from signalbox.protocol.errors import ConfigurationError
from stack_release.containers import ComposeTarget, Containers, KubernetesTarget
from stack_release.environments import ProcessTarget
from stack_release.sources import Sources
from stack_release.steps import Contracts, Report, Target, release

KUBERNETES: Final = "k8s"

_TEST_DEADLINE_S: Final = 900
_ASK_DEADLINE_S: Final = 60
_LAST_LINES: Final = 30


def release_service(
    service: str, stack_of: Callable[[Progress], AnyStack], root: Path, environment: str, progress: Progress
) -> Report:
    """Release a service from the checkout at ``root``: onto the stack that is up, or with ``STACK=k8s``.

    Raises:
        ConfigurationError: there is no such service, or nothing to release it to.
    """
    sources = Sources(root)
    sources.folder(service)
    if os.environ.get("STACK") == KUBERNETES:
        overlay = (
            root / "infra" / "k8s" / (f"overlays/{environment}" if environment else f"services/{service}")
        )
        scratch = root / (os.environ.get("RUN_DIR") or ".run") / "releases" / KUBERNETES / service
        target: Target = KubernetesTarget(sources, overlay, scratch, images)
        ask = partial(ask_contracts, service, sources, dict(os.environ), environment)
    else:
        stack = stack_of(progress)
        target = _target_on(stack, sources)
        ask = partial(ask_contracts, service, sources, stack.env)
    return release(
        service,
        sources.version(service),
        target,
        test=partial(run_tests, service, sources),
        ask=ask,
        progress=progress,
    )


def run_tests(service: str, sources: Sources) -> str:
    """Run the tests of a service alone, against this checkout's code; return pytest's last line.

    Raises:
        CommandFailed: one failed; the text has the end of what pytest said.
    """
    folder = sources.tests(service)
    if not (sources.root / folder).is_dir():
        raise ConfigurationError(f"{service} has no tests: {folder} is not there")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", folder],
        cwd=sources.root,
        env={**os.environ, "PYTHONPATH": sources.python_path(service)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_TEST_DEADLINE_S,
    )
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode != 0:
        raise CommandFailed(f"pytest {folder}", done.returncode, "\n".join(lines[-_LAST_LINES:]))
    return lines[-1]


def ask_contracts(service: str, sources: Sources, environ: dict[str, str], to: str = "") -> Contracts:
    """Ask `can-i-deploy` with this checkout's code; return the versions of what the service reads and writes.

    Raises:
        CommandFailed: no, or it could not be found out; a release, unlike a restart, can wait.
    """
    known = (sources.root / "infra" / "environments" / f"{to}.env").is_file()
    words = ["can-i-deploy", service, *(["--to", to] if to and known else [])]
    environ = {
        **environ,
        "PYTHONPATH": sources.python_path(service),
        "CATALOG": str(sources.root / "contracts" / "catalog.yaml"),
    }
    signalbox = str(Path(sys.executable).with_name("signalbox"))

    def asked(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [signalbox, *words, *more],
            cwd=sources.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASK_DEADLINE_S,
        )

    answer = asked("--json")
    if answer.returncode != 0:
        in_words = asked()
        said = (in_words.stdout + in_words.stderr).strip()
        raise CommandFailed("signalbox " + " ".join(words), answer.returncode, said)
    judgement = json.loads(answer.stdout)
    return {verb: judgement[verb] for verb in ("reads", "writes")}


def _target_on(stack: AnyStack, sources: Sources) -> Target:
    if isinstance(stack, Stack):
        return ProcessTarget(stack, sources)
    if isinstance(stack, Containers):
        return ComposeTarget(stack, sources, images)
    raise ConfigurationError("the stack that is up can't be released to")
