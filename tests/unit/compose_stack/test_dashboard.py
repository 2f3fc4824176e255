"""The dashboard asks only for metrics that are counted."""

import json
import re
from pathlib import Path

import yaml

from local_stack.services import APPLICATIONS

ROOT = Path(__file__).resolve().parents[3]
OBSERVABILITY = ROOT / "infra" / "observability"
COUNTED = re.compile(r'(?:Counter|Gauge|Histogram|GaugeMetricFamily)\(\s*"([a-z_]+)"')


def test_every_metric_of_the_dashboard_is_counted_by_the_code() -> None:
    sources = [
        path.read_text()
        for part in ("libs", "services", "orchestrator")
        for path in (ROOT / part).rglob("*.py")
    ]
    counted = {name for text in sources for name in COUNTED.findall(text)}
    dashboard = json.loads((OBSERVABILITY / "grafana/dashboards/signalbox.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"(?:signalbox|lead_capture)_[a-z_]+", target["expr"])
    }
    assert len(asked) > 5
    assert {name for name in asked if not {name, re.sub(r"_(total|bucket)$", "", name)} & counted} == set()


def test_every_process_of_ours_is_scraped() -> None:
    (job,) = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]
    scraped = {target for group in job["static_configs"] for target in group["targets"]}
    assert scraped == {f"{service.name}:{service.default_port}" for service in APPLICATIONS}
