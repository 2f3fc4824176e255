"""Releases as images: onto Docker Compose, and onto a Kubernetes cluster by ``kubectl``."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import yaml

from signalbox.protocol.errors import ConfigurationError, SignalboxError
from stack_release.sources import Sources
from stack_release.steps import Contracts

CONTRACTS_LABEL: Final = "signalbox.contracts"
_STATEFUL: Final = frozenset({"orchestrator"})
NOTHING: Final = "nothing"
_DEADLINE_S: Final = 300


class Images(Protocol):
    """Builds images: the module :mod:`compose_stack.images`, but for tests."""

    def build(self, root: Path, service: str, version: str, labels: Mapping[str, str]) -> str:
        """Build an image, and return its reference."""
        ...

    def push(self, image: str) -> None:
        """Push it to the registry that its name begins with."""
        ...


@runtime_checkable
class Containers(Protocol):
    """A stack of containers: ``compose_stack.ComposeStack``."""

    def deploy(self, service: str, image: str) -> None:
        """Replace one container, and wait until it is ready."""
        ...

    def rollback(self, service: str) -> str:
        """Put the image before it back, wait until it is ready, and return its reference."""
        ...

    def image(self, service: str) -> str:
        """Return the reference that runs."""
        ...


class ComposeTarget:
    """Containers of this machine."""

    name = "compose"

    def __init__(self, stack: Containers, sources: Sources, build: Images) -> None:
        self._stack = stack
        self._sources = sources
        self._images = build
        self._before = ""

    def running(self, service: str) -> str:
        """Return the image that runs."""
        return self._stack.image(service)

    def build(self, service: str, version: str, contracts: Contracts) -> str:
        """Build the service's image, labelled with its contracts' versions."""
        return self._images.build(self._sources.root, service, version, labels_of(contracts))

    def deploy(self, service: str, built: str) -> None:
        """Replace the service's container."""
        self._before = self._stack.image(service)
        self._stack.deploy(service, built)

    def roll_back(self, service: str) -> str:
        """Put the image back that ran before, unless it runs still."""
        if not self._before or self._stack.image(service) == self._before:
            return ""
        return self._stack.rollback(service)


Run = Callable[[Sequence[str]], str]


class KubernetesTarget:
    """A service's part of an overlay, applied to the cluster that ``kubectl`` is set to.

    ``overlay`` is a folder of ``infra/k8s``. The image's tag is laid over it in ``scratch``, a folder of this
    release alone: the overlay itself is what a person commits when the release is to stay.
    """

    name = "k8s"

    def __init__(
        self, sources: Sources, overlay: Path, scratch: Path, build: Images, run: Run | None = None
    ) -> None:
        self._sources = sources
        self._overlay = overlay.resolve()
        self._scratch = scratch
        self._images = build
        self._run = run or kubectl
        self._namespace = _namespace_of(self._overlay)
        self._before = ""

    def running(self, service: str) -> str:
        """Return the image that the cluster's workload names, or that there is none yet."""
        get = ["get", _workload(service), "--ignore-not-found", "--output"]
        image = self._run([*get, "jsonpath={.spec.template.spec.containers[0].image}", *self._here])
        return image.strip() or NOTHING

    def build(self, service: str, version: str, contracts: Contracts) -> str:
        """Build the service's image, and push it when its name has a registry (``IMAGE_PREFIX``)."""
        image = self._images.build(self._sources.root, service, version, labels_of(contracts))
        if os.environ.get("IMAGE_PREFIX"):
            self._images.push(image)
        return image

    def deploy(self, service: str, built: str) -> None:
        """Apply the objects of this service alone, and wait until all its pods are ready."""
        self._lay_over(service, built)
        self._before = self.running(service)
        selector = f"--selector=app.kubernetes.io/name={_dashed(service)}"
        self._run(["apply", "--kustomize", str(self._scratch), selector])
        self._await(service)

    def roll_back(self, service: str) -> str:
        """Undo the rollout, and wait until the pods of the one before are ready.

        Raises:
            KubectlFailed: it was the first one, or the pods of the one before are not ready either.
        """
        if not self._before:
            return ""
        if self._before == NOTHING:
            raise KubectlFailed(f"{service} was not deployed before: there is nothing to go back to")
        failed = self._run(
            ["get", _workload(service), "--output=jsonpath={.status.updateRevision}", *self._here]
        ).strip()
        self._run(["rollout", "undo", _workload(service), *self._here])
        if service in _STATEFUL:
            # A StatefulSet waits forever for a pod of the failed revision to become ready: it has to go.
            pods = f"--selector=app.kubernetes.io/name={_dashed(service)},controller-revision-hash={failed}"
            self._run(["delete", "pods", pods, "--ignore-not-found", "--wait=false", *self._here])
        self._await(service)
        return self.running(service)

    @property
    def _here(self) -> list[str]:
        return [f"--namespace={self._namespace}"]

    def _await(self, service: str) -> None:
        self._run(["rollout", "status", _workload(service), f"--timeout={_DEADLINE_S}s", *self._here])

    def _lay_over(self, service: str, image: str) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True)
        name, _, tag = image.rpartition(":")
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(self._overlay, self._scratch.resolve())],
            "images": [{"name": name_in(self._overlay, service), "newName": name, "newTag": tag}],
        }
        (self._scratch / "kustomization.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def labels_of(contracts: Contracts) -> dict[str, str]:
    """Return an image's label that says which versions of which contracts are in it."""
    return {CONTRACTS_LABEL: json.dumps(contracts, sort_keys=True)}


def name_in(overlay: Path, service: str) -> str:
    """Return the name that a service's image has after ``overlay``, which may have renamed it."""
    usual = f"signalbox/{_dashed(service)}"
    renamed = (entry for entry in _kustomization(overlay).get("images", ()) if entry["name"] == usual)
    return str(next((entry.get("newName", usual) for entry in renamed), usual))


def kubectl(words: Sequence[str]) -> str:
    """Run ``kubectl``, and return what it printed.

    Raises:
        ConfigurationError: it is not there.
        KubectlFailed: it did not do what was asked.
    """
    try:
        done = subprocess.run(
            ["kubectl", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * _DEADLINE_S,
        )
    except FileNotFoundError as error:
        raise ConfigurationError(
            "STACK=k8s needs kubectl: https://kubernetes.io/docs/tasks/tools/"
        ) from error
    if done.returncode != 0:
        raise KubectlFailed(
            f"`kubectl {' '.join(words)}` failed:\n{done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout


class KubectlFailed(SignalboxError):
    """``kubectl`` did not do what was asked; the text is what it printed."""


def _workload(service: str) -> str:
    return f"{'statefulset' if service in _STATEFUL else 'deployment'}/{_dashed(service)}"


def _dashed(service: str) -> str:
    return service.replace("_", "-")


def _namespace_of(overlay: Path) -> str:
    return str(_kustomization(overlay)["namespace"])


def _kustomization(overlay: Path) -> dict[str, Any]:
    path = overlay / "kustomization.yaml"
    try:
        content: dict[str, Any] = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    return content
