"""``signalbox campaigns``: see and end campaigns; say which addresses get mail."""

from pathlib import Path
from typing import Annotated, Any

import typer

from signalbox.protocol.errors import SignalboxError
from signalbox_cli.output import AsJson, print_json, print_rows, say, visible
from signalbox_cli.send_email_client import SendEmail

app = typer.Typer()

Url = Annotated[str | None, typer.Option(help="Send Email; else SEND_EMAIL_URL, else http://127.0.0.1:8105.")]
Why = Annotated[str, typer.Option(help="Why, for whoever looks at it later.", metavar="TEXT")]


@app.command("list")
def list_campaigns(
    to: Annotated[str | None, typer.Option(help="Only those to this address, in any spelling.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)] = 100,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """List campaigns with their mails counted by status, without personal data.

    Example: signalbox campaigns list --to ada@ferrum.example
    """
    asked = {"limit": limit} | ({"address": to} if to else {})
    _print_campaigns(SendEmail(url).ask("POST", "/campaigns/search", asked)["campaigns"], json=json)


@app.command()
def show(
    ident: Annotated[str, typer.Argument(help="A campaign's or a lead's id.", metavar="ID")],
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Show how far each mail of a campaign is, and why one is held.

    Exits with 0 only when there is such a campaign.

    Example: signalbox campaigns show crm-1001
    """
    found = SendEmail(url).ask("POST", "/campaigns/show", {"ident": ident})
    if not found["campaigns"]:
        raise SignalboxError(f"there is no campaign of {ident!r} (yet)")
    if json:
        print_json(found)
        return
    _print_campaigns(found["campaigns"], json=False)
    say()
    print_rows(found["mails"], ("message_id", "scheduled_at", "status", "attempts", "reason"), "no mails")


@app.command()
def cancel(
    ident: Annotated[str | None, typer.Argument(help="A campaign's or a lead's id.", metavar="[ID]")] = None,
    all_to: Annotated[
        str | None, typer.Option(help="All campaigns to this address, in any spelling.", metavar="ADDRESS")
    ] = None,
    why: Why = "",
    url: Url = None,
    json: AsJson = False,
) -> None:
    """End campaigns: no further mail of theirs goes. A mail that is being handed over is finished.

    May be given any number of times. What comes later for the same address is another campaign: suppress the
    address to stop that too. Exits with 0 only when there was such a campaign.

    Example: signalbox campaigns cancel crm-1001 --why "wrong person"
    """
    if (ident is None) == (all_to is None):
        raise typer.BadParameter("give either an ID, or --all-to ADDRESS")
    asked = {"why": why} | ({"ident": ident} if ident is not None else {"address": all_to})
    campaigns = SendEmail(url).ask("POST", "/campaigns/cancel", asked)["campaigns"]
    _print_campaigns(campaigns, json=json)
    if not campaigns:
        raise typer.Exit(1)


@app.command()
def confirm(
    address: Annotated[str | None, typer.Argument(help="An address.", metavar="[ADDRESS]")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file with one address a line.", exists=True, dir_okay=False)
    ] = None,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Say that an address is its owner's, so that campaigns may write to it in their own words.

    Mails that waited for it go, with their spacing kept. Exits with 0 only when each address was taken.

    Example: signalbox campaigns confirm ada@ferrum.example
    """
    if (address is None) == (file is None):
        raise typer.BadParameter("give either an ADDRESS, or --file FILE")
    addresses = [address] if address is not None else _lines(file)
    outcomes = [_confirmed(SendEmail(url), one) for one in addresses]
    if json:
        print_json(outcomes)
    else:
        print_rows(outcomes, ("address", "outcome"), "no addresses")
    if not outcomes or any(one["outcome"] not in {"confirmed", "was confirmed"} for one in outcomes):
        raise typer.Exit(1)


@app.command()
def suppress(address: str, why: Why = "", url: Url = None, json: AsJson = False) -> None:
    """Let ADDRESS, or @DOMAIN and all below it, get no mail any more; what is scheduled ends.

    Example: signalbox campaigns suppress ada@ferrum.example --why "asked us to stop"
    """
    changed = SendEmail(url).ask("POST", "/recipients/suppress", {"address": address, "why": why})["changed"]
    _print_change(address, "suppressed", "was suppressed", changed=changed, json=json)


@app.command()
def unsuppress(address: str, url: Url = None, json: AsJson = False) -> None:
    """Take a suppression back, for mails to come. Exits with 0 only when there was one.

    Example: signalbox campaigns unsuppress ada@ferrum.example
    """
    changed = SendEmail(url).ask("POST", "/recipients/unsuppress", {"address": address})["changed"]
    _print_change(address, "no longer suppressed", "was not suppressed", changed=changed, json=json)
    if not changed:
        raise typer.Exit(1)


@app.command()
def suppressions(url: Url = None, json: AsJson = False) -> None:
    """List who gets no mail, since when, and why.

    Example: signalbox campaigns suppressions
    """
    found = SendEmail(url).ask("GET", "/recipients/suppressions")["suppressions"]
    if json:
        print_json(found)
    else:
        print_rows(found, ("pattern", "since", "why"), "no suppressions")


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SignalboxError(f"{file} is not text in UTF-8") from error
    return [line.strip() for line in lines if line.strip()]


def _confirmed(send_email: SendEmail, address: str) -> dict[str, str]:
    from signalbox_cli.console_client import Refused

    try:
        changed = send_email.ask("POST", "/recipients/confirm", {"address": address})["changed"]
    except Refused as error:
        return {"address": address, "outcome": f"refused: {error}"}
    return {"address": address, "outcome": "confirmed" if changed else "was confirmed"}


def _print_campaigns(campaigns: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        print_json(campaigns)
        return
    rows = [
        one | {"mails": [f"{count} {status}" for status, count in sorted(one["mails"].items())]}
        for one in campaigns
    ]
    print_rows(rows, ("campaign_id", "lead_id", "campaign_type", "cancelled", "why", "mails"), "no campaigns")


def _print_change(address: str, now: str, before: str, *, changed: bool, json: bool) -> None:
    if json:
        print_json({"address": address, "changed": changed})
    else:
        say(f"{visible(address)} {now if changed else before}")
