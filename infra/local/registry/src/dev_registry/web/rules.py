"""/compatibility, /config and /mode: what may be registered."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from dev_registry.model import GLOBAL
from dev_registry.registration import Registration, refuse_bad_subject
from dev_registry.settings_in_force import SettingsInForce
from dev_registry.web.parameters import Flag, Subject, config_change, mode_change, submission
from dev_registry.web.protocol import Json

Body = Callable[[Request], Any]


def compatibility_routes(body: Body, registration: Registration) -> APIRouter:
    """Return the routes that check a schema without registering it."""
    routes = APIRouter(prefix="/compatibility/subjects/{subject}/versions")

    def verdict(subject: str, sent: dict[str, Any], version: str | None, verbose: bool) -> Json:
        findings = registration.compatibility(subject, submission(sent), version)
        said = {"messages": findings} if verbose else {}
        return Json({"is_compatible": not findings, **said})

    @routes.post("")
    def with_all(
        subject: Subject, sent: Annotated[dict[str, Any], Depends(body)], verbose: Flag = False
    ) -> Json:
        return verdict(subject, sent, None, verbose)

    @routes.post("/{version}")
    def with_one(
        subject: Subject,
        version: str,
        sent: Annotated[dict[str, Any], Depends(body)],
        verbose: Flag = False,
    ) -> Json:
        return verdict(subject, sent, version, verbose)

    return routes


def config_routes(body: Body, settings: SettingsInForce) -> APIRouter:
    """Return the routes of the compatibility levels."""
    routes = APIRouter(prefix="/config")

    @routes.get("")
    def config() -> Json:
        return Json(settings.config(GLOBAL).as_json("compatibilityLevel"))

    @routes.put("")
    def set_config(sent: Annotated[dict[str, Any], Depends(body)]) -> Json:
        return Json(settings.put_config(GLOBAL, config_change(sent)).as_json("compatibility"))

    @routes.delete("")
    def drop_config() -> Json:
        return Json(settings.drop_config(GLOBAL).as_json("compatibilityLevel"))

    @routes.get("/{subject}")
    def subject_config(subject: Subject, defaultToGlobal: Flag = False) -> Json:
        shown = settings.shown_config(subject, default_to_global=defaultToGlobal)
        return Json(shown.as_json("compatibilityLevel"))

    @routes.put("/{subject}")
    def set_subject_config(subject: Subject, sent: Annotated[dict[str, Any], Depends(body)]) -> Json:
        refuse_bad_subject(subject)
        return Json(settings.put_config(subject, config_change(sent)).as_json("compatibility"))

    @routes.delete("/{subject}")
    def drop_subject_config(subject: Subject) -> Json:
        return Json(settings.drop_config(subject).as_json("compatibilityLevel"))

    return routes


def mode_routes(body: Body, settings: SettingsInForce) -> APIRouter:
    """Return the routes of the modes."""
    routes = APIRouter(prefix="/mode")

    @routes.get("")
    def mode() -> Json:
        return Json({"mode": settings.mode(GLOBAL)})

    @routes.put("")
    def set_mode(sent: Annotated[dict[str, Any], Depends(body)], force: Flag = False) -> Json:
        wanted = mode_change(sent)
        settings.put_mode(GLOBAL, wanted, force=force)
        return Json({"mode": wanted})

    @routes.delete("")
    def drop_mode() -> Json:
        return Json({"mode": settings.drop_mode(GLOBAL)})

    @routes.get("/{subject}")
    def subject_mode(subject: Subject, defaultToGlobal: Flag = False) -> Json:
        return Json({"mode": settings.shown_mode(subject, default_to_global=defaultToGlobal)})

    @routes.put("/{subject}")
    def set_subject_mode(
        subject: Subject, sent: Annotated[dict[str, Any], Depends(body)], force: Flag = False
    ) -> Json:
        refuse_bad_subject(subject)
        wanted = mode_change(sent)
        settings.put_mode(subject, wanted, force=force)
        return Json({"mode": wanted})

    @routes.delete("/{subject}")
    def drop_subject_mode(subject: Subject) -> Json:
        return Json({"mode": settings.drop_mode(subject)})

    return routes
