"""plan, check, register and deregister with a broker: who breaks, what would fail, what holds messages."""

from typing import Any

from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES

SCORED = "sdr.LeadScored"
AWAY = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def stricter(schema: dict[str, Any]) -> None:
    rule = {"name": "worth_it", "doc": "A score is 50 or more.", "expr": "this >= 50"}
    schema["fields"][1]["confluent:rules"].append(rule)


def breaking(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "owner", "type": "string", "doc": "Who looks after it."})


def of(answer: Any, record_type: str) -> dict[str, Any]:
    (found,) = [one for one in answer if one["record_type"] == record_type]
    return dict(found)


def test_a_plan_says_how_many_accepted_messages_a_stricter_rule_would_fail(operator):
    operator.edit(SCORED, stricter)
    outcome = operator.run("contracts", "plan", "--json")
    planned = of(outcome.json, SCORED)
    assert (outcome.status, planned["change"], planned["replay"]["examined"]) == (3, "new version", 3)
    (failure,) = planned["replay"]["failures"]
    assert (failure["rule"], failure["field"], failure["count"]) == ("worth_it", "score", 2)
    assert "writer lead_scoring running version 1" in planned["running"]
    told = operator.run("contracts", "plan").text
    assert "2 of the last 3 accepted messages would fail" in told
    assert "2 x RULE_VIOLATED worth_it at score: worth_it: A score is 50 or more." in told
    assert "agent_messages/0@0, agent_messages/0@0" in told
    assert "2 accepted messages would fail, and --allow-failing is 0" in told


def test_a_plan_ends_well_when_no_more_messages_fail_than_may(operator):
    operator.edit(SCORED, stricter)
    statuses = [operator.run("contracts", "plan", "--allow-failing", str(many)).status for many in (1, 2)]
    assert statuses == [3, 0]


def test_a_plan_replays_what_was_accepted_since_a_time(operator):
    operator.edit(SCORED, stricter)
    lately = operator.run("contracts", "plan", "--since", "24h")
    assert (lately.status, "2 of the 3 messages accepted since 20" in lately.text) == (3, True)
    later = operator.run("contracts", "plan", "--since", "2099-01-01", "--json")
    assert (later.status, of(later.json, SCORED)["replay"]["examined"]) == (0, 0)
    both = operator.run("contracts", "plan", "--since", "24h", "--last", "1")
    assert (both.status, "--last and --since exclude each other" in both.text) == (2, True)


def test_a_plan_replays_no_more_messages_than_it_was_told_to(operator):
    operator.edit(SCORED, stricter)
    assert (
        of(operator.run("contracts", "plan", "--last", "1", "--json").json, SCORED)["replay"]["examined"] == 1
    )
    assert of(operator.run("contracts", "plan", "--last", "0", "--json").json, SCORED)["replay"] is None


def test_a_plan_without_its_broker_shows_what_it_can_and_says_what_it_could_not(operator):
    operator.edit(SCORED, stricter)
    outcome = operator.run("contracts", "plan", **AWAY)
    assert outcome.status == 2
    assert "new version sdr.LeadScored" in outcome.text
    assert "nor which messages would fail" in outcome.text


def test_a_plan_that_changes_nothing_needs_no_broker(operator):
    outcome = operator.run("contracts", "plan", "--json", **AWAY)
    assert (outcome.status, {one["change"] for one in outcome.json}) == (0, {"nothing"})


def test_a_break_names_the_agents_that_run_and_with_which_version(operator):
    operator.edit(SCORED, breaking)
    outcome = operator.run("contracts", "check", "--json")
    (broken,) = [one for one in of(outcome.json, SCORED)["findings"] if one["severity"] == "breaks"]
    assert outcome.status == 1
    assert broken["path"] == "owner"
    assert "writer lead_scoring running version 1" in broken["affects"]


def test_a_refused_registration_says_who_breaks_and_what_to_do_and_changes_nothing(operator):
    before = operator.versions(SCORED)
    operator.edit(SCORED, breaking)
    outcome = operator.run("contracts", "register")
    assert outcome.status == 1
    assert "refused     sdr.LeadScored: not compatible at FULL_TRANSITIVE" in outcome.text
    assert "writer lead_scoring running version 1" in outcome.text
    assert "Give the field a default" in outcome.text
    assert operator.versions(SCORED) == before


def test_deregistering_says_what_still_holds_the_messages_and_changes_nothing_without_yes(operator):
    before = operator.versions(SCORED)
    outcome = operator.run("contracts", "deregister", SCORED, "--json")
    held = {one["topic"]: one["count"] for one in outcome.json["held"]}
    assert (outcome.status, held) == (1, {AGENT_MESSAGES: 1, AGENT_ROUTES: 3})
    assert outcome.json["built_with_it"] == ["lead_scoring (version 1)", "nurture_campaign (version 1)"]
    assert outcome.json["left"] == []
    assert operator.versions(SCORED) == before


def test_a_version_whose_messages_are_still_there_is_never_deleted_for_good(operator):
    outcome = operator.run("contracts", "deregister", SCORED, "--permanently", "--yes")
    assert outcome.status == 2
    assert "4 messages could not be read any more" in outcome.text
    blind = operator.run("contracts", "deregister", SCORED, "--permanently", "--yes", **AWAY)
    assert (blind.status, operator.versions(SCORED)) == (2, [1])
    assert "not known" in blind.text


def test_a_new_version_is_rolled_back_by_deregistering_it_and_comes_back_by_registering(operator):
    optional = {"name": "segment", "type": ["null", "string"], "doc": "Segment.", "default": None}
    operator.edit("sdr.CampaignDrafted", lambda schema: schema["fields"].append(optional))
    assert operator.run("contracts", "register").status == 0
    assert operator.versions("sdr.CampaignDrafted") == [1, 2]
    told = operator.run("contracts", "deregister", "sdr.CampaignDrafted", "--version", "2", "--yes")
    assert (told.status, operator.versions("sdr.CampaignDrafted")) == (0, [1])
    assert "version 1 is the newest then" in told.text
    back = operator.run("contracts", "register")
    assert (back.status, operator.versions("sdr.CampaignDrafted")) == (0, [1, 3])
    assert "created     sdr.CampaignDrafted: version 3" in back.text  # the registry gives no number twice
    third = ("contracts", "deregister", "sdr.CampaignDrafted", "--version", "3", "--yes")
    assert operator.run(*third).status == 0
    gone = operator.run(*third, "--permanently")
    assert (gone.status, operator.versions("sdr.CampaignDrafted")) == (0, [1])
    assert "deleted for good" in gone.text
    assert operator.run(*third, "--permanently").status == 2


def test_a_version_that_is_not_there_is_told_with_those_that_are(operator):
    outcome = operator.run("contracts", "deregister", SCORED, "--version", "9", "--yes")
    assert outcome.status == 2
    assert "there are: 1" in outcome.text


def test_versions_are_told_apart_in_words(operator):
    operator.edit(SCORED, stricter)
    operator.edit(SCORED, breaking)
    outcome = operator.run("contracts", "diff", SCORED, "1")
    assert "score: rule worth_it added: this >= 50" in outcome.text
    assert "owner: field added: string, default (none)" in outcome.text
    assert "the file can't read what version 1 wrote" in outcome.text
    assert operator.run("contracts", "diff", SCORED, "7").status == 2


def test_the_status_says_which_version_is_in_force_and_who_was_built_with_which(operator):
    outcome = operator.run("contracts", "status", SCORED, "--json")
    [stands] = outcome.json
    assert (outcome.status, stands["in_force"], stands["pin"]) == (0, 1, None)
    assert stands["agents"]["lead_scoring"] == 1
    table = operator.run("contracts", "status").text
    assert SCORED in table
    assert "lead_scoring 1" in table

    pinned = operator.run("contracts", "status", SCORED, CONTRACT_PINS=f'{{"{SCORED}": 9}}')
    assert pinned.status == 1
    assert "version 9 was not adopted: the version it is pinned at is not registered" in pinned.text

    unknown = operator.run("contracts", "status", SCORED, "--json", **AWAY)
    assert (unknown.status, unknown.json[0]["agents"]) == (2, None)


def test_a_revert_says_whom_and_which_messages_it_concerns_before_it_is_done(operator):
    operator.edit(SCORED, stricter)
    assert operator.run("contracts", "register").status == 0
    newest = operator.versions(SCORED)[-1]
    revert = ("contracts", "revert", SCORED, "--to", "1")

    foreseen = operator.run(*revert, "--dry-run")
    assert (foreseen.status, operator.versions(SCORED)[-1]) == (0, newest)
    assert "score: rule worth_it dropped: this >= 50" in foreseen.text
    assert "in use: writer lead_scoring running version 1" in foreseen.text
    assert "replay: 0 of the last 3 accepted messages would fail" in foreseen.text
    assert f"version {newest} stays" in foreseen.text
    assert "nothing was changed" in foreseen.text

    done = operator.run(*revert)
    assert (done.status, operator.versions(SCORED)[-1]) == (0, newest + 1)
    assert f"created     {SCORED}: version {newest + 1}" in done.text

    back = operator.run("contracts", "revert", SCORED, "--to", str(newest), "--dry-run", "--json")
    assert (back.status, back.json["replay"]["failed"], back.json["done"]) == (3, 2, False)
    assert operator.run("can-i-deploy", "lead_scoring").status == 0
    for version in (newest + 1, newest):  # the other tests know version 1 alone
        operator.run("contracts", "deregister", SCORED, "--version", str(version), "--yes")
