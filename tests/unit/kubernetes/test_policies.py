"""What each service's manifests promise: no root, probes, limits, and only known ones at the door."""

import re
from pathlib import Path
from typing import Any

import yaml

from local_stack.services import SERVICES
from manifests import Folder, environment_of, insecurities, pod_of
from orchestrator.settings import OrchestratorSettings
from signalbox.telemetry.server import GRACEFUL_SHUTDOWN_S

AGENTS = {"lead_ingestion", "lead_scoring", "active_outreach", "nurture_campaign", "send_email"}


def dashed(service: str) -> str:
    return service.replace("_", "-")


def selected(manifest: dict[str, Any], labels: dict[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in manifest.items())


def test_a_service_may_do_nothing_that_it_need_not(of_service: Folder) -> None:
    assert insecurities(of_service.one("Deployment", "StatefulSet")) == []


def test_the_job_that_registers_contracts_may_do_nothing_that_it_need_not(root: Path) -> None:
    assert insecurities(Folder(root / "infra/k8s/contracts").one("Job")) == []


def test_the_checks_see_a_pod_that_runs_as_root(root: Path) -> None:
    workload = Folder(root / "infra/k8s/services/console").one("Deployment")
    del workload["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    del workload["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert insecurities(workload) == ["runs as root", "service has no limits"]


def test_the_cluster_itself_refuses_pods_that_may_do_more(root: Path) -> None:
    labels = Folder(root / "infra/k8s/base").one("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_service_is_probed_where_it_says_how_it_is(of_service: Folder) -> None:
    (container,) = pod_of(of_service)["containers"]
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_a_service_has_time_to_finish_what_is_in_flight(of_service: Folder) -> None:
    pod = pod_of(of_service)
    (container,) = pod["containers"]
    waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod["terminationGracePeriodSeconds"] >= GRACEFUL_SHUTDOWN_S + waits + 5


def test_a_service_listens_where_its_service_and_policy_say(service: str, of_service: Folder) -> None:
    port = SERVICES[service].first_port
    (container,) = pod_of(of_service)["containers"]
    assert [entry["containerPort"] for entry in container["ports"]] == [port]
    assert environment_of(of_service)[f"{service.upper()}_PORT"] == str(port)
    assert environment_of(of_service)[f"{service.upper()}_HOST"] == "0.0.0.0"
    (exposed,) = of_service.one("Service")["spec"]["ports"]
    assert (exposed["port"], exposed["targetPort"]) == (port, "http")
    assert container["image"] == f"signalbox/{dashed(service)}"


def test_everything_of_a_service_selects_its_pods_and_no_others(service: str, of_service: Folder) -> None:
    workload = of_service.one("Deployment", "StatefulSet")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    own = {"app.kubernetes.io/name": dashed(service)}
    assert selected(own, labels)
    assert workload["spec"]["selector"]["matchLabels"] == own
    assert of_service.one("Service")["spec"]["selector"] == own
    assert of_service.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == own
    assert of_service.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == own
    # `kubectl apply -l app.kubernetes.io/name=…` finds all of it.
    assert all(selected(own, m["metadata"]["labels"]) for m in of_service.resources)


def test_nothing_is_reached_that_no_policy_lists(root: Path) -> None:
    policies = {m["metadata"]["name"]: m for m in Folder(root / "infra/k8s/base").resources}
    deny = policies["default-deny"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_orchestrator_reaches_agents(service: str, of_service: Folder) -> None:
    policy = of_service.one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    doors = policy["ingress"]
    if service in AGENTS:
        (door,) = doors
        orchestrator = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "orchestrator"}}}
        assert door["from"] == [orchestrator]
    elif service == "orchestrator":
        (door,) = doors
        assert door["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "console"}}}]
    else:
        (door,) = doors
        assert [set(peer) for peer in door["from"]] == [{"namespaceSelector"}]


def test_no_way_out_leads_to_the_clouds_metadata(of_service: Folder) -> None:
    blocks = [
        peer["ipBlock"]
        for way in of_service.one("NetworkPolicy")["spec"]["egress"]
        for peer in way["to"]
        if "ipBlock" in peer
    ]
    assert all("169.254.0.0/16" in block["except"] for block in blocks)


def test_the_orchestrator_may_call_the_address_that_each_agent_announces(root: Path) -> None:
    orchestrator = Folder(root / "infra/k8s/services/orchestrator")
    allowed = environment_of(orchestrator)["AGENT_ENDPOINT_ALLOW"]
    ways = orchestrator.one("NetworkPolicy")["spec"]["egress"]
    ranges = [(p["port"], p["endPort"]) for way in ways for p in way["ports"] if "endPort" in p]
    for agent in AGENTS:
        folder = Folder(root / "infra/k8s/services" / agent)
        endpoint = environment_of(folder)["AGENT_ENDPOINT"]
        port = SERVICES[agent].first_port
        assert endpoint == f"http://{folder.one('Service')['metadata']['name']}:{port}"
        assert re.fullmatch(allowed, endpoint)
        assert any(first <= port <= last for first, last in ranges)
        labels = folder.one("Deployment")["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == "agent"
    assert not re.fullmatch(allowed, "http://evil.example:8101/")
    assert OrchestratorSettings(agent_endpoint_allow=allowed).agent_endpoint_allow == allowed


def test_the_console_knows_every_orchestrator_that_there_may_be(root: Path) -> None:
    autoscaler = Folder(root / "infra/k8s/components/hpa").one("HorizontalPodAutoscaler")
    urls = environment_of(Folder(root / "infra/k8s/services/console"))["ORCHESTRATOR_URLS"].split(",")
    assert [url.strip() for url in urls] == [
        f"http://orchestrator-{number}.orchestrator:8100"
        for number in range(autoscaler["spec"]["maxReplicas"])
    ]


def test_an_agent_has_its_own_key_and_no_other(service: str, of_service: Folder) -> None:
    volumes = {volume["name"]: volume for volume in pod_of(of_service)["volumes"]}
    if service in AGENTS:
        own, public = volumes["keys"]["projected"]["sources"]
        assert own["secret"] == {
            "name": "agent-keys",
            "items": [{"key": f"{service}.key", "path": "own.key"}],
        }
        assert public["secret"] == {"name": "public-keys"}
    elif service == "orchestrator":
        assert volumes["keys"]["secret"]["secretName"] == "orchestrator-key"
    else:
        assert "keys" not in volumes


def test_a_replica_of_the_orchestrator_has_a_name_that_stays(root: Path) -> None:
    folder = Folder(root / "infra/k8s/services/orchestrator")
    workload = folder.one("StatefulSet")
    assert environment_of(folder)["ORCHESTRATOR_REPLICA"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert workload["spec"]["serviceName"] == folder.one("Service")["metadata"]["name"]
    assert workload["spec"]["replicas"] == 2


def test_no_two_processes_write_one_sqlite_file(of_service: Folder) -> None:
    claims = [m for m in of_service.resources if m["kind"] == "PersistentVolumeClaim"]
    if claims:
        workload = of_service.one("Deployment")["spec"]
        assert (workload["replicas"], workload["strategy"]) == (1, {"type": "Recreate"})
        assert [claim["spec"]["accessModes"] for claim in claims] == [["ReadWriteOncePod"]]


def test_secrets_come_from_secrets(of_service: Folder) -> None:
    secret = re.compile(r"PASSWORD|TOKEN$|API_KEY|SMTP_URL|STORE_URL|SCHEDULE_URL")
    literal = [name for name, value in environment_of(of_service).items() if isinstance(value, str)]
    assert [name for name in literal if secret.search(name)] == []


def test_settings_that_all_share_are_no_secrets(root: Path) -> None:
    files = [root / "infra/k8s/base/config.yaml", *root.glob("infra/k8s/overlays/*/config.yaml")]
    names = [name for file in files for name in yaml.safe_load(file.read_text())["data"]]
    assert [name for name in names if re.search(r"PASSWORD|TOKEN|API_KEY|USERNAME", name)] == []
