"""The HTTP client under the chat completions SDK: it lets nothing through but answers of the protocol.

A proxy's page, an error inside a 200, a stream that was not asked for: each ends here, before the SDK
guesses. What is an answer goes on as :mod:`signalbox.models.chat_answers` writes it again.
"""

import json
from typing import Any, Final

import httpx2

from signalbox.models.chat_answers import Filtered, NoCompletion, read_completion
from signalbox.models.unanswerable import Unanswerable, why_unanswerable
from signalbox.protocol.errors import NotAnAnswer

_LARGEST: Final = 4 * 1024 * 1024
_SHOWN: Final = 200
_KEPT_HEADERS: Final = ("content-type", "retry-after")
_ERROR: Final = 400


class ChatClient(httpx2.AsyncClient):
    """Sends requests of chat completions, each answered whole."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout=httpx2.Timeout(timeout_s, connect=5.0), follow_redirects=False)

    async def send(self, request: httpx2.Request, **more: Any) -> httpx2.Response:
        """Send, and return an answer that says what came in the protocol's own form.

        Raises:
            NotAnAnswer: what came is none.
            Unanswerable: the server can't take this request, now or later.
        """
        answer = await super().send(request, **{**more, "stream": True})
        try:
            body = await _read(answer)
        finally:
            await answer.aclose()
        if answer.status_code >= _ERROR:
            is_json = _is_json(_kind(answer))
            if why := why_unanswerable(
                answer.status_code, body.decode(errors="replace") if is_json else None
            ):
                raise Unanswerable(why)
            # What was not sent as JSON must not be read as the protocol's further in; the log still shows it.
            said = body if is_json else b"no JSON: " + body
            kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
            return httpx2.Response(answer.status_code, headers=kept, content=said, request=request)
        return httpx2.Response(200, json=_completion(request, answer, body), request=request)


def _kind(answer: httpx2.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    return kind.endswith(("/json", "+json"))


async def _read(answer: httpx2.Response) -> bytes:
    read = bytearray()
    try:
        async for part in answer.aiter_bytes():
            read += part
            if len(read) > _LARGEST:
                raise NotAnAnswer("model", f"its answer is over {_LARGEST} bytes")
    except httpx2.DecodingError as error:
        raise NotAnAnswer("model", f"its answer can't be decompressed: {error}") from error
    return bytes(read)


def _completion(request: httpx2.Request, answer: httpx2.Response, body: bytes) -> dict[str, Any]:
    kind = _kind(answer)
    came = f"{answer.status_code} ({kind[:_SHOWN] or 'no content type'})"
    if answer.status_code != httpx2.codes.OK or not _is_json(kind):
        raise NotAnAnswer("model", f"it answered {came}, which is no chat completion; look at LLM_BASE_URL")
    try:
        return read_completion(json.loads(body), json.loads(request.content))
    except Filtered as error:
        raise Unanswerable(str(error)) from error
    except NoCompletion as error:
        text = body.decode(errors="replace")
        if why := why_unanswerable(answer.status_code, text):
            raise Unanswerable(why) from error
        raise NotAnAnswer("model", f"it answered {came}: {error}: {text[:_SHOWN]}") from error
    except (ValueError, RecursionError) as error:
        raise NotAnAnswer("model", f"it answered {came} that is no JSON: {error}"[:_SHOWN]) from error
