"""Every committed manifest fits Kubernetes' schemas, and every kustomization names files that are there."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from local_stack.grants import AGENTS, allowed
from local_stack.services import APPLICATIONS
from manifests import NEWEST, Folder, complaints, documents, environment_of, insecurities, kustomize
from signalbox.catalog import Catalog
from signalbox.trust import SigningKey, public_keys

needs_kustomize = pytest.mark.skipif(
    kustomize() is None, reason="neither kubectl nor kustomize is on the PATH"
)


def test_every_manifest_fits_the_schemas_of_kubernetes(folder: Folder) -> None:
    assert [found for manifest in folder.resources for found in complaints(manifest)] == []


def test_a_manifest_with_a_mistake_does_not_fit(root: Path) -> None:
    manifest = Folder(root / "infra/k8s/services/lead_scoring").one("Deployment")
    manifest["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    assert complaints(manifest) != []


def test_every_kustomization_names_what_is_there(folder: Folder) -> None:
    content = folder.kustomization
    named = [*content.get("resources", ()), *content.get("components", ()), *folder.patches]
    missing = [name for name in named if not (folder.path / name).exists()]
    not_kustomizations = [
        name
        for name in named
        if (folder.path / name).is_dir() and not (folder.path / name / "kustomization.yaml").exists()
    ]
    assert (missing, not_kustomizations) == ([], [])


def test_no_manifest_lies_beside_its_kustomization_unused(folder: Folder) -> None:
    assert folder.files - folder.patches - set(folder.kustomization.get("resources", ())) == set()


def test_an_overlay_has_every_service_and_says_which_version_of_it(overlay: Folder) -> None:
    services = {f"../../services/{application.kind}" for application in APPLICATIONS}
    assert services <= set(overlay.kustomization["resources"])
    images = {entry["name"]: entry["newTag"] for entry in overlay.kustomization["images"]}
    wanted = {application.kind.replace("_", "-") for application in APPLICATIONS} | {"contracts"}
    assert set(images) == {f"signalbox/{name}" for name in wanted}
    assert "latest" not in images.values()


def test_the_secrets_are_made_of_the_files_that_prepare_makes(root: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    shutil.copytree(root / "infra/k8s/secrets", secrets, ignore=shutil.ignore_patterns("*.env", "keys"))
    subprocess.run([secrets / "prepare", "somewhere"], check=True, capture_output=True)
    made = Folder(secrets / "somewhere")
    generated = made.kustomization["secretGenerator"]
    named = {file for entry in generated for file in (*entry.get("files", ()), *entry.get("envs", ()))}
    files = {str(file.relative_to(made.path)) for file in made.path.rglob("*") if file.is_file()}
    public = {f"keys/{agent}.pub" for agent in AGENTS}  # they stand in the grants
    assert named == files - {"kustomization.yaml", "keys/operator.key"} - public
    keys = [SigningKey((made.path / "keys" / f"{agent}.key").read_text()).public for agent in AGENTS]
    grants = yaml.safe_load((made.path / "grants.yaml").read_text())["agents"]
    assert [one for agent in AGENTS for one in public_keys(grants[agent]["public_keys"][0])] == keys
    assert len(set(keys)) == len(grants) == 5
    for agent in AGENTS:
        folder = Folder(root / "infra/k8s/services" / agent)
        assert grants[agent]["endpoints"] == [environment_of(folder)["AGENT_ENDPOINT"]]
        types = {name: grants[agent][name] for name in ("takes", "gives")}
        assert types == allowed(Catalog.load(str(root / "contracts/catalog.yaml")), agent)
    assert {file.stat().st_mode & 0o077 for file in made.path.rglob("*") if file.is_file()} == {0}


def test_a_secret_that_was_made_is_kept(root: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    shutil.copytree(root / "infra/k8s/secrets", secrets, ignore=shutil.ignore_patterns("*.env", "keys"))
    key = secrets / "somewhere/keys/lead_scoring.key"
    subprocess.run([secrets / "prepare", "somewhere"], check=True, capture_output=True)
    made = key.read_text()
    subprocess.run([secrets / "prepare", "somewhere"], check=True, capture_output=True)
    assert key.read_text() == made


@needs_kustomize
def test_what_kustomize_renders_fits_the_schemas_and_is_secure(folder: Folder) -> None:
    if folder.kustomization["kind"] == "Component" or folder.path.name == "secrets":
        pytest.skip("rendered as a part of others")
    rendered = folder.rendered()
    assert [found for manifest in rendered for found in complaints(manifest, NEWEST)] == []
    assert [what for manifest in rendered for what in insecurities(manifest)] == []
    namespaces = {m["metadata"].get("namespace", m["metadata"]["name"]) for m in rendered}
    assert namespaces == {folder.kustomization["namespace"]}


@needs_kustomize
@pytest.mark.parametrize("component", ["hpa", "keda", "shared_state", "monitoring", "ingress"])
def test_every_component_can_be_laid_over_the_services(root: Path, tmp_path: Path, component: str) -> None:
    k8s = tmp_path / "k8s"
    shutil.copytree(root / "infra/k8s", k8s, ignore=shutil.ignore_patterns("*.env", "keys"))
    (k8s / "overlays/other").mkdir()
    (k8s / "overlays/other/kustomization.yaml").write_text(
        f"resources: [../dev]\ncomponents: [../../components/{component}]\n"
    )
    rendered = Folder(k8s / "overlays/other").rendered()
    assert [found for manifest in rendered for found in complaints(manifest, NEWEST)] == []
    assert [what for manifest in rendered for what in insecurities(manifest)] == []
    if component == "shared_state":
        assert [m["metadata"]["name"] for m in rendered if m["kind"] == "PersistentVolumeClaim"] == []
    if component in {"hpa", "keda"}:
        scaled = {
            (m["spec"]["scaleTargetRef"]["kind"], m["spec"]["scaleTargetRef"]["name"])
            for m in rendered
            if "scaleTargetRef" in m.get("spec", ())
        }
        numbered = {(m["kind"], m["metadata"]["name"]) for m in rendered if "replicas" in m.get("spec", ())}
        assert scaled
        assert not scaled & numbered, "applying a new version would set the autoscaler's number back"


def test_no_secret_is_committed(folder: Folder) -> None:
    kinds = [m["kind"] for file in folder.files for m in documents((folder.path / file).read_text())]
    assert "Secret" not in kinds
