"""Releases on a stack of processes: each version of a service in a Python environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local_stack import processes
from local_stack.foundation import PYTHON_VARIABLE
from local_stack.governance import CommandFailed
from local_stack.instances import kind_of
from local_stack.logs import log_path, tail
from local_stack.needed import NeededAway
from local_stack.running import StackError
from local_stack.stack import Stack
from stack_release.sources import PINS, Sources
from stack_release.steps import Contracts

_INSTALL_DEADLINE_S: Final = 900
_KEPT: Final = 3
_STEADY_S: Final = 3.0
"""For so long a process must go on after it said that it is ready."""
_CHECKOUT: Final = "the checkout's code"
_RELEASE: Final = "release.json"


class ProcessTarget:
    """The stack that is up; releases are in ``releases/<service>/<version>/`` of its folder.

    What is installed there is a copy: edits in the checkout don't change it.
    """

    def __init__(self, stack: Stack, sources: Sources) -> None:
        self._stack = stack
        self._sources = sources
        self._before: dict[str, Mapping[str, str]] = {}
        self.name = stack.env.get("STACK", "local")

    def running(self, service: str) -> str:
        """Return the version that runs, or that it is the checkout's code."""
        python = self._stack.process(service).environment.get(PYTHON_VARIABLE, "")
        return _version_of(python) if python else _CHECKOUT

    def build(self, service: str, version: str, contracts: Contracts) -> str:
        """Install the service into an environment of its own, unless this version is there already.

        Raises:
            CommandFailed: it can't be installed.
        """
        folder = self._folder(service) / version
        if not (folder / _RELEASE).exists():
            shutil.rmtree(folder, ignore_errors=True)  # what an interrupted build left
            self._install(service, folder)
            about = {"service": service, "version": version, "contracts": contracts}
            (folder / _RELEASE).write_text(json.dumps(about, indent=2))
        return version

    def deploy(self, service: str, built: str) -> None:
        """Restart the service's processes, one after the other, with the environment that was built.

        Raises:
            SignalboxError: one may not be deployed, does not become ready, or does not stay so.
        """
        folder = self._folder(service) / built
        settings = {
            PYTHON_VARIABLE: str(folder / "bin" / "python"),
            "CATALOG": str(folder / "catalog.yaml"),
            "PYTHONPATH": "",
        }
        for name in [name for name in self._stack.addresses if kind_of(name) == service]:
            own = self._stack.process(name).environment
            self._before[name] = {variable: own.get(variable, "") for variable in settings}
            try:
                self._stack.redeploy(name, settings)
            except (CommandFailed, NeededAway):
                del self._before[name]  # it may not, or could not start again: it was not touched
                raise
            self._stays_up(name)
        self._prune(service, built)

    def roll_back(self, service: str) -> str:
        """Restart what :meth:`deploy` replaced as it was before."""
        for name, settings in reversed(self._before.items()):
            self._stack.redeploy(name, settings, asking=False)
        return self.running(service) if self._before else ""

    def _folder(self, service: str) -> Path:
        return self._stack.run_dir / "releases" / service

    def _install(self, service: str, folder: Path) -> None:
        root, wheels = self._sources.root, folder / "wheels"
        # Our own are built with the build tools that are here, so that none has to be fetched.
        own = [f"./{part}" for part in self._sources.beside_the_command(service)]
        _pip(root, "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}", *own)
        built = [str(wheel) for wheel in wheels.glob("*.whl")]
        store = self._third_party(service, built)
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], root)
        python = f"--python={folder / 'bin' / 'python'}"
        _pip(root, python, "install", "--no-index", f"--find-links={store}", "-c", PINS, *built)
        shutil.copy(root / "contracts" / "catalog.yaml", folder)

    def _third_party(self, service: str, built: list[str]) -> Path:
        """Return a folder with what ``built`` needs of others; it is fetched once for the same needs."""
        store = self._folder(service).parent / f"third-party-{self._sources.needs(service)}"
        if not store.is_dir():
            fetching = store.with_name(f"{store.name}.part")
            _pip(self._sources.root, "download", "-c", PINS, f"--dest={fetching}", *built)
            for wheel in built:
                (fetching / Path(wheel).name).unlink()
            fetching.rename(store)
        return store

    def _stays_up(self, name: str) -> None:
        process = self._stack.process(name)
        until = time.monotonic() + _STEADY_S
        while time.monotonic() < until:
            if processes.find(process.pid, process.create_time) is None:
                log = log_path(self._stack.run_dir, name)
                raise StackError(f"{name} ended after it was ready:\n" + "\n".join(tail(log, 20)))
            time.sleep(0.1)

    def _prune(self, service: str, built: str) -> None:
        """Keep the newest releases, and in any case those that run and that would be put back."""
        needed = {built, *(_version_of(before[PYTHON_VARIABLE]) for before in self._before.values())}
        folders = sorted(self._folder(service).iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for folder in folders[_KEPT:]:
            if folder.name not in needed:
                shutil.rmtree(folder, ignore_errors=True)


def _version_of(python: str) -> str:
    return Path(python).parents[1].name if python else ""


def _pip(root: Path, *words: str) -> None:
    _run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words], root)


def _run(command: list[str], root: Path) -> None:
    done = subprocess.run(
        command,
        cwd=root,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_INSTALL_DEADLINE_S,
    )
    if done.returncode != 0:
        raise CommandFailed(" ".join(command), done.returncode, done.stdout.strip())
