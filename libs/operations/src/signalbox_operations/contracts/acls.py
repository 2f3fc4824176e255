"""The least ACLs that the catalog's clients need, and how other tools write them.

Source: Apache Kafka, *Authorization and ACLs*. ``READ`` and ``WRITE`` include ``DESCRIBE``.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from signalbox.catalog import Catalog, CatalogClient
from signalbox.kafka.acls import Acl
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import READER_GROUPS

SERVICE: Final = "{service}"
"""What a principal's template has in the place of the client's name."""
_MAKES_AND_WIDENS: Final = ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "ALTER")
"""Topics that are there are widened, where they could refuse what must be written to them."""


@dataclass(frozen=True, slots=True)
class Principals:
    """How the brokers call the catalog's clients: by a template with ``{service}``, some otherwise.

    Raises:
        ConfigurationError: the template has no place for the client, or would give all one name.
    """

    template: str = f"User:{SERVICE}"
    named: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if SERVICE not in self.template:
            raise ConfigurationError(f"the principal {self.template!r} has no {SERVICE}")
        for principal in (self.template, *self.named.values()):
            if not principal.partition(":")[2]:
                raise ConfigurationError(
                    f"{principal!r} is no principal: write Type:name, as in User:{SERVICE}"
                )

    def of(self, client: str) -> str:
        """Return the principal of ``client``."""
        return self.named.get(client) or self.template.replace(SERVICE, client)


def acls(catalog: Catalog, principals: Principals) -> list[Acl]:
    """Return what each client of the catalog needs and no more, sorted.

    Raises:
        ConfigurationError: the catalog lists no clients, or a name is given for one that it does not list.
    """
    if not catalog.clients:
        raise ConfigurationError(f"{catalog.path} lists no clients:, so there is nobody to allow anything")
    if unknown := sorted(set(principals.named) - set(catalog.clients)):
        raise ConfigurationError(f"{catalog.path} has no client {', '.join(unknown)}")
    return sorted(
        {
            Acl(principals.of(name), resource, named, pattern, operation)
            for name, client in catalog.clients.items()
            for resource, named, pattern, operation in _needs(client, catalog)
        }
    )


def _needs(client: CatalogClient, catalog: Catalog) -> Iterator[tuple[str, str, str, str]]:
    for topic in client.reads:
        yield "TOPIC", topic, "LITERAL", "READ"
    for topic in client.writes:
        yield "TOPIC", topic, "LITERAL", "WRITE"
        if client.transactional_ids:  # it looks whether its outcomes fit, before it begins
            yield "TOPIC", topic, "LITERAL", "DESCRIBE_CONFIGS"
    for topic in catalog.topics if client.creates_topics else ():
        for operation in _MAKES_AND_WIDENS:
            yield "TOPIC", topic, "LITERAL", operation
    for prefix in client.groups:
        yield "GROUP", prefix, "PREFIXED", "READ"
    if client.reads:
        yield "GROUP", READER_GROUPS, "PREFIXED", "DESCRIBE"
    for prefix in client.transactional_ids:
        yield "TRANSACTIONAL_ID", prefix, "PREFIXED", "WRITE"


def kafka_acls_commands(wanted: Sequence[Acl]) -> list[str]:
    """Write the commands of Apache Kafka's ``kafka-acls.sh``, one for each principal and resource."""
    return [
        f'kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN_CONFIG" --add --force'
        f" --allow-principal {shlex.quote(first.principal)}"
        + "".join(f" --operation {operation.title().replace('_', '')}" for operation in operations)
        + f" --{_flag(first.resource)} {shlex.quote(first.name)}"
        + (" --resource-pattern-type prefixed" if first.pattern == "PREFIXED" else "")
        for first, operations in _by_resource(wanted)
    ]


def confluent_commands(wanted: Sequence[Acl]) -> list[str]:
    """Write the commands of Confluent's ``confluent`` CLI, one for each principal and resource."""
    flags = {"GROUP": "consumer-group"}
    return [
        f"confluent kafka acl create --allow --principal {shlex.quote(first.principal)}"
        f" --operations {','.join(map(_flag, operations))}"
        f" --{flags.get(first.resource) or _flag(first.resource)} {shlex.quote(first.name)}"
        + (" --prefix" if first.pattern == "PREFIXED" else "")
        for first, operations in _by_resource(wanted)
    ]


def _by_resource(wanted: Sequence[Acl]) -> Iterator[tuple[Acl, list[str]]]:
    places = groupby(sorted(wanted), key=lambda acl: (acl.principal, acl.resource, acl.name, acl.pattern))
    for _, same in places:
        found = list(same)
        yield found[0], [acl.operation for acl in found]


def _flag(word: str) -> str:
    return word.lower().replace("_", "-")
