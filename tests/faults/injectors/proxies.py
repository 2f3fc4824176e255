"""Faults of what stands in between: a proxy that answers in the place of registry or model."""

from typing import Final

from fault import Fault, Kind
from injectors.http_proxy import Harm, HttpProxy, Instead
from injectors.strikes import StrikeFault

_PAGE: Final = b"<!doctype html><html><body><h1>It works!</h1></body></html>"
_HTML: Final = "text/html; charset=utf-8"

_BEFORE_REGISTRY: Final[dict[str, Harm]] = {
    "proxy-answers-404-page-for-registry": Instead(404, _PAGE, _HTML),
    "proxy-answers-502-page-for-registry": Instead(502, _PAGE, _HTML),
    "proxy-answers-200-page-for-registry": Instead(200, _PAGE, _HTML),
    "proxy-answers-403-page-for-registry": Instead(403, _PAGE, _HTML),
    "proxy-answers-404-error-for-registry": Instead(404, b'{"message": "no route matches"}'),
    "proxy-answers-empty-list-for-registry": Instead(200, b"[]"),
}
_BEFORE_MODEL: Final[dict[str, Harm]] = {
    "proxy-answers-404-page-for-model": Instead(404, _PAGE, _HTML),
    "proxy-answers-502-page-for-model": Instead(502, _PAGE, _HTML),
    "proxy-answers-200-page-for-model": Instead(200, _PAGE, _HTML),
    "proxy-answers-error-for-model": Instead(200, b'{"error": {"message": "upstream failed", "code": 502}}'),
    "proxy-answers-null-for-model": Instead(
        200, b'{"id": "1", "object": "chat.completion", "choices": null}'
    ),
}


def proxy_faults(registry: HttpProxy, model: HttpProxy) -> list[Fault]:
    """Return them: each answers all that comes while it is on, which is a burst of some seconds."""
    return [
        StrikeFault(name, Kind.PROXY, {victim: proxy.strikes}, harm)
        for victim, proxy, harms in (
            ("the registry", registry, _BEFORE_REGISTRY),
            ("the model", model, _BEFORE_MODEL),
        )
        for name, harm in harms.items()
    ]
