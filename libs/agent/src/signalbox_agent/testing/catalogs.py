"""Which catalog an in-memory Signalbox has."""

from functools import lru_cache
from pathlib import Path

from signalbox.catalog import Catalog


def catalog_of(given: Catalog | Path | str | None) -> Catalog:
    """Return the catalog that is given or named, else the nearest one, else an empty one.

    Raises:
        ConfigurationError: there is a file, and it is no catalog.
    """
    if isinstance(given, Catalog):
        return given
    path = Path(given) if given else Catalog.nearest()
    if path is None:
        return Catalog.empty()
    return _loaded(path.absolute(), path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=8)
def _loaded(path: Path, _: int) -> Catalog:
    # Reading it takes longer than many a test.
    return Catalog.load(path)
