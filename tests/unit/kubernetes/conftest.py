"""The folders of infra/k8s, one test case each."""

from pathlib import Path

import pytest

from local_stack.services import APPLICATIONS
from manifests import Folder, folders

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = {str(folder.path.relative_to(ROOT / "infra" / "k8s")): folder for folder in folders(ROOT)}
SERVICES = [application.kind for application in APPLICATIONS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "folder" in metafunc.fixturenames:
        metafunc.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
    if "overlay" in metafunc.fixturenames:
        names = [name for name in FOLDERS if name.startswith("overlays/")]
        metafunc.parametrize("overlay", [FOLDERS[name] for name in names], ids=names)
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", SERVICES)


@pytest.fixture
def of_service(service: str) -> Folder:
    """The folder of one service."""
    return FOLDERS[f"services/{service}"]
