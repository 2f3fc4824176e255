"""A service that is deployed again is granted what the catalog by then lets it take and give."""

import json
from pathlib import Path

import pytest
import yaml

from local_stack.grants import GRANTS_FILE, allowed, renew_grant
from signalbox.catalog import Catalog


@pytest.fixture
def catalog(root: Path, tmp_path: Path) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text((root / "contracts" / "catalog.yaml").read_text())
    known = allowed(Catalog.load(str(path)), "lead_scoring")
    grant = {"endpoints": ["http://127.0.0.1:1"], "public_keys": ["k"], **known}
    (tmp_path / GRANTS_FILE).write_text(
        json.dumps({"agents": {"lead_scoring": grant, "other": {"takes": []}}})
    )
    return path


def gives_another(catalog: Path) -> None:
    text = yaml.safe_load(catalog.read_text())
    scored = text["records"]["sdr.LeadScored"]
    text["records"]["sdr.LeadRated"] = {**scored, "producers": ["lead_scoring"]}
    text["records"]["sdr.LeadScored"] = {**scored, "producers": []}
    catalog.write_text(yaml.safe_dump(text))


def test_nothing_is_granted_where_the_catalog_is_as_it_was(catalog: Path) -> None:
    settings, applied = {"CATALOG": str(catalog)}, list[Path]()
    assert not renew_grant(catalog.parent, "lead_scoring", settings, applied.append)
    gives_another(catalog)
    assert not renew_grant(catalog.parent, "lead_capture", settings, applied.append)
    assert applied == []


def test_a_type_that_came_meanwhile_is_granted_beside_what_was(catalog: Path) -> None:
    gives_another(catalog)
    settings, applied = {"CATALOG": str(catalog)}, list[Path]()
    assert renew_grant(catalog.parent, "lead_scoring", settings, applied.append)
    grants = json.loads(applied[0].read_text())["agents"]
    assert {"sdr.LeadRated", "sdr.LeadScored"} <= {*grants["lead_scoring"]["gives"]}  # the old one runs yet
    assert grants["lead_scoring"]["endpoints"] == ["http://127.0.0.1:1"]
    assert grants["other"] == {"takes": []}
    assert not renew_grant(catalog.parent, "lead_scoring", settings, applied.append)


def test_a_grant_that_could_not_be_made_is_tried_again_the_next_time(catalog: Path) -> None:
    def away(path: Path) -> None:
        raise ConnectionError

    gives_another(catalog)
    settings, applied = {"CATALOG": str(catalog)}, list[Path]()
    with pytest.raises(ConnectionError):
        renew_grant(catalog.parent, "lead_scoring", settings, away)
    assert renew_grant(catalog.parent, "lead_scoring", settings, applied.append)
