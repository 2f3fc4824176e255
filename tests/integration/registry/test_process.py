"""The development registry as a process: health, restarts, settings."""

import json
import os
import subprocess
import sys

import httpx2


def test_health_readiness_and_metrics_are_told(http, own_registry, subject, record, registered):
    schema_id = registered(subject, record(a="int"))
    http.get(f"/schemas/ids/{schema_id}")
    assert http.get("/healthz").status_code == 200
    assert http.get("/readyz").json() == {"ready": True, "waiting_for": []}
    metrics = http.get("/metrics").text
    assert 'registry_held{what="subjects"}' in metrics
    assert 'route="/schemas/ids/{schema_id}"' in metrics
    assert subject not in metrics


def test_everything_is_there_after_a_restart_and_ids_go_on(tmp_path, running, free_port):
    def register(url, text):
        answer = httpx2.post(f"{url}/subjects/s/versions", json={"schema": text})
        return answer.json()["id"]

    with running(tmp_path, free_port) as url:
        first = register(url, '"int"')
        httpx2.put(f"{url}/config/s", json={"compatibility": "NONE"})
        second = register(url, '"string"')
        httpx2.delete(f"{url}/subjects/s/versions/2")
        httpx2.delete(f"{url}/subjects/s/versions/2", params={"permanent": "true"})
    with running(tmp_path, free_port) as url:
        assert json.loads(httpx2.get(f"{url}/schemas/ids/{first}").json()["schema"]) == "int"
        assert httpx2.get(f"{url}/config/s").json() == {"compatibilityLevel": "NONE"}
        assert register(url, '"long"') > second


def test_a_taken_port_is_named_with_the_variable_that_moves_it(own_registry, tmp_path):
    port = own_registry.rpartition(":")[2]
    environment = {**os.environ, "REGISTRY_PORT": port, "DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "dev_registry"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert port in ended.stderr
    assert "REGISTRY_PORT" in ended.stderr
