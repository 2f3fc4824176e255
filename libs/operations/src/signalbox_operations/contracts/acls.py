"""The least ACLs that the catalog's clients need, and how other tools write them.

Source: Apache Kafka, *Authorization and ACLs*. ``READ`` and ``WRITE`` include ``DESCRIBE``.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Final

from signalbox.catalog import Catalog, CatalogClient
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import READER_GROUPS

SERVICE: Final = "{service}"
"""What a principal's template has in the place of the client's name."""


class Resource(StrEnum):
    """What an ACL is about."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


class Operation(StrEnum):
    """What is allowed."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"
    DESCRIBE = "describe"
    ALTER = "alter"
    DESCRIBE_CONFIGS = "describe-configs"
    ALTER_CONFIGS = "alter-configs"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """Allows ``principal`` an operation, from any host, on one resource or on all with a prefix."""

    principal: str
    resource: Resource
    name: str
    prefixed: bool
    operation: Operation


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
            Acl(principals.of(name), resource, named, prefixed, operation)
            for name, client in catalog.clients.items()
            for resource, named, prefixed, operation in _needs(client, catalog)
        }
    )


def _needs(client: CatalogClient, catalog: Catalog) -> Iterator[tuple[Resource, str, bool, Operation]]:
    for topic in client.reads:
        yield Resource.TOPIC, topic, False, Operation.READ
    for topic in client.writes:
        yield Resource.TOPIC, topic, False, Operation.WRITE
        if client.transactional_ids:  # it looks whether its outcomes fit, before it begins
            yield Resource.TOPIC, topic, False, Operation.DESCRIBE_CONFIGS
    for topic in catalog.topics if client.creates_topics else ():
        yield Resource.TOPIC, topic, False, Operation.CREATE
        yield Resource.TOPIC, topic, False, Operation.DESCRIBE
        # Topics that are there are widened, where they could refuse what must be written to them.
        yield Resource.TOPIC, topic, False, Operation.DESCRIBE_CONFIGS
        yield Resource.TOPIC, topic, False, Operation.ALTER_CONFIGS
        yield Resource.TOPIC, topic, False, Operation.ALTER
    for prefix in client.groups:
        yield Resource.GROUP, prefix, True, Operation.READ
    if client.reads:
        yield Resource.GROUP, READER_GROUPS, True, Operation.DESCRIBE
    for prefix in client.transactional_ids:
        yield Resource.TRANSACTIONAL_ID, prefix, True, Operation.WRITE


def kafka_acls_commands(wanted: Sequence[Acl]) -> list[str]:
    """Write the commands of Apache Kafka's ``kafka-acls.sh``, one for each principal and resource."""
    return [
        f'kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN_CONFIG" --add --force'
        f" --allow-principal {shlex.quote(first.principal)}"
        + "".join(f" --operation {_titled(operation)}" for operation in operations)
        + f" --{first.resource} {shlex.quote(first.name)}"
        + (" --resource-pattern-type prefixed" if first.prefixed else "")
        for first, operations in _by_resource(wanted)
    ]


def confluent_commands(wanted: Sequence[Acl]) -> list[str]:
    """Write the commands of Confluent's ``confluent`` CLI, one for each principal and resource."""
    flags = {Resource.GROUP: "consumer-group"}
    return [
        f"confluent kafka acl create --allow --principal {shlex.quote(first.principal)}"
        f" --operations {','.join(operations)}"
        f" --{flags.get(first.resource, first.resource)} {shlex.quote(first.name)}"
        + (" --prefix" if first.prefixed else "")
        for first, operations in _by_resource(wanted)
    ]


def _by_resource(wanted: Sequence[Acl]) -> Iterator[tuple[Acl, list[Operation]]]:
    places = groupby(sorted(wanted), key=lambda acl: (acl.principal, acl.resource, acl.name, acl.prefixed))
    for _, same in places:
        found = list(same)
        yield found[0], [acl.operation for acl in found]


def _titled(operation: Operation) -> str:
    return operation.value.title().replace("-", "")
