import json

from signalbox_cli.console_client import console, lead_capture

CSV = "name,email\nZoë,zoe@widgets.example\n"


def _import_answer(*lead_ids, errors=()):
    body = {"accepted": len(lead_ids), "rejected": len(errors), "lead_ids": lead_ids, "errors": list(errors)}
    return lambda _: (200, body)


def _lead(lead_id, status, reason=None):
    step = {"stage": "dead_lettered", "detail": {"reason": reason}}
    return {"lead_id": lead_id, "status": status, "timeline": [step] if reason else []}


def test_a_csv_is_sent_as_it_is(signalbox, service, tmp_path):
    service.answers["/leads/import"] = _import_answer("1", "2")
    (tmp_path / "leads.csv").write_text(CSV)
    outcome = signalbox("leads", "send", str(tmp_path / "leads.csv"), "--json")
    assert outcome.status == 0
    assert outcome.json == {"accepted": 2, "rejected": 0, "lead_ids": ["1", "2"], "errors": []}
    assert CSV.encode() in service.asked[0][1]


def test_a_refused_row_is_named_with_its_line_and_makes_the_exit_status_1(signalbox, service, tmp_path):
    error = {"line": 3, "problems": [{"field": "email", "detail": "is no address"}]}
    service.answers["/leads/import"] = _import_answer("1", errors=[error])
    (tmp_path / "leads.csv").write_text(CSV)
    outcome = signalbox("leads", "send", str(tmp_path / "leads.csv"))
    assert outcome.status == 1
    assert "line 3: email: is no address" in outcome.out


def test_a_file_without_leads_is_no_success(signalbox, service, tmp_path):
    service.answers["/leads/import"] = _import_answer()
    (tmp_path / "leads.csv").write_text("name,email\n")
    assert signalbox("leads", "send", str(tmp_path / "leads.csv")).status == 1


def test_a_missing_file_is_one_clear_line(signalbox, tmp_path):
    outcome = signalbox("leads", "send", str(tmp_path / "none.csv"))
    assert outcome.status == 1
    assert "none.csv: No such file" in outcome.err


def test_json_lines_are_sent_one_by_one_and_their_problems_told(signalbox, service, tmp_path):
    def take(body):
        if json.loads(body)["name"] == "good":
            return 202, {"lead_id": "7"}
        return 422, {"detail": "wrong", "errors": [{"field": "name", "detail": "is bad"}]}

    service.answers["/leads"] = take
    (tmp_path / "leads.jsonl").write_text('{"name": "good"}\n\n{"name": "bad"}\nrubbish\n')
    outcome = signalbox("leads", "send", str(tmp_path / "leads.jsonl"), "--json")
    assert outcome.status == 1
    assert outcome.json["lead_ids"] == ["7"]
    assert [error["line"] for error in outcome.json["errors"]] == [3, 4]
    assert outcome.json["errors"][0]["problems"] == [{"field": "name", "detail": "is bad"}]


def test_following_ends_when_each_lead_is_final_and_sums_up(signalbox, service, tmp_path):
    polls = iter([(404, {}), (200, _lead("1", "in_flight")), (500, {}), (200, _lead("1", "scheduled"))])
    service.answers["/leads/import"] = _import_answer("1", "2")
    service.answers["/api/leads/1"] = lambda _: next(polls)
    service.answers["/api/leads/2"] = lambda _: (200, _lead("2", "dead_lettered", "MALFORMED"))
    (tmp_path / "leads.csv").write_text(CSV)
    outcome = signalbox("leads", "send", str(tmp_path / "leads.csv"), "--follow", "--json")
    assert outcome.status == 0
    assert outcome.json["statuses"] == {"dead_lettered": 1, "scheduled": 1}
    assert outcome.json["reasons"] == {"MALFORMED": 1}
    assert outcome.json["unfinished"] == []


def test_following_many_leads_asks_for_the_list(signalbox, service, tmp_path):
    lead_ids = [str(number) for number in range(120)]
    service.answers["/leads/import"] = _import_answer(*lead_ids)
    page = {"leads": [{"lead_id": one, "status": "ended"} for one in lead_ids], "next": None}
    service.answers["/api/leads"] = lambda _: (200, page)
    (tmp_path / "leads.csv").write_text(CSV)
    outcome = signalbox("leads", "send", str(tmp_path / "leads.csv"), "--follow")
    assert outcome.status == 0
    assert "120" in outcome.out
    assert len(service.asked) == 2


def test_a_lead_that_is_not_final_at_the_deadline_makes_the_exit_status_1(signalbox, service, tmp_path):
    service.answers["/leads/import"] = _import_answer("1")
    service.answers["/api/leads/1"] = lambda _: (200, _lead("1", "in_flight"))
    (tmp_path / "leads.csv").write_text(CSV)
    outcome = signalbox("leads", "send", str(tmp_path / "leads.csv"), "--follow", "--deadline", "0", "--json")
    assert outcome.status == 1
    assert outcome.json["unfinished"] == ["1"]


def test_a_leads_journey_is_shown_and_what_could_steer_the_terminal_is_not(signalbox, service):
    step = {"at": "t", "stage": "routed", "record_type": "a.B", "agent": "x", "message_id": "m"}
    detail = {"reason": "fits\x1b[2J", "candidates": ["x", "y"], "model": "offline"}
    lead = {
        "lead_id": "1",
        "status": "in_flight",
        "lead": {"name": "Zoë"},
        "timeline": [step | {"detail": detail}],
    }
    service.answers["/api/leads/1"] = lambda _: (200, lead)
    shown = signalbox("leads", "show", "1").out
    assert "Zoë" in shown
    assert "fits\\x1b[2J [candidates: x, y; decided by the offline stand-in, which is not an LLM]" in shown
    assert signalbox("leads", "show", "1", "--json").json == lead


def test_a_lead_the_console_has_not_seen_is_exit_1(signalbox):
    outcome = signalbox("leads", "show", "nobody")
    assert (outcome.status, outcome.out) == (1, "")
    assert "nobody" in outcome.err


def test_a_list_takes_as_many_pages_as_it_needs(signalbox, service):
    def page(_):
        more = "after=2" not in service.asked[-1][0]
        leads = [
            {"lead_id": one, "status": "ended", "captured_at": "t", "company_name": None} for one in "12"
        ]
        return 200, {"leads": leads if more else [{"lead_id": "3"}], "next": "2" if more else None}

    service.answers["/api/leads"] = page
    assert [lead["lead_id"] for lead in signalbox("leads", "list", "--json").json] == ["1", "2", "3"]
    assert "LEAD ID" in signalbox("leads", "list").out


def test_a_status_that_does_not_exist_is_said_by_the_console(signalbox, service):
    service.answers["/api/leads"] = lambda _: (422, {"detail": "status: no such status"})
    outcome = signalbox("leads", "list", "--status", "lost")
    assert (outcome.status, outcome.err) == (1, "error: status: no such status\n")


def test_the_first_key_of_lead_captures_own_setting_is_sent_with_the_leads(tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    keys.write_text("operator=secret-of-the-operator\nshop=secret-of-the-shop\n")
    monkeypatch.setenv("LEAD_API_KEYS_FILE", str(keys))
    assert lead_capture()._client.headers["authorization"] == "Bearer secret-of-the-operator"
    assert "authorization" not in console()._client.headers
    monkeypatch.delenv("LEAD_API_KEYS_FILE")
    assert "authorization" not in lead_capture()._client.headers
