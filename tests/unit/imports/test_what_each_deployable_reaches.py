"""What each deployable imports, through whatever: less than what its own imports say at a glance."""

from pathlib import Path

import grimp
import pytest

from stack_release.sources import Sources

AGENTS = ("lead_ingestion", "lead_scoring", "active_outreach", "nurture_campaign", "send_email")
SERVICES = (*AGENTS, "lead_capture", "console", "orchestrator")
OURS = ("signalbox", "signalbox_agent", "signalbox_decide", "signalbox_operations", "signalbox_contracts")
CORE_TESTS = ("avro", "governance", "kafka", "models", "telemetry", "trust")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*OURS, "signalbox_cli", *SERVICES, include_external_packages=True)


def reached(graph: grimp.ImportGraph, package: str) -> set[str]:
    """Return the distributions' packages that ``package`` imports, directly or not."""
    modules = graph.find_upstream_modules(package, as_package=True)
    return {module.partition(".")[0] for module in modules} - {package}


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_reaches_the_command_or_what_it_does(graph: grimp.ImportGraph, service: str) -> None:
    assert not reached(graph, service) & {"signalbox_cli", "signalbox_operations", "typer", "rich"}


@pytest.mark.parametrize("service", ["lead_capture", "console"])
def test_console_and_lead_capture_reach_no_models_client(graph: grimp.ImportGraph, service: str) -> None:
    assert not reached(graph, service) & {"pydantic_ai", "openai", "signalbox_agent", "signalbox_decide"}


@pytest.mark.parametrize("service", AGENTS)
def test_an_agent_reaches_its_kit_and_no_decision(graph: grimp.ImportGraph, service: str) -> None:
    found = reached(graph, service)
    assert {"signalbox", "signalbox_agent", "signalbox_contracts"} <= found
    assert not found & {"signalbox_decide", "orchestrator"}


@pytest.mark.parametrize("service", SERVICES)
def test_each_readme_installs_what_its_service_needs(service: str) -> None:
    folder = ROOT if service == "orchestrator" else ROOT / "services"
    lines = (folder / service / "README.md").read_text(encoding="utf-8").splitlines()
    (installed,) = [line.partition("constraints.txt ")[2].split() for line in lines if "pip install" in line]
    assert sorted(installed) == sorted(f"./{one}" for one in Sources(ROOT).distributions(service))


def test_core_and_the_orchestrator_reach_no_domain(graph: grimp.ImportGraph) -> None:
    for package in ("signalbox", "signalbox_decide", "orchestrator"):
        assert "signalbox_contracts" not in reached(graph, package)


def test_cores_tests_need_no_domains_package() -> None:
    files = [file for part in CORE_TESTS for file in (ROOT / "tests/unit" / f"signalbox_{part}").glob("*.py")]
    assert len(files) > len(CORE_TESTS)
    assert [file.name for file in files if "signalbox_contracts" in file.read_text()] == []
