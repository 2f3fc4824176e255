"""The composed system as a whole: up, down, and one service redeployed, from a built or a given image."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from compose_stack import images
from compose_stack.chosen_images import ChosenImages
from compose_stack.engine import DockerFailed, docker, require_docker
from compose_stack.listing import KIND, NAMES, listed
from compose_stack.project import Project, inspected, variables
from compose_stack.question import may_be_deployed
from compose_stack.secrets import prepare_secrets
from compose_stack.waiting import await_ready, end_of_log
from local_stack.grants import AGENTS
from local_stack.lock import exclusive
from local_stack.needed import require_needed
from local_stack.ports import ensure_free
from local_stack.progress import Progress
from local_stack.recorded import RecordedStack
from local_stack.running import StackError
from local_stack.services import APPLICATIONS, BROKER, REGISTRY, Address
from local_stack.state import STACK_FILE, StackProcess, write_stack
from local_stack.stores import ENVIRONMENT_FILE, write_environment_file
from signalbox.protocol.errors import ConfigurationError

_AGENTS: Final = {
    service.name: f"http://{service.name}:{service.default_port}"
    for service in APPLICATIONS
    if service.name in AGENTS
}
"""Where each agent lives on the network of the containers."""
_BUILT: Final = (*(service.name for service in APPLICATIONS), images.CONTRACTS)
_NOT_ALONE: Final = frozenset({BROKER, REGISTRY, "registry_store", images.CONTRACTS})
_LOCK_PATIENCE_S: Final = 300.0
_BUILDS_AT_ONCE: Final = 2


class ComposeStack(RecordedStack):
    """The containers of one stack, known by its folder ``run_dir``; another process may have started them."""

    nothing_up = "no stack is up: `make up STACK=compose` starts it"

    def __init__(self, root: Path, run_dir: Path, *, progress: Progress | None = None) -> None:
        super().__init__(run_dir)
        self.root = root.resolve()
        self._progress = progress or Progress(quiet=True)
        self._folder = self.run_dir / KIND
        self._chosen = ChosenImages(self._folder / "images.json")

    @property
    def env(self) -> dict[str, str]:
        """The environment in which commands of this machine work with this stack."""
        return {**os.environ, **self._settings()}

    def up(self) -> bool:
        """Build the images, start everything, and wait until it is ready; False when it was running already.

        Raises:
            ConfigurationError: Docker is missing, a port is taken, or another command is at work.
            DockerFailed: an image can't be built, or a container can't be started.
            StackError: another stack has this project's name, or something did not become ready; then the
                containers are removed again, and volumes are kept.
        """
        with exclusive(self.run_dir, "up"):
            require_docker()
            if self._is_running():
                return False
            settings = self._new_settings()
            project = Project(self.root, settings, self._images())
            self._refuse_strangers(project)
            processes = listed(self.root, project.name(), project.ports(), settings)
            ensure_free({one.service: Address(one.host, one.port) for one in processes})
            try:
                self._start(project, processes)
            except BaseException:
                self._progress.say("removing what was started; volumes are kept")
                self._remove(project)
                raise
        return True

    def down(self, *, volumes: bool = False) -> list[str]:
        """Remove all containers; returns their services' names. Topics, contracts and stores are kept.

        ``volumes`` removes those, too.
        """
        with exclusive(self.run_dir, "down", patience_s=_LOCK_PATIENCE_S):
            require_docker()
            project = self._project()
            found = list(project.containers())
            self._remove(project, volumes=volumes)
        return found

    def redeploy(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Build one service again, replace its container alone, and wait until it is ready.

        Raises:
            ConfigurationError: ``environment`` is given; the composed system's settings stand in its file.
            NotDeployable: its contracts do not fit.
            NeededAway: it could not start again, since broker or registry are away; it was not touched.
            DockerFailed: its image can't be built.
            StackError: there is no such service, or it did not become ready.
        """
        if environment:
            raise ConfigurationError(
                f"set {', '.join(environment)} in infra/compose/.env, then `make down` and `make up`"
            )
        self.process(name)
        if name not in {BROKER, REGISTRY}:
            require_needed(name, self.processes)  # before minutes of building, too
            self.deploy(name, self._built(name))
            return
        with exclusive(self.run_dir, f"redeploy {name}", patience_s=_LOCK_PATIENCE_S):
            self._progress.say(f"replacing {name}")
            project = self._project()
            project.start_alone(name, recreate=True)
            await_ready(project, [self.process(name)], self._progress)
            self._progress.say(f"the {name} kept what it had: nothing was lost")

    def deploy(self, service: str, image: str, *, asking: bool = True) -> None:
        """Replace one service's container by one of ``image``, and wait until it is ready.

        Without ``asking`` whether broker and registry answer: to go back must always be possible.

        Raises:
            NeededAway: broker or registry are away; the service was not touched.
            StackError: there is no such service, or it did not become ready; :meth:`rollback` goes back.
        """
        process = self.process(service)
        with exclusive(self.run_dir, f"deploy {service}", patience_s=_LOCK_PATIENCE_S):
            if asking:
                require_needed(service, self.processes)
            before = self._kept(service)
            stale = self._chosen.before(service)
            self._chosen.choose(service, image, before)
            if stale not in {image, before}:
                _untag(stale)
            self._progress.say(f"replacing {service} by {image}")
            project = self._project()
            project.start_alone(service, recreate=True)
            await_ready(project, [process], self._progress)

    def rollback(self, service: str) -> str:
        """Go back to the image that ran before the last deploy, and wait until it is ready; returns its name.

        Raises:
            StackError: none is known, or it did not become ready either.
        """
        before = self._chosen.before(service)
        if not before:
            raise StackError(
                f"{service} was not deployed since the stack is up: there is no image to go back to"
            )
        self.deploy(service, before, asking=False)
        return before

    def image(self, service: str) -> str:
        """Return the image that a service is to run."""
        return self._chosen.now().get(service, images.reference(service, images.DEVELOPMENT))

    def show_logs(self, service: str, lines: int, *, follow: bool) -> int:
        """Print one service's log, or all logs; returns an exit status.

        Raises:
            StackError: there is no such service.
        """
        names = [self.process(service).service] if service else []
        return self._project().show_logs(names, lines, follow=follow)

    def _start(self, project: Project, processes: list[StackProcess]) -> None:
        self._progress.say("building the image of the job that registers contracts")
        images.build(self.root, images.CONTRACTS, images.DEVELOPMENT)
        self._progress.say("starting broker and registry; creating topics, registering contracts")
        project.start(images.CONTRACTS)
        if not project.wait_for_end(images.CONTRACTS):
            raise StackError(
                f"topics or contracts could not be applied:\n{end_of_log(project, images.CONTRACTS)}"
            )
        write_stack(self.run_dir, processes)
        write_environment_file(self.run_dir, self._settings())
        with ThreadPoolExecutor(_BUILDS_AT_ONCE) as pool:
            for image in pool.map(self._built, [service.name for service in APPLICATIONS]):
                self._progress.say(f"  built {image}")
        project.start_alone(*(name for name in project.services() if name not in _NOT_ALONE))
        await_ready(project, processes, self._progress)

    def _built(self, service: str) -> str:
        verdict = may_be_deployed(service, self.root, self.env)
        self._progress.say(verdict.warning or f"{service} may be deployed")
        labels = {images.CONTRACTS_LABEL: verdict.contracts}
        return images.build(self.root, service, images.DEVELOPMENT, labels)

    def _is_running(self) -> bool:
        recorded = {process.service for process in self.processes}
        if not recorded:
            return False
        there = self._project().containers()
        dead = [name for name in NAMES if name not in there or not inspected(there[name]).running]
        if len(dead) == len(NAMES):
            return False
        if dead:
            advice = ", ".join(f"`make redeploy service={name}`" for name in dead)
            raise StackError(f"the stack is up, but not all of it runs: {advice}, or `make down` first")
        return True

    def _refuse_strangers(self, project: Project) -> None:
        """Remove containers that ended; those that run are another stack's: this folder knows of none."""
        there = project.containers()
        if any(inspected(name).running for name in there.values()):
            raise StackError(
                f"containers of the Compose project {project.name()!r} run that {self.run_dir} does not know:"
                " `make down STACK=compose` removes them, COMPOSE_PROJECT_NAME gives this stack another name"
            )
        if there:
            project.down()

    def _new_settings(self) -> dict[str, str]:
        """Take the project's settings from the environment as it is now, and write its secrets to files."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._chosen.forget()
        settings = {name: os.environ[name] for name in variables(self.root) if name in os.environ}
        return settings | prepare_secrets(
            self._folder / "secrets", _AGENTS, os.environ, self.root / "contracts/catalog.yaml"
        )

    def _settings(self) -> dict[str, str]:
        """Return the settings that the stack was started with."""
        return dict(next((process.environment for process in self.processes), {}))

    def _project(self) -> Project:
        return Project(self.root, self._settings() or dict(os.environ), self._images())

    def _images(self) -> dict[str, str]:
        return {name: self.image(name) for name in _BUILT}

    def _kept(self, service: str) -> str:
        """Name the image that a container was made from, so that it is not lost; return that name."""
        container = self._project().container(service)
        if container is None:
            return ""
        name = images.reference(service, f"was-{container.image.removeprefix('sha256:')[:12]}")
        docker("tag", container.image, name)
        return name

    def _remove(self, project: Project, *, volumes: bool = False) -> None:
        project.down(volumes=volumes)
        for file in (STACK_FILE, ENVIRONMENT_FILE):
            (self.run_dir / file).unlink(missing_ok=True)


def _untag(image: str) -> None:
    """Take away a name that was only there to go back to; the image stays while something uses it."""
    if ":was-" in image:
        with suppress(DockerFailed):
            docker("image", "rm", "--no-prune", image)
