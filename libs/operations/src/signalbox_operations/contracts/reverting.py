"""Makes an older text of a contract the newest again, as a version of its own.

A registry that is given a text which it has answers with the version that it has: Confluent and Apicurio make
nothing newest by that. So the text is registered with a mark, an attribute that says which version it is and
after which one it comes; Avro lets schemas have further attributes, and readers pass over them. It is one
request, which the registry judges. The versions in between stay: their messages can be read, and agents that
were built with them can start. Soft-deleting those versions would take that from them, and deleting the old
version to register it again would leave nothing of it where the registry refuses.

Source: Apache Avro 1.12 specification, *Schema Declaration* ("attributes not defined … are permitted").
"""

from typing import Final

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType, Subject
from signalbox_operations.contracts.compatibility import judge
from signalbox_operations.contracts.registration import Registration, RegistrationOutcome, Step, apply
from signalbox_operations.contracts.registry_api import Registered, RegistryApi
from signalbox_operations.contracts.revert_mark import marked, says_the_same
from signalbox_operations.contracts.verdict import Severity, Version

_NOT_HELD: Final = frozenset({"gate", "unusable"})
"""Findings after which the gate would go on with another version, at levels that let it be registered."""


def consider_revert(
    record_type: RecordType, to: int, catalog: Catalog, registry: RegistryApi
) -> Step | Registered:
    """Find out what it takes to make the text of version ``to`` the newest again; changes nothing.

    ``to`` may be soft-deleted. When the newest version says the same already, that version is returned. Rules
    that the newer versions added are meant to go.

    Raises:
        ConfigurationError: there is no such version, or the catalog does not list the record type.
        Unavailable: the registry can't be reached.
    """
    entry = catalog.record(record_type)
    if entry is None:
        raise ConfigurationError(f"{catalog.path}: records: does not list {record_type}")
    subject = Subject(record_type)
    live, old = registry.versions(subject), _version(record_type, to, registry)
    if live and says_the_same(live[-1].text, old.text):
        return live[-1]
    is_live = any(says_the_same(one.text, old.text) for one in live)
    text = marked(old.text, f"version {to}, after version {live[-1].version}") if is_live else old.text
    earlier = tuple(Version(f"version {one.version}", one.text, one.version) for one in live)
    verdict = judge(record_type, text, earlier, catalog, drop_rules=True)
    return Step(record_type, entry, text, verdict, None, earlier, level_now=verdict.level)


def is_held_to(step: Step) -> bool:
    """Say whether the gate would hold messages against it, once it is the newest."""
    return not any(
        finding.kind in _NOT_HELD or finding.severity is Severity.BREAKS for finding in step.verdict.findings
    )


def revert(step: Step, registry: RegistryApi) -> Registration:
    """Register what was considered, and make sure that it is the newest; the subject's level stays.

    Raises:
        ConfigurationError: the registry took it, and its newest version is another one all the same.
        Unavailable: the registry can't be reached.
    """
    done = apply(step, registry)
    if done.outcome is RegistrationOutcome.CREATED:
        newest = registry.versions(Subject(step.record_type))[-1:]
        if [one.version for one in newest] != [done.version]:
            told = f"version {newest[0].version}" if newest else "none"
            raise ConfigurationError(
                f"the registry answered {done.detail}, but the newest version of {step.record_type} is {told}"
            )
    return done


def _version(record_type: RecordType, number: int, registry: RegistryApi) -> Registered:
    subject = Subject(record_type)
    there = [*registry.versions(subject), *registry.deleted_versions(subject)]
    found = next((one for one in there if one.version == number), None)
    if found is None:
        listed = ", ".join(str(one.version) for one in there) or "none"
        raise ConfigurationError(f"{record_type} has no version {number} to revert to; there are: {listed}")
    return found
