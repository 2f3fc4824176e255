"""Versions by content, and which services a change affects, in a Git repository of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import copy_projects
from local_stack.services import APPLICATIONS
from signalbox.protocol.errors import ConfigurationError
from stack_release.affected import affected, changed_files
from stack_release.sources import Sources

EVERY_SERVICE = {application.kind for application in APPLICATIONS}
AGENTS = {"lead_ingestion", "lead_scoring", "active_outreach", "nurture_campaign", "send_email"}


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(root: Path, tmp_path: Path) -> Sources:
    for part in ("contracts", "services/lead_scoring", "services/console"):
        shutil.copytree(root / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    copy_projects(root, tmp_path)
    for part in ("libs/core/src/signalbox/protocol/errors.py", "constraints.txt", "docs/stacks.md"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / part, tmp_path / part)
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=all")
    return Sources(tmp_path)


def append(sources: Sources, file: str) -> None:
    path = sources.root / file
    path.write_text((path.read_text() if path.exists() else "") + "\n# changed\n")


def changed_since_main(sources: Sources) -> dict[str, list[str]]:
    return affected(sources, changed_files(sources.root, "main"))


def test_a_committed_service_has_the_commit_in_its_version(repository: Sources) -> None:
    commit = git(repository.root, "rev-parse", "--short=12", "HEAD")
    assert repository.version("lead_scoring") == f"0.1.0-{commit}"


def test_an_edit_gives_another_version_and_each_edit_its_own(repository: Sources) -> None:
    clean = repository.version("lead_scoring")
    append(repository, "services/lead_scoring/src/lead_scoring/handler.py")
    once = repository.version("lead_scoring")
    append(repository, "services/lead_scoring/src/lead_scoring/handler.py")
    assert once.startswith(f"{clean}-dirty-")
    assert repository.version("lead_scoring") not in {clean, once}
    assert set(once) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-"), "it has to be an image's tag"


def test_a_new_file_is_an_edit(repository: Sources) -> None:
    append(repository, "services/lead_scoring/src/lead_scoring/new.py")
    assert "-dirty-" in repository.version("lead_scoring")


def test_an_edit_elsewhere_leaves_a_services_version(repository: Sources) -> None:
    before = repository.version("lead_scoring")
    append(repository, "services/console/src/console/api.py")
    append(repository, "docs/stacks.md")
    assert repository.version("lead_scoring") == before


def test_without_git_the_version_is_the_contents(repository: Sources) -> None:
    shutil.rmtree(repository.root / ".git")
    before = repository.version("lead_scoring")
    append(repository, "constraints.txt")
    assert before.startswith("0.1.0-")
    assert repository.version("lead_scoring") != before


def test_a_change_in_a_services_folder_affects_that_service_alone(repository: Sources) -> None:
    append(repository, "services/lead_scoring/src/lead_scoring/handler.py")
    assert changed_since_main(repository) == {
        "lead_scoring": ["services/lead_scoring/src/lead_scoring/handler.py"]
    }


def test_a_change_of_its_tests_affects_a_service(repository: Sources) -> None:
    assert set(affected(repository, ["tests/unit/send_email/test_smtp.py"])) == {"send_email"}


def test_a_change_in_the_library_or_the_pins_affects_every_service(repository: Sources) -> None:
    append(repository, "libs/core/src/signalbox/protocol/errors.py")
    assert set(changed_since_main(repository)) == EVERY_SERVICE
    assert set(affected(repository, ["constraints.txt"])) == EVERY_SERVICE


@pytest.mark.parametrize(
    ("file", "services"),
    [
        ("libs/agent/src/signalbox_agent/kit.py", AGENTS),
        ("libs/operations/src/signalbox_operations/replay/service.py", set()),
        ("libs/cli/src/signalbox_cli/output.py", set()),
        ("libs/cli/pyproject.toml", set()),
    ],
)
def test_a_change_of_a_library_affects_who_is_installed_with_it(
    repository: Sources, file: str, services: set[str]
) -> None:
    assert set(affected(repository, [file])) == services


def test_a_change_of_a_contract_affects_who_reads_or_writes_it(repository: Sources) -> None:
    found = affected(repository, ["contracts/avro/sdr/LeadScored.avsc"])
    assert set(found) == {"lead_scoring", "active_outreach", "nurture_campaign"}


def test_a_change_of_a_part_affects_who_uses_a_record_that_has_it(repository: Sources) -> None:
    found = affected(repository, ["contracts/avro/sdr/Report.avsc"])
    assert set(found) == {"lead_ingestion", "lead_scoring"}


def test_generated_files_say_nothing_that_their_sources_do_not(repository: Sources) -> None:
    assert affected(repository, ["contracts/src/signalbox_contracts/sdr.py"]) == {}


def test_a_change_of_documents_affects_no_service(repository: Sources) -> None:
    append(repository, "docs/stacks.md")
    assert changed_since_main(repository) == {}


def test_what_others_changed_on_main_since_is_not_ours(repository: Sources) -> None:
    git(repository.root, "checkout", "--quiet", "-b", "ours")
    append(repository, "services/lead_scoring/src/lead_scoring/handler.py")
    git(repository.root, "commit", "--quiet", "--all", "--message=ours")
    git(repository.root, "checkout", "--quiet", "main")
    append(repository, "services/console/src/console/api.py")
    git(repository.root, "commit", "--quiet", "--all", "--message=theirs")
    git(repository.root, "checkout", "--quiet", "ours")
    assert set(changed_since_main(repository)) == {"lead_scoring"}


def test_a_commit_that_is_not_there_is_an_error(repository: Sources) -> None:
    with pytest.raises(ConfigurationError, match="no-such-branch"):
        changed_files(repository.root, "no-such-branch")
