"""Which image each service runs and ran before, in a file, so that a later command can go back."""

import json
from collections.abc import Mapping
from pathlib import Path


class ChosenImages:
    """The references by service; a service that was never deployed by name has none, and runs the usual."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> dict[str, str]:
        """Return what each service is to run."""
        return {service: image for service, (image, _) in self._read().items()}

    def before(self, service: str) -> str:
        """Return what the service ran before; empty when nothing is known."""
        return self._read().get(service, ("", ""))[1]

    def choose(self, service: str, image: str, before: str) -> None:
        """Write down what the service runs from now on, and what it ran."""
        self._write({**self._read(), service: (image, before)})

    def forget(self) -> None:
        """Go back to the usual images."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, tuple[str, str]]:
        if not self._path.exists():
            return {}
        return {name: (now, before) for name, (now, before) in json.loads(self._path.read_text()).items()}

    def _write(self, chosen: Mapping[str, tuple[str, str]]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(chosen, indent=2))
        new.replace(self._path)
