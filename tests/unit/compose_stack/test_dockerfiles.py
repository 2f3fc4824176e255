"""The rules that every Dockerfile of ours keeps, read by a parser of Dockerfiles."""

import json
import re
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from checkout import copy_projects
from compose_stack.dockerfiles import stale

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILES = sorted(
    [*ROOT.glob("services/*/Dockerfile"), ROOT / "orchestrator/Dockerfile", ROOT / "contracts/Dockerfile"]
)
SECRET = re.compile(r"\b\w*(PASSWORD|SECRET|TOKEN|API_KEY|CREDENTIAL|INDEX_URL)(?!S_DIR)\w*=?")


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    parser = DockerfileParser(fileobj=dockerfile.open("rb"))
    return [(one["instruction"], one["value"]) for one in parser.structure if one["instruction"] != "COMMENT"]


def last_stage(dockerfile: Path) -> dict[str, str]:
    """The last instruction of each kind in the stage that becomes the image."""
    found = instructions(dockerfile)
    start = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[start:])


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.parent.name)
def dockerfile(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_is_one_for_each_service_and_it_is_what_the_template_makes_of_it() -> None:
    assert len(DOCKERFILES) == 9
    assert stale(ROOT) == []


def test_a_changed_dockerfile_is_found_stale(tmp_path: Path) -> None:
    copy_projects(ROOT, tmp_path)
    for path in [ROOT / "infra/compose/Dockerfile.template", *DOCKERFILES]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    changed = tmp_path / "services/console/Dockerfile"
    changed.write_text(changed.read_text() + "USER root\n")
    assert stale(tmp_path) == [changed]


def test_the_image_is_not_of_root_and_its_user_is_a_fixed_number(dockerfile: Path) -> None:
    assert last_stage(dockerfile)["USER"] == "10001:10001"


def test_the_process_gets_signals_itself(dockerfile: Path) -> None:
    command = json.loads(last_stage(dockerfile)["CMD"])
    assert command[0] == "python" or "exec " in command[-1]
    assert "ENTRYPOINT" not in last_stage(dockerfile)


def test_there_is_a_health_check_or_a_word_that_there_is_none(dockerfile: Path) -> None:
    check = last_stage(dockerfile)["HEALTHCHECK"]
    assert check == "NONE" if dockerfile.parent.name == "contracts" else "/healthz" in check


def test_the_base_can_be_pinned_and_is_never_the_latest(dockerfile: Path) -> None:
    found = instructions(dockerfile)
    assert ("ARG", "PYTHON_IMAGE=python:3.11-slim") in found
    bases = [value for name, value in found if name == "FROM"]
    assert bases == ["${PYTHON_IMAGE} AS shared", "shared AS library", "library AS own", "${PYTHON_IMAGE}"]


def test_no_secret_is_an_argument_or_a_variable(dockerfile: Path) -> None:
    told = [value for name, value in instructions(dockerfile) if name in {"ARG", "ENV"}]
    assert not [value for value in told if SECRET.search(value)]


def test_nothing_is_fetched_but_by_pip_with_the_pinned_versions(dockerfile: Path) -> None:
    found = instructions(dockerfile)
    assert not [value for name, value in found if name == "ADD"]
    installing = [value for name, value in found if name == "RUN" and " install -c " in value]
    assert len(installing) == 3
    assert all(" -c constraints.txt " in value and "type=secret,id=pip" in value for value in installing)


def test_the_last_stage_copies_no_source_folder(dockerfile: Path) -> None:
    found = instructions(dockerfile)
    start = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    copied = [value for name, value in found[start:] if name == "COPY"]
    assert all(value.startswith(("--from=", "contracts/")) for value in copied)


def test_only_what_images_are_built_from_gets_into_a_build() -> None:
    ignored, *allowed = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] not in "#"
    ]
    assert ignored == "*"
    assert {line for line in allowed if line.startswith("!")} == {
        "!constraints.txt",
        "!contracts",
        "!libs",
        "!orchestrator",
        "!services",
        "!infra/compose/third_party.py",
    }
