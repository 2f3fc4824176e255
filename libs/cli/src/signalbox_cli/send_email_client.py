"""Send Email over HTTP, as ``signalbox campaigns`` uses it, and the operator's proof."""

import json
from typing import Any, Final

from signalbox.process.settings import Settings
from signalbox.protocol.names import AgentId
from signalbox.trust import OPERATOR, RequestParts, TrustSettings, token_for
from signalbox_cli.console_client import Refused, Service, json_object, problem

_AGENT: Final = AgentId("send_email")
_JSON: Final = "application/json"


class _Settings(Settings):
    """``SEND_EMAIL_URL``."""

    send_email_url: str = "http://127.0.0.1:8105"


class SendEmail:
    """Send Email at ``url``, else at ``SEND_EMAIL_URL``."""

    def __init__(self, url: str | None = None) -> None:
        self._service = Service("send email", url or _Settings().send_email_url, "SEND_EMAIL_URL")

    def ask(self, method: str, path: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer to an operator's request.

        Raises:
            Refused: it was wrong, or is not permitted.
            Unavailable: no answer.
        """
        body = b"" if asked is None else json.dumps(asked).encode()
        headers = {
            "content-type": _JSON,
            "authorization": operator_authorization(method, path, body),
        }
        answer = self._service.call(method, path, content=body, headers=headers)
        if answer.is_error:
            raise Refused(problem(answer))
        return json_object(answer)


def operator_authorization(method: str, path: str, body: bytes) -> str:
    """Return the ``Authorization`` of just this request to Send Email, signed with the operator's key.

    Raises:
        ConfigurationError: there is no usable key.
    """
    request = RequestParts(method, path, (("content-type", _JSON),), body)
    return f"Bearer {token_for(request, _AGENT, TrustSettings().operators_key(), OPERATOR)}"
