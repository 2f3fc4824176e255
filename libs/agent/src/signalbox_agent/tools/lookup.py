"""What is known about a company already: a CRM export, enrichment data, public profiles."""

import asyncio
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.request import getproxies

import httpx2
from pydantic import SecretStr

from signalbox.process.settings import revealed
from signalbox_agent.tools.companies import Companies, Unreadable
from signalbox_agent.tools.domains import named_domain, own_domain
from signalbox_agent.tools.findings import Finding, NotAvailable, found_or_not
from signalbox_agent.tools.name_lookups import NAMES
from signalbox_agent.tools.settings import FACTS_TOLD, ToolSettings
from signalbox_agent.tools.told_facts import told

_TIMEOUT_S: Final = 5.0
_BYTE_LIMIT: Final = 256 * 1024
_DOMAIN_FACTS: Final = ("domain", "email_domain", "website", "company_website")
_UNASKED: Final = {"accept": "application/json", "accept-encoding": "identity"}


class Directory:
    """Looks one company up, in a CSV file or at a JSON HTTP endpoint, by the domain of the person's own mail.

    The endpoint gets ``?domain=…`` and answers with a JSON object, or 404 for a domain that it does not know.
    Neither the person's address nor the company's name is passed on: a name is what anybody can type, so
    nothing may be found by it. Of what is found, only the facts in ``facts`` are told.
    """

    def __init__(
        self,
        kind: str,
        *,
        file: Path | None = None,
        url: str | None = None,
        token: SecretStr | None = None,
        facts: Collection[str] = FACTS_TOLD,
    ) -> None:
        self._kind = kind
        self._told = frozenset(facts)
        self._companies = None if file is None else Companies(file)
        self._url = url
        self._token = token

    @classmethod
    def crm(cls, settings: ToolSettings) -> Self:
        """Return the look-up in the CRM."""
        return cls._of("crm", settings)

    @classmethod
    def enrichment(cls, settings: ToolSettings) -> Self:
        """Return the look-up in the enrichment data."""
        return cls._of("enrichment", settings)

    @classmethod
    def social(cls, settings: ToolSettings) -> Self:
        """Return the look-up of public profiles."""
        return cls._of("social", settings)

    @classmethod
    def _of(cls, kind: str, settings: ToolSettings) -> Self:
        file, url, token = (getattr(settings, f"{kind}_{what}") for what in ("file", "url", "token"))
        return cls(kind, file=file, url=url, token=token, facts=settings.facts_that_may_be_told)

    async def find(self, *, email: str) -> Finding | NotAvailable:
        """Return what may be told of the company that the address belongs to, by its domain."""
        return await found_or_not(self._kind, "", self._found(own_domain(email)))

    async def _found(self, domain: str) -> Finding | NotAvailable:
        if self._companies is None and self._url is None:
            name = self._kind.upper()
            return NotAvailable(self._kind, "", f"neither {name}_FILE nor {name}_URL is set")
        if not domain:
            return NotAvailable(self._kind, "", "the mail address belongs to no company")
        if self._companies is not None:
            return await asyncio.to_thread(self._in_file, self._companies, domain)
        assert self._url is not None
        return await self._at_endpoint(self._url, domain)

    def _in_file(self, companies: Companies, domain: str) -> Finding | NotAvailable:
        try:
            entry = companies.find(domain)
        except Unreadable as error:
            return NotAvailable(self._kind, companies.name, str(error))
        if entry is None:
            return NotAvailable(self._kind, companies.name, "the company is not in it")
        return self._finding(f"{companies.name}, line {entry.line}", entry.facts)

    async def _at_endpoint(self, url: str, domain: str) -> Finding | NotAvailable:
        place = url.partition("?")[0]  # it may be shown: what follows may be a key
        try:
            async with asyncio.timeout(_TIMEOUT_S), httpx2.AsyncClient(timeout=_TIMEOUT_S) as client:
                await _looked_up(httpx2.URL(url))
                query = {"domain": domain}
                status, body = await _asked(client, url, query, revealed(self._token))
            facts = json.loads(body) if httpx2.codes.is_success(status) else None
        except TimeoutError:
            return NotAvailable(self._kind, place, f"no answer within {_TIMEOUT_S:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return NotAvailable(self._kind, place, f"can't be used: {type(error).__name__}")
        if status == httpx2.codes.NOT_FOUND:
            return NotAvailable(self._kind, place, "the company is not in it")
        if not isinstance(facts, dict):
            return NotAvailable(self._kind, place, f"answered {status} with no JSON object")
        named = {domain for name in _DOMAIN_FACTS if (domain := named_domain(str(facts.get(name) or "")))}
        if named and domain not in named:
            return NotAvailable(self._kind, place, "answered with another company")
        return self._finding(place, facts)

    def _finding(self, location: str, known: Mapping[str, Any]) -> Finding:
        facts = told(known, self._told)
        text = "\n".join(f"{name}: {value}" for name, value in facts.items())
        return Finding(self._kind, location, text, title=facts.get("company", ""), facts=facts)


async def _looked_up(url: httpx2.URL) -> None:
    """Look the host up before the client does: it would use threads that the state store needs.

    Raises:
        OSError: the name server gives no answer now.
    """
    if not getproxies():  # a proxy may know names that are unknown here
        await NAMES.addresses(url.raw_host.decode("ascii"), url.port or 443)


async def _asked(
    client: httpx2.AsyncClient, url: str, query: dict[str, str], token: str | None
) -> tuple[int, bytes]:
    own = {} if token is None else {"authorization": f"Bearer {token}"}
    place = httpx2.URL(url).copy_merge_params(query)
    async with client.stream("GET", place, headers={**_UNASKED, **own}) as response:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ValueError("the answer is compressed, which was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _BYTE_LIMIT:
                raise ValueError(f"the answer is larger than {_BYTE_LIMIT} bytes")
    return response.status_code, bytes(body)
