"""The Kubernetes manifests as they are committed, and as ``kustomize`` renders them."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

OLDEST, NEWEST = "1.30", "1.37"
"""The versions of Kubernetes whose schemas the manifests have to fit."""

CUSTOM = ("keda.sh/",)
"""Kinds that a cluster learns from its operators; Kubernetes' own schemas don't have them."""

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Folder:
    """A folder with a ``kustomization.yaml``."""

    path: Path

    @property
    def kustomization(self) -> Manifest:
        return dict(yaml.safe_load((self.path / "kustomization.yaml").read_text()))

    @property
    def files(self) -> set[str]:
        """The manifests beside it."""
        return {file.name for file in self.path.glob("*.yaml")} - {"kustomization.yaml"}

    @property
    def patches(self) -> set[str]:
        return {patch["path"] for patch in self.kustomization.get("patches", ()) if "path" in patch}

    @property
    def resources(self) -> list[Manifest]:
        """The whole objects beside it; what only changes others is left out."""
        names = sorted(self.files - self.patches)
        return [manifest for name in names for manifest in documents((self.path / name).read_text())]

    def one(self, *kinds: str) -> Manifest:
        (found,) = [manifest for manifest in self.resources if manifest["kind"] in kinds]
        return found

    def rendered(self) -> list[Manifest]:
        """Render it as a cluster would get it."""
        tool = kustomize()
        assert tool is not None
        done = subprocess.run([*tool, str(self.path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return list(documents(done.stdout))


def folders(root: Path) -> list[Folder]:
    """Find every kustomization below ``infra/k8s``; what a person made of the secrets is his own."""
    base = root / "infra" / "k8s"
    found = (Folder(file.parent) for file in sorted(base.rglob("kustomization.yaml")))
    return [folder for folder in found if folder.path.parent != base / "secrets"]


def documents(text: str) -> Iterator[Manifest]:
    yield from (manifest for manifest in yaml.safe_load_all(text) if manifest)


def kustomize() -> list[str] | None:
    """Return the command that renders a folder; None where neither tool is there."""
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    return ["kustomize", "build"] if shutil.which("kustomize") else None


def complaints(manifest: Manifest, *versions: str) -> list[str]:
    """Hold a manifest against Kubernetes' schemas; an unknown field is a complaint, too."""
    if manifest["apiVersion"].startswith(CUSTOM):
        return []
    found = []
    for version in versions or (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{version}: {manifest['kind']} {manifest['metadata']['name']}: {error}")
    return found


def insecurities(manifest: Manifest) -> list[str]:
    """Say what a pod of this manifest may do, or lacks, that it should not."""
    pod = manifest.get("spec", {}).get("template", {}).get("spec")
    if pod is None:
        return []
    context = pod.get("securityContext", {})
    rules = {
        "runs as root": context.get("runAsNonRoot") is not True or not context.get("runAsUser"),
        "has no seccomp profile": context.get("seccompProfile") != {"type": "RuntimeDefault"},
        "has a service account's token": pod.get("automountServiceAccountToken") is not False,
        "gets variables of other Services": pod.get("enableServiceLinks") is not False,
        "is killed before it has finished": pod.get("terminationGracePeriodSeconds", 30) < 25,
        "shares the node's names": any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
        "mounts the node's files": any("hostPath" in volume for volume in pod.get("volumes", ())),
    }
    found = [what for what, bad in rules.items() if bad]
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        found += [f"{container['name']} {what}" for what in _insecurities_of(container)]
    return found


def _insecurities_of(container: Manifest) -> list[str]:
    context = container.get("securityContext", {})
    resources = container.get("resources", {})
    rules = {
        "may gain rights": context.get("allowPrivilegeEscalation") is not False,
        "has capabilities": context.get("capabilities") != {"drop": ["ALL"]},
        "may write to its image": context.get("readOnlyRootFilesystem") is not True,
        "has no limits": set(resources.get("limits", ())) != {"cpu", "memory"},
        "has no requests": set(resources.get("requests", ())) != {"cpu", "memory"},
        "takes any image": container["image"].endswith(":latest"),
    }
    return [what for what, bad in rules.items() if bad]


def pod_of(folder: Folder) -> dict[str, Any]:
    pod: dict[str, Any] = folder.one("Deployment", "StatefulSet")["spec"]["template"]["spec"]
    return pod


def environment_of(folder: Folder) -> dict[str, Any]:
    (container,) = pod_of(folder)["containers"]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}
