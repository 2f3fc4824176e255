"""/subjects: register, look up, list and delete."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from dev_registry.catalogue import Catalogue
from dev_registry.deletion import Deletion
from dev_registry.model import Seen
from dev_registry.registration import Registration
from dev_registry.web.parameters import Count, Flag, Subject, SubjectPrefix, submission
from dev_registry.web.protocol import Json

Body = Callable[[Request], Any]


def reading_routes(catalogue: Catalogue) -> APIRouter:
    """Return the routes that list subjects and their versions."""
    routes = APIRouter(prefix="/subjects")

    @routes.get("")
    def subjects(
        subjectPrefix: SubjectPrefix = "",
        deleted: Flag = False,
        deletedOnly: Flag = False,
        offset: Count = 0,
        limit: Count = -1,
    ) -> Json:
        seen = Seen(deleted, deletedOnly, subjectPrefix, offset, limit)
        return Json(seen.page(catalogue.subjects(seen)))

    @routes.get("/{subject}/versions")
    def versions(
        subject: Subject,
        deleted: Flag = False,
        deletedOnly: Flag = False,
        offset: Count = 0,
        limit: Count = -1,
    ) -> Json:
        seen = Seen(deleted, deletedOnly, offset=offset, limit=limit)
        return Json(seen.page(catalogue.version_numbers(subject, seen)))

    @routes.get("/{subject}/versions/{version}")
    def version(subject: Subject, version: str, deleted: Flag = False) -> Json:
        return Json(catalogue.version(subject, version, deleted=deleted).as_json())

    @routes.get("/{subject}/versions/{version}/schema")
    def version_text(subject: Subject, version: str, deleted: Flag = False) -> Json:
        return Json(catalogue.version(subject, version, deleted=deleted).schema.text)

    @routes.get("/{subject}/versions/{version}/referencedby")
    def users(
        subject: Subject, version: str, deleted: Flag = False, offset: Count = 0, limit: Count = -1
    ) -> Json:
        seen = Seen(offset=offset, limit=limit)
        return Json(seen.page(catalogue.users(subject, version, deleted=deleted)))

    return routes


def writing_routes(
    body: Body, catalogue: Catalogue, registration: Registration, deletion: Deletion
) -> APIRouter:
    """Return the routes that register, look up and delete."""
    routes = APIRouter(prefix="/subjects")

    @routes.post("/{subject}")
    def look_up(
        subject: Subject, sent: Annotated[dict[str, Any], Depends(body)], deleted: Flag = False
    ) -> Json:
        return Json(catalogue.lookup(subject, submission(sent), deleted=deleted).as_json())

    @routes.post("/{subject}/versions")
    def register(
        subject: Subject, sent: Annotated[dict[str, Any], Depends(body)], normalize: Flag = False
    ) -> Json:
        version = registration.register(subject, submission(sent), normalize=normalize)
        return Json({key: value for key, value in version.as_json().items() if key != "subject"})

    @routes.delete("/{subject}")
    def delete_subject(subject: Subject, permanent: Flag = False) -> Json:
        return Json(deletion.delete_subject(subject, permanent=permanent))

    @routes.delete("/{subject}/versions/{version}")
    def delete_version(subject: Subject, version: str, permanent: Flag = False) -> Json:
        return Json(deletion.delete_version(subject, version, permanent=permanent))

    return routes
