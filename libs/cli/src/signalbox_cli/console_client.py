"""The console and lead capture over HTTP, as the command uses them; their errors end here as ours."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx2
from pydantic import SecretStr

from signalbox.process.settings import Settings, revealed
from signalbox.protocol.errors import SignalboxError, Unavailable

_TIMEOUT_S: Final = 30.0
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_PAGE: Final = 1000


class Addresses(Settings):
    """Where the two are, and lead capture's own setting of keys, the first of which is used."""

    console_url: str = "http://127.0.0.1:8080"
    lead_capture_url: str = "http://127.0.0.1:8000"
    lead_api_keys: SecretStr | None = None

    def lead_api_key(self) -> str | None:
        """Return the first key of ``name=key,…``; None when none is set."""
        first = (revealed(self.lead_api_keys) or "").replace(",", " ").split()
        return first[0].partition("=")[2] if first else None


class Refused(SignalboxError):
    """The other side understood the request and refused it; the text is its own."""


class Service:
    """One HTTP service at ``url``."""

    def __init__(self, name: str, url: str, setting: str, key: str | None = None) -> None:
        self.name = name
        self._setting = setting
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(timeout=_TIMEOUT_S, headers=headers)

    def call(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """Send a request and return the answer, whatever its status below 500.

        Raises:
            Unavailable: no answer, or a server error.
        """
        try:
            answer = self._client.request(method, self._url + path, **request)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            hint = f"`signalbox status` shows what runs; {self._setting} says where it is"
            raise Unavailable(self.name, f"no answer at {self._url} ({error}); {hint}") from error
        if answer.status_code >= _SERVER_ERROR:
            raise Unavailable(
                self.name, f"{self._url}{path} answered {answer.status_code}: {problem(answer)}"
            )
        return answer

    def get(self, path: str, **parameters: object) -> dict[str, Any]:
        """Return the JSON object at ``path``; parameters that are None are left out.

        Raises:
            Refused: it is not there, or the request was wrong.
            Unavailable: no answer.
        """
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        answer = self.call("GET", path, params=given)
        if answer.is_error:
            raise Refused(problem(answer))
        return json_object(answer)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the JSON object at ``path``, or None when it is not there."""
        answer = self.call("GET", path)
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.is_error:
            raise Refused(problem(answer))
        return json_object(answer)

    def pages(self, path: str, items: str, limit: int, **parameters: object) -> Iterator[dict[str, Any]]:
        """Yield up to ``limit`` objects of a paged list, asking for as many pages as that takes."""
        after: str | None = None
        while limit > 0:
            page = self.get(path, limit=min(limit, _PAGE), after=after, **parameters)
            yield from page[items]
            limit -= len(page[items])
            after = page["next"]
            if after is None:
                return


def console(url: str | None = None) -> Service:
    """Return the console at ``url``, else at ``CONSOLE_URL``."""
    return Service("console", url or Addresses().console_url, "CONSOLE_URL")


def lead_capture(url: str | None = None) -> Service:
    """Return lead capture at ``url``, else at ``LEAD_CAPTURE_URL``; ``LEAD_API_KEYS`` may have its key."""
    found = Addresses()
    return Service("lead capture", url or found.lead_capture_url, "LEAD_CAPTURE_URL", found.lead_api_key())


def json_object(answer: httpx2.Response) -> dict[str, Any]:
    """Return the answer's JSON object.

    Raises:
        Unavailable: it is something else, so another program is at this address.
    """
    try:
        body = answer.json()
    except ValueError as error:
        raise Unavailable(str(answer.url), "answers, but not with JSON; is it another program?") from error
    if not isinstance(body, dict):
        raise Unavailable(str(answer.url), "answers, but not with a JSON object; is it another program?")
    return body


def problem(answer: httpx2.Response) -> str:
    """Return what a problem body (RFC 9457) says, else the start of whatever was answered."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if isinstance(body, Mapping):
        return str(body.get("detail") or body.get("title") or body)
    return answer.text[:200] or answer.reason_phrase
