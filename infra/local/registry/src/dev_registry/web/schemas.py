"""/ and /schemas: what is registered, by global id."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from dev_registry.catalogue import Catalogue
from dev_registry.model import Seen
from dev_registry.web.parameters import Count, Flag, SchemaNumber, SubjectPrefix, unqualified
from dev_registry.web.protocol import Json

Named = Annotated[str | None, AfterValidator(lambda name: name and unqualified(name)), Query()]


def schema_routes(catalogue: Catalogue) -> APIRouter:
    """Return the routes that answer by schema id, and the root."""
    routes = APIRouter()

    @routes.get("/")
    def root() -> Json:
        return Json({})

    @routes.get("/contexts")
    def contexts() -> Json:
        return Json(["."])

    @routes.get("/schemas/types")
    def types() -> Json:
        return Json(["AVRO"])

    @routes.get("/schemas")
    def schemas(
        deleted: Flag = False,
        latestOnly: Flag = False,
        subjectPrefix: SubjectPrefix = "",
        offset: Count = 0,
        limit: Count = -1,
    ) -> Json:
        seen = Seen(deleted=deleted, prefix=subjectPrefix, offset=offset, limit=limit)
        versions = catalogue.all_versions(seen, latest_only=latestOnly)
        return Json([version.as_json() for version in seen.page(versions)])

    @routes.get("/schemas/ids/{schema_id}")
    def schema(schema_id: SchemaNumber, fetchMaxId: Flag = False) -> Json:
        found = catalogue.schema(schema_id).as_json()
        return Json({**found, "maxId": catalogue.largest_id()} if fetchMaxId else found)

    @routes.get("/schemas/ids/{schema_id}/schema")
    def schema_text(schema_id: SchemaNumber) -> Json:
        return Json(catalogue.schema(schema_id).text)

    @routes.get("/schemas/ids/{schema_id}/subjects")
    def subjects(
        schema_id: SchemaNumber,
        subject: Named = None,
        deleted: Flag = False,
        offset: Count = 0,
        limit: Count = -1,
    ) -> Json:
        seen = Seen(deleted=deleted, subject=subject, offset=offset, limit=limit)
        names = dict.fromkeys(name for name, _ in catalogue.usages(schema_id, seen))
        return Json(seen.page(list(names)))

    @routes.get("/schemas/ids/{schema_id}/versions")
    def versions(
        schema_id: SchemaNumber,
        subject: Named = None,
        deleted: Flag = False,
        offset: Count = 0,
        limit: Count = -1,
    ) -> Json:
        seen = Seen(deleted=deleted, subject=subject, offset=offset, limit=limit)
        usages = [{"subject": name, "version": number} for name, number in catalogue.usages(schema_id, seen)]
        return Json(seen.page(usages))

    return routes
