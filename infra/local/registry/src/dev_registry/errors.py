"""The errors that clients see: an HTTP status, Confluent's ``error_code`` and a message.

The codes and texts are those of the Confluent Schema Registry, since clients compare them. The first three
digits of a code are the HTTP status.
"""

NOT_FOUND = 404
CONFLICT = 409
UNPROCESSABLE = 422


class RegistryError(Exception):
    """A request that is refused. ``code`` is the body's ``error_code``."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(detail: str) -> RegistryError:
    return RegistryError(400, 400, detail)


def subject_not_found(subject: str) -> RegistryError:
    return RegistryError(NOT_FOUND, 40401, f"Subject '{subject}' not found.")


def version_not_found(version: int) -> RegistryError:
    return RegistryError(NOT_FOUND, 40402, f"Version {version} not found.")


def schema_not_found(schema_id: int | None = None) -> RegistryError:
    named = "Schema not found" if schema_id is None else f"Schema {schema_id} not found"
    return RegistryError(NOT_FOUND, 40403, named)


def subject_soft_deleted(subject: str) -> RegistryError:
    text = f"Subject '{subject}' was soft deleted.Set permanent=true to delete permanently"
    return RegistryError(NOT_FOUND, 40404, text)


def subject_not_soft_deleted(subject: str) -> RegistryError:
    text = f"Subject '{subject}' was not deleted first before being permanently deleted"
    return RegistryError(NOT_FOUND, 40405, text)


def version_soft_deleted(subject: str, version: int) -> RegistryError:
    text = f"Subject '{subject}' Version {version} was soft deleted.Set permanent=true to delete permanently"
    return RegistryError(NOT_FOUND, 40406, text)


def version_not_soft_deleted(subject: str, version: int) -> RegistryError:
    text = f"Subject '{subject}' Version {version} was not deleted first before being permanently deleted"
    return RegistryError(NOT_FOUND, 40407, text)


def compatibility_not_configured(subject: str) -> RegistryError:
    text = f"Subject '{subject}' does not have subject-level compatibility configured"
    return RegistryError(NOT_FOUND, 40408, text)


def mode_not_configured(subject: str) -> RegistryError:
    text = f"Subject '{subject}' does not have subject-level mode configured"
    return RegistryError(NOT_FOUND, 40409, text)


def incompatible(subject: str, findings: list[str]) -> RegistryError:
    text = (
        f'Schema being registered is incompatible with an earlier schema for subject "{subject}", '
        f"details: [{', '.join(findings)}]"
    )
    return RegistryError(CONFLICT, CONFLICT, text)


def invalid_schema(detail: str) -> RegistryError:
    return RegistryError(UNPROCESSABLE, 42201, detail)


def invalid_version(version: str) -> RegistryError:
    text = (
        f"The specified version '{version}' is not a valid version id. "
        'Allowed values are between [1, 2^31-1] and the string "latest"'
    )
    return RegistryError(UNPROCESSABLE, 42202, text)


def invalid_compatibility() -> RegistryError:
    text = (
        "Invalid compatibility level. Valid values are none, backward, forward, full, "
        "backward_transitive, forward_transitive, and full_transitive"
    )
    return RegistryError(UNPROCESSABLE, 42203, text)


def invalid_mode() -> RegistryError:
    return RegistryError(
        UNPROCESSABLE, 42204, "Invalid mode. Valid values are READWRITE, READONLY, and IMPORT."
    )


def not_permitted(detail: str) -> RegistryError:
    return RegistryError(UNPROCESSABLE, 42205, detail)


def reference_exists(subject: str, version: int) -> RegistryError:
    key = f"{{magic=1,keytype=SCHEMA,subject={subject},version={version}}}"
    return RegistryError(UNPROCESSABLE, 42206, f"One or more references exist to the schema {key}.")


def invalid_subject(subject: str) -> RegistryError:
    return RegistryError(UNPROCESSABLE, 42208, f"The specified subject '{subject}' is not a valid.")


def other_context(subject: str) -> RegistryError:
    text = f"The specified subject '{subject}' is of another context; this registry has the default one only."
    return RegistryError(UNPROCESSABLE, 42208, text)


def unsupported_setting(name: str) -> RegistryError:
    return RegistryError(
        UNPROCESSABLE, UNPROCESSABLE, f"The setting '{name}' is not supported by this registry"
    )
