"""ACLs on the brokers: what is missing is added, what is too much is told, and removed if so wanted."""

import asyncio
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from signalbox.kafka.credentials import CredentialWatch, connection_errors
from signalbox.kafka.settings import KafkaSettings

_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """An ACL in Kafka's words: ``resource`` TOPIC, GROUP, TRANSACTIONAL_ID or BROKER (the cluster)."""

    principal: str
    resource: str
    name: str
    pattern: str
    """``LITERAL``, or ``PREFIXED``: all whose names begin so."""
    operation: str
    host: str = "*"
    permission: str = "ALLOW"


@dataclass(frozen=True, slots=True)
class AclChanges:
    """What :func:`apply_acls` did; ``surplus`` is there without being wanted, and was left there."""

    added: list[Acl]
    removed: list[Acl]
    surplus: list[Acl]
    unchanged: list[Acl]


async def apply_acls(
    settings: KafkaSettings, wanted: Collection[Acl], *, prune: bool, dry_run: bool = False
) -> AclChanges:
    """Make the principals of ``wanted`` have just these; ACLs of other principals are never touched.

    Raises:
        Unavailable: the broker can't be reached.
        ConfigurationError: it refuses our credentials, or has no authorizer.
    """
    return await asyncio.to_thread(_apply, settings, set(wanted), prune=prune, dry_run=dry_run)


def _apply(settings: KafkaSettings, wanted: set[Acl], *, prune: bool, dry_run: bool) -> AclChanges:
    credentials = CredentialWatch()
    admin = AdminClient(credentials.added_to(settings.client("signalbox-acls")))
    with connection_errors(admin, credentials):
        ours = {acl.principal for acl in wanted}
        there = {acl for acl in _listed(admin) if acl.principal in ours}
        missing, extra = sorted(wanted - there), sorted(there - wanted)
        if not dry_run:
            _finish(admin.create_acls([_binding(acl) for acl in missing]) if missing else {})
            if prune and extra:
                _finish(admin.delete_acls([_filter(acl) for acl in extra]))
    removed, surplus = (extra, []) if prune else ([], extra)
    return AclChanges(missing, removed, surplus, sorted(wanted & there))


def _listed(admin: AdminClient) -> list[Acl]:
    anything: Any = None
    everything = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found = admin.describe_acls(everything, request_timeout=_TIMEOUT_S).result(_TIMEOUT_S)
    return [_acl(binding) for binding in found]


def _finish(futures: dict[Any, "Future[Any]"]) -> None:
    for future in futures.values():
        future.result(_TIMEOUT_S)


def _acl(binding: Any) -> Acl:  # its fields are enumerations, its types say otherwise
    return Acl(
        principal=binding.principal,
        resource=binding.restype.name,
        name=binding.name,
        pattern=binding.resource_pattern_type.name,
        operation=binding.operation.name,
        host=binding.host,
        permission=binding.permission_type.name,
    )


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(*_parts(acl))


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(*_parts(acl))


def _parts(acl: Acl) -> tuple[Any, ...]:
    return (
        ResourceType[acl.resource],
        acl.name,
        ResourcePatternType[acl.pattern],
        acl.principal,
        acl.host,
        AclOperation[acl.operation],
        AclPermissionType[acl.permission],
    )
