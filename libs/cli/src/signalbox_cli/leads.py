"""``signalbox leads``: send leads in, follow them, see where they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from signalbox.protocol.errors import SignalboxError
from signalbox_cli.console_client import console, lead_capture
from signalbox_cli.output import AsJson, print_json, print_rows, say, visible
from signalbox_cli.sending import Sent, send_file

app = typer.Typer()

ConsoleUrl = Annotated[
    str | None, typer.Option(help="The console; else CONSOLE_URL, else http://127.0.0.1:8080.")
]


@app.command()
def send(
    file: Annotated[
        Path, typer.Argument(help="CSV with a header line, or JSON lines (.jsonl).", dir_okay=False)
    ],
    url: Annotated[
        str | None, typer.Option(help="Lead capture; else LEAD_CAPTURE_URL, else http://127.0.0.1:8000.")
    ] = None,
    console_url: ConsoleUrl = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait until each lead is in a final state.")
    ] = False,
    deadline: Annotated[float, typer.Option(help="Seconds that --follow waits at most.", min=0)] = 600,
    json: AsJson = False,
) -> None:
    """Send the leads of FILE to lead capture, and say which rows were refused and why.

    Exits with 0 only when every lead was accepted and, with --follow, reached a final state.

    Example: signalbox leads send examples/leads.csv --follow
    """
    sent = send_file(lead_capture(url), file)
    if not json:
        _print_sent(sent)
    summary = _follow(console_url, sent, deadline, quiet=json) if follow else {}
    if json:
        print_json(sent.as_dict() | summary)
    elif summary:
        _print_summary(summary)
    if sent.errors or not sent.lead_ids or summary.get("unfinished"):
        raise typer.Exit(1)


@app.command()
def show(lead_id: str, console_url: ConsoleUrl = None, json: AsJson = False) -> None:
    """Show a lead's status and each step of its journey.

    Example: signalbox leads show 0198c7d2-6a55-7f3c-9a44-3f6d1f0c2b11
    """
    lead = console(console_url).find(f"/api/leads/{quote(lead_id, safe='')}")
    if lead is None:
        raise SignalboxError(f"the console has not seen a lead {lead_id!r} (yet)")
    if json:
        print_json(lead)
        return
    say(f"lead    {visible(lead['lead_id'])}\nstatus  {lead['status']}")
    for name, value in (lead.get("lead") or {}).items():
        if value is not None:
            say(f"  {name}: {visible(value)}")
    say()
    steps = [step | {"what": _what(step["detail"])} for step in lead["timeline"]]
    print_rows(steps, ("at", "stage", "record_type", "agent", "what"), "nothing happened yet")


@app.command()
def resume(lead_id: str, console_url: ConsoleUrl = None, json: AsJson = False) -> None:
    """Let a lead that stands still go on from its last durable record.

    That record is written once more as it is, so the command may be given at any time and any number of
    times: what was decided or answered before is not decided or answered again.

    Exits with 0 when there was something to go on from.

    Example: signalbox leads resume 0198c7d2-6a55-7f3c-9a44-3f6d1f0c2b11
    """
    from signalbox_cli.resuming import resume_lead

    lead = console(console_url).find(f"/api/leads/{quote(lead_id, safe='')}")
    if lead is None:
        raise SignalboxError(f"the console has not seen a lead {lead_id!r} (yet)")
    resumed = resume_lead(lead)
    if json:
        print_json(resumed)
    else:
        print_rows(resumed, ("stage", "position", "reason"), f"nothing to resume: it is {lead['status']}")
    if not resumed:
        raise typer.Exit(1)


@app.command("list")
def list_leads(
    status: Annotated[
        str | None, typer.Option(help="Only in_flight, dead_lettered, scheduled or ended ones.")
    ] = None,
    stalled: Annotated[bool, typer.Option("--stalled", help="Only those that stand still.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 100,
    console_url: ConsoleUrl = None,
    json: AsJson = False,
) -> None:
    """List leads, newest first, without personal data.

    Example: signalbox leads list --status dead_lettered
    """
    wanted = {"status": status, "stalled": "true" if stalled else None}
    leads = list(console(console_url).pages("/api/leads", "leads", limit, **wanted))
    if json:
        print_json(leads)
    else:
        rows = [lead | {"waiting_for": _reasons(lead)} for lead in leads]
        print_rows(rows, ("lead_id", "status", "captured_at", "company_name", "waiting_for"), "no leads")


def _follow(console_url: str | None, sent: Sent, deadline_s: float, *, quiet: bool) -> dict[str, Any]:
    from signalbox_cli.following import follow

    return follow(console(console_url), sent.lead_ids, deadline_s, quiet=quiet)


def _print_sent(sent: Sent) -> None:
    say(f"accepted {len(sent.lead_ids)}, refused {len(sent.errors)}")
    for error in sent.errors:
        for problem in error["problems"]:
            say(f"  line {error['line']}: {visible(problem['field'])}: {visible(problem['detail'])}")
    if sent.stopped:
        say(f"  {visible(sent.stopped)}")


def _print_summary(summary: Mapping[str, Any]) -> None:
    for name in ("statuses", "reasons"):
        for key, count in summary[name].items():
            say(f"  {visible(key):<20} {count:>6}" + ("  (dead-letter reason)" if name == "reasons" else ""))
    if summary["unfinished"]:
        say(f"  not final within the deadline: {len(summary['unfinished'])}", err=True)


def _reasons(lead: Mapping[str, Any]) -> str:
    return "; ".join(str(wait["reason"]) for wait in lead.get("waiting_for", ()))


def _what(detail: Mapping[str, Any]) -> str:
    if "gave" in detail:
        return "gave " + ", ".join(str(one["record_type"]) for one in detail["gave"])
    said = [str(detail[name]) for name in ("reason", "detail", "field") if detail.get(name)]
    if detail.get("candidates"):
        said.append(f"[candidates: {', '.join(detail['candidates'])}; decided by {_decider(detail)}]")
    if "offset" in detail:
        said.append(f"({detail['topic']}/{detail['partition']}/{detail['offset']})")
    return " ".join(said)


def _decider(detail: Mapping[str, Any]) -> str:
    model = str(detail.get("model") or "a rule")
    return "the offline stand-in, which is not an LLM" if model == "offline" else model
