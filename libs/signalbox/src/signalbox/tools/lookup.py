"""What is known about a company already: a CRM export, enrichment data, public profiles."""

import asyncio
from pathlib import Path
from typing import Any, Final, Self

import httpx
from pydantic import SecretStr

from signalbox.settings import revealed
from signalbox.tools.companies import Companies, Unreadable, domain_of
from signalbox.tools.findings import Finding, NotAvailable
from signalbox.tools.settings import ToolSettings

_TIMEOUT_S: Final = 5.0
_BYTE_LIMIT: Final = 256 * 1024
_VALUE_LIMIT: Final = 1_000


class Directory:
    """Looks one company up, in a CSV file or at a JSON HTTP endpoint.

    The endpoint gets ``?company=…&domain=…`` and answers with a JSON object, or 404 for a company that it
    does not know. The person's address is not passed on, only its domain.
    """

    def __init__(
        self,
        kind: str,
        *,
        file: Path | None = None,
        url: str | None = None,
        token: SecretStr | None = None,
    ) -> None:
        self._kind = kind
        self._companies = None if file is None else Companies(file)
        self._url = url
        self._token = token

    @classmethod
    def crm(cls, settings: ToolSettings) -> Self:
        """Return the look-up in the CRM."""
        return cls("crm", file=settings.crm_file, url=settings.crm_url, token=settings.crm_token)

    @classmethod
    def enrichment(cls, settings: ToolSettings) -> Self:
        """Return the look-up in the enrichment data."""
        return cls(
            "enrichment",
            file=settings.enrichment_file,
            url=settings.enrichment_url,
            token=settings.enrichment_token,
        )

    @classmethod
    def social(cls, settings: ToolSettings) -> Self:
        """Return the look-up of public profiles."""
        return cls("social", file=settings.social_file, url=settings.social_url, token=settings.social_token)

    async def find(self, *, company: str, email: str) -> Finding | NotAvailable:
        """Return what is known of the company: by the e-mail's domain, else by the company's name."""
        domain = domain_of(email)
        if self._companies is not None:
            return await asyncio.to_thread(self._in_file, self._companies, company, domain)
        if self._url is not None:
            return await self._at_endpoint(self._url, company, domain)
        name = self._kind.upper()
        return NotAvailable(self._kind, "", f"neither {name}_FILE nor {name}_URL is set")

    def _in_file(self, companies: Companies, company: str, domain: str) -> Finding | NotAvailable:
        try:
            entry = companies.find(company, domain)
        except Unreadable as error:
            return NotAvailable(self._kind, companies.name, str(error))
        if entry is None:
            return NotAvailable(self._kind, companies.name, "the company is not in it")
        return self._finding(f"{companies.name}, line {entry.line}", entry.facts)

    async def _at_endpoint(self, url: str, company: str, domain: str) -> Finding | NotAvailable:
        place = url.partition("?")[0]  # it may be shown: what follows may be a key
        try:
            async with asyncio.timeout(_TIMEOUT_S), httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                query = {"company": company, "domain": domain}
                response = await _asked(client, url, query, revealed(self._token))
            facts = response.json() if response.is_success else None
        except TimeoutError:
            return NotAvailable(self._kind, place, f"no answer within {_TIMEOUT_S:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return NotAvailable(self._kind, place, f"can't be used: {type(error).__name__}: {error}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return NotAvailable(self._kind, place, "the company is not in it")
        if not isinstance(facts, dict):
            return NotAvailable(self._kind, place, f"answered {response.status_code} with no JSON object")
        return self._finding(place, _texts(facts))

    def _finding(self, location: str, facts: dict[str, str]) -> Finding:
        text = "\n".join(f"{name}: {value}" for name, value in facts.items())
        return Finding(self._kind, location, text, title=facts.get("company", ""), facts=facts)


async def _asked(
    client: httpx.AsyncClient, url: str, query: dict[str, str], token: str | None
) -> httpx.Response:
    own = {} if token is None else {"authorization": f"Bearer {token}"}
    async with client.stream("GET", httpx.URL(url).copy_merge_params(query), headers=own) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _BYTE_LIMIT:
                raise ValueError(f"the answer is larger than {_BYTE_LIMIT} bytes")
    return httpx.Response(response.status_code, content=bytes(body), request=response.request)


def _texts(facts: dict[str, Any]) -> dict[str, str]:
    scalars = {name: value for name, value in facts.items() if isinstance(value, str | int | float | bool)}
    return {name: str(value)[:_VALUE_LIMIT] for name, value in scalars.items() if value != ""}
