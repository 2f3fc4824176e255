"""SCRAM users of a broker.

Source: KIP-554 (Broker-side SCRAM Config API).
"""

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from signalbox.kafka import KafkaSettings
from signalbox.kafka.faults import kafka_errors

_MECHANISMS: Final = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
_ITERATIONS: Final = 4096
_TIMEOUT_S: Final = 30.0


def set_passwords(settings: KafkaSettings, passwords: Mapping[str, str]) -> None:
    """Make each user, or give it this password; who is connected stays so.

    Raises:
        Unavailable: the broker does not answer.
        ConfigurationError: we may not do this.
    """
    admin = AdminClient(settings.client("signalbox-users"))
    for mechanism in _MECHANISMS:  # the broker takes a user once in a request
        how = ScramCredentialInfo(mechanism, _ITERATIONS)
        changes: list[Any] = [
            UserScramCredentialUpsertion(name, how, password.encode()) for name, password in passwords.items()
        ]
        with kafka_errors():
            for future in admin.alter_user_scram_credentials(changes).values():
                future.result(_TIMEOUT_S)
