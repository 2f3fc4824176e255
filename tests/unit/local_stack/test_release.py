"""The order of a release, and what is true when a step fails."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from checkout import copy_projects
from local_stack.governance import CommandFailed
from local_stack.progress import Progress
from local_stack.running import StackError
from signalbox.protocol.errors import ConfigurationError
from stack_release.containers import ComposeTarget, KubectlFailed, KubernetesTarget
from stack_release.releasing import run_tests
from stack_release.sources import Sources
from stack_release.steps import Contracts, Report, release

CONTRACTS: Contracts = {"reads": {"sdr.LeadProfiled": 1}, "writes": {"sdr.LeadScored": 2}}


@dataclass
class Recorder:
    """A target that writes down what it is told, and fails where it is told to."""

    fails: Mapping[str, BaseException] = field(default_factory=dict)
    touches: bool = True
    name: str = "local"
    told: list[str] = field(default_factory=list)

    def running(self, service: str) -> str:
        return "the one before"

    def build(self, service: str, version: str, contracts: Contracts) -> str:
        return self._do("build", f"{service} {version}")

    def deploy(self, service: str, built: str) -> None:
        self._do("deploy", "")

    def roll_back(self, service: str) -> str:
        return self._do("roll back", "the one before" if self.touches else "")

    def _do(self, what: str, answer: str) -> str:
        self.told.append(what)
        if what in self.fails:
            raise self.fails[what]
        return answer


def fails(error: BaseException) -> Callable[[], str]:
    def step() -> str:
        raise error

    return step


def released(target: Recorder, test: Callable[[], str] = lambda: "3 passed") -> Report:
    return release(
        "lead_scoring", "1-abc", target, test=test, ask=lambda: CONTRACTS, progress=Progress(quiet=True)
    )


def test_a_release_tests_asks_builds_and_deploys_in_this_order() -> None:
    target = Recorder()
    report = released(target)
    assert [(step.name, step.done) for step in report.steps] == [
        ("test", True),
        ("can-i-deploy", True),
        ("build", True),
        ("deploy", True),
    ]
    assert target.told == ["build", "deploy"]
    assert (report.result, report.replaced) == ("released", "the one before")


def test_nothing_is_built_when_a_test_fails() -> None:
    target = Recorder()
    report = released(target, test=fails(CommandFailed("pytest", 1, "1 failed")))
    assert (report.result, target.told) == ("refused", [])
    assert "1 failed" in report.steps[-1].detail
    assert "the one before goes on" in report.summary


def test_nothing_is_deployed_when_it_can_not_be_built() -> None:
    target = Recorder({"build": CommandFailed("pip", 1, "no such distribution")})
    assert (released(target).result, target.told) == ("refused", ["build"])


@pytest.mark.parametrize("error", [StackError("not ready"), KeyboardInterrupt()])
def test_what_does_not_become_ready_is_rolled_back_also_on_ctrl_c(error: BaseException) -> None:
    target = Recorder({"deploy": error})
    report = released(target)
    assert (report.result, target.told) == ("rolled_back", ["build", "deploy", "roll back"])
    assert report.summary.endswith("ROLLED BACK to the one before")


def test_a_fault_of_the_program_itself_is_rolled_back_too_and_is_not_hidden() -> None:
    target = Recorder({"deploy": ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        released(target)
    assert target.told[-1] == "roll back"


def test_a_deployment_that_touched_nothing_is_refused_not_rolled_back() -> None:
    assert released(Recorder({"deploy": StackError("no")}, touches=False)).result == "refused"


def test_a_roll_back_that_fails_says_so() -> None:
    target = Recorder({"deploy": StackError("not ready"), "roll back": StackError("not ready either")})
    report = released(target)
    assert report.result == "broken"
    assert "could NOT be put back" in report.summary


@dataclass
class Images:
    """Writes down what it should build, in place of a Docker engine."""

    built: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)

    def build(self, root: Path, service: str, version: str, labels: Mapping[str, str]) -> str:
        self.built.append((service, version, labels))
        return f"registry.example/signalbox/{service.replace('_', '-')}:{version}"

    def push(self, image: str) -> None:
        self.pushed.append(image)


@dataclass
class Containers:
    """One container by its image, in place of Docker Compose."""

    runs: list[str] = field(default_factory=lambda: ["old"])

    def deploy(self, service: str, image: str) -> None:
        self.runs.append(image)
        if "broken" in image:
            raise StackError("it does not become ready")

    def rollback(self, service: str) -> str:
        self.runs.pop()
        return self.runs[-1]

    def image(self, service: str) -> str:
        return self.runs[-1]


def test_an_image_is_labelled_with_the_versions_of_its_contracts(root: Path) -> None:
    images = Images()
    ComposeTarget(Containers(), Sources(root), images).build("lead_scoring", "1-abc", CONTRACTS)
    ((service, version, labels),) = images.built
    assert (service, version) == ("lead_scoring", "1-abc")
    assert json.loads(labels["signalbox.contracts"]) == CONTRACTS


def test_a_container_that_does_not_become_ready_is_replaced_by_the_one_before(root: Path) -> None:
    containers = Containers()
    target = ComposeTarget(containers, Sources(root), Images())
    target.deploy("lead_scoring", "new")
    with pytest.raises(StackError):
        target.deploy("lead_scoring", "broken")
    assert target.roll_back("lead_scoring") == "new"
    assert target.roll_back("lead_scoring") == ""


@dataclass
class Kubectl:
    """Writes commands down and answers them, in place of a cluster."""

    answers: Mapping[str, str] = field(default_factory=dict)
    fails: str = "-"
    told: list[str] = field(default_factory=list)

    def __call__(self, words: Sequence[str]) -> str:
        line = " ".join(words)
        self.told.append(line)
        if line.startswith(self.fails):
            self.fails = "-"
            raise KubectlFailed(line)
        return next((answer for part, answer in self.answers.items() if part in line), "")


def cluster(
    root: Path, scratch: Path, run: Kubectl, overlay: str = "overlays/production"
) -> KubernetesTarget:
    return KubernetesTarget(Sources(root), root / "infra/k8s" / overlay, scratch, Images(), run)


def test_a_release_to_kubernetes_applies_one_services_objects_with_the_new_image(
    root: Path, tmp_path: Path
) -> None:
    run = Kubectl()
    cluster(root, tmp_path, run).deploy("lead_scoring", "registry.example/signalbox/lead-scoring:1-abc")
    assert run.told[-2:] == [
        f"apply --kustomize {tmp_path} --selector=app.kubernetes.io/name=lead-scoring",
        "rollout status deployment/lead-scoring --timeout=300s --namespace=signalbox",
    ]
    laid_over = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())
    (base,) = laid_over["resources"]
    assert (tmp_path / base).resolve() == root / "infra/k8s/overlays/production"
    assert laid_over["images"] == [
        {
            "name": "registry.example.com/signalbox/lead-scoring",
            "newName": "registry.example/signalbox/lead-scoring",
            "newTag": "1-abc",
        }
    ]


def test_a_rollout_on_kubernetes_that_does_not_become_ready_is_undone(root: Path, tmp_path: Path) -> None:
    run = Kubectl({"jsonpath={.spec": "signalbox/lead-scoring:0"}, fails="rollout status")
    target = cluster(root, tmp_path, run)
    with pytest.raises(KubectlFailed):
        target.deploy("lead_scoring", "signalbox/lead-scoring:1")
    assert target.roll_back("lead_scoring") == "signalbox/lead-scoring:0"
    assert "rollout undo deployment/lead-scoring --namespace=signalbox" in run.told
    assert [line for line in run.told if line.startswith("delete")] == []


def test_the_orchestrators_pods_of_the_failed_revision_are_removed(root: Path, tmp_path: Path) -> None:
    run = Kubectl({"updateRevision": "orchestrator-7", "jsonpath={.spec": "old"}, fails="rollout status")
    target = cluster(root, tmp_path, run, "overlays/dev")
    with pytest.raises(KubectlFailed):
        target.deploy("orchestrator", "signalbox/orchestrator:1")
    target.roll_back("orchestrator")
    undone = run.told.index("rollout undo statefulset/orchestrator --namespace=signalbox-dev")
    (removed,) = [line for line in run.told[undone:] if line.startswith("delete pods")]
    assert "controller-revision-hash=orchestrator-7" in removed


def test_what_was_never_applied_to_kubernetes_is_not_rolled_back(root: Path, tmp_path: Path) -> None:
    run = Kubectl()
    assert cluster(root, tmp_path, run).roll_back("lead_scoring") == ""
    assert run.told == []


def test_the_first_deployment_to_kubernetes_has_nothing_to_go_back_to(root: Path, tmp_path: Path) -> None:
    target = cluster(root, tmp_path, Kubectl(fails="rollout status"))
    with pytest.raises(KubectlFailed):
        target.deploy("lead_scoring", "signalbox/lead-scoring:1")
    with pytest.raises(KubectlFailed, match="nothing to go back to"):
        target.roll_back("lead_scoring")


def test_an_image_is_pushed_only_when_it_has_a_registry(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Images()
    target = KubernetesTarget(Sources(root), root / "infra/k8s/overlays/dev", tmp_path, images, Kubectl())
    monkeypatch.delenv("IMAGE_PREFIX", raising=False)
    target.build("console", "1", CONTRACTS)
    assert images.pushed == []
    monkeypatch.setenv("IMAGE_PREFIX", "registry.example/")
    assert images.pushed == [] and target.build("console", "1", CONTRACTS) in images.pushed


def test_an_environment_that_has_no_overlay_is_an_error(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="overlays/staging"):
        cluster(root, tmp_path, Kubectl(), "overlays/staging")


def test_a_name_that_is_no_service_can_not_be_released(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="'broker' can't be released; there are orchestrator"):
        Sources(root).folder("broker")


def test_a_failing_test_of_a_service_is_told_with_its_end(root: Path, tmp_path: Path) -> None:
    copy_projects(root, tmp_path)
    tests = tmp_path / "tests/unit/lead_scoring"
    tests.mkdir(parents=True)
    (tests / "test_it.py").write_text("def test_that_fails():\n    assert 'this' == 'that'\n")
    with pytest.raises(CommandFailed, match="test_that_fails"):
        run_tests("lead_scoring", Sources(tmp_path))
