"""Which keys a process has and which it trusts, from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from signalbox.process.settings import Settings
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.trust.key_files import agents_key, holders_key, publish_agents_key
from signalbox.trust.keys import SigningKey

Enrolment = Literal["folder", "granted"]


class TrustSettings(Settings):
    """Keys, as secrets (``…_FILE`` too) or as files in ``AGENT_KEYS_DIR``, where they are made on first use.

    ``AGENT_ENROLMENT`` says whose announcements count: ``granted``, agents' with a grant on ``agent_grants``
    alone; ``folder``, also one's without a grant whose public key lies in ``AGENT_KEYS_DIR`` of this machine.
    ``AGENT_TOKENS_DIR`` is the former name of ``AGENT_KEYS_DIR``; without both it is below ``RUN_DIR``.
    """

    agent_keys_dir: Path | None = None
    agent_tokens_dir: Path | None = None
    run_dir: Path = Path(".run")
    agent_enrolment: Enrolment = "granted"
    agent_signing_key: SecretStr | None = None
    orchestrator_signing_key: SecretStr | None = None
    operator_signing_key: SecretStr | None = None
    orchestrator_public_key: SecretStr | None = None  # public, yet a file where the others are files
    operator_public_key: SecretStr | None = None

    @property
    def folder(self) -> Path:
        """The folder of keys."""
        return self.agent_keys_dir or self.agent_tokens_dir or self.run_dir / "keys"

    def own_key(self, agent: AgentId) -> SigningKey:
        """Return the key with which ``agent`` signs its announcements.

        Raises:
            ConfigurationError: it can't be made or read, or is no key.
        """
        if self.agent_signing_key is None:
            return agents_key(self.folder, agent)
        key = _given("AGENT_SIGNING_KEY", self.agent_signing_key)
        publish_agents_key(self.folder, agent, key.public)
        return key

    def orchestrators_key(self) -> SigningKey:
        """Return the key with which the orchestrator signs its requests, as it is now."""
        if self.orchestrator_signing_key is None:
            return holders_key(self.folder, "orchestrator")
        return _given("ORCHESTRATOR_SIGNING_KEY", self.orchestrator_signing_key)

    def operators_key(self) -> SigningKey:
        """Return the key with which people sign their requests; raises as the others."""
        if self.operator_signing_key is None:
            return holders_key(self.folder, "operator")
        return _given("OPERATOR_SIGNING_KEY", self.operator_signing_key)


def _given(variable: str, secret: SecretStr) -> SigningKey:
    try:
        return SigningKey(secret.get_secret_value())
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable}: {error}") from error
