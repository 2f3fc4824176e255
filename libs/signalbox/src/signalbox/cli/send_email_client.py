"""Send Email over HTTP, as ``signalbox campaigns`` uses it, and the operator's proof."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic_settings import BaseSettings, SettingsConfigDict

from signalbox.cli.console_client import Refused, Service, json_object, problem
from signalbox.errors import ConfigurationError

_AGENT: Final = "send_email"


class _Settings(BaseSettings):
    """``SEND_EMAIL_URL``, and where its token is: in ``AGENT_TOKENS_DIR``, else under ``RUN_DIR``."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    send_email_url: str = "http://127.0.0.1:8105"
    agent_tokens_dir: Path | None = None
    run_dir: Path = Path(".run")


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
            "content-type": "application/json",
            "authorization": operator_authorization(method, path, body),
        }
        answer = self._service.call(method, path, content=body, headers=headers)
        if answer.is_error:
            raise Refused(problem(answer))
        return json_object(answer)


def operator_authorization(method: str, path: str, body: bytes) -> str:
    """Return the ``Authorization`` of one operator's request to Send Email.

    Raises:
        ConfigurationError: there is no token.
    """
    del method, path, body  # the token of today proves who asks, not what
    settings = _Settings()
    path_of_token = (settings.agent_tokens_dir or settings.run_dir / "tokens") / _AGENT
    try:
        token = path_of_token.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the token of Send Email can't be read at {path_of_token}; AGENT_TOKENS_DIR says where it is"
        ) from error
    return f"Bearer {token}"
