"""A copy of the contracts and of some services, in which a test changes what their owners would change."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from local_stack import Stack

_SIGNALBOX: Final = str(Path(sys.executable).with_name("signalbox"))
_SERVICES: Final = ("lead_scoring", "active_outreach", "nurture_campaign")
_NO_CACHES: Final = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Told:
    """What a command said, on both of its streams, and its exit status."""

    status: int
    text: str


@dataclass(frozen=True)
class Checkout:
    """Somebody's working copy, beside the stack that its commands talk to.

    ``folder`` has ``contracts/`` and ``services/<name>/src/``, as the repository has.
    """

    folder: Path
    stack: Stack

    @classmethod
    def of(cls, root: Path, folder: Path, stack: Stack) -> "Checkout":
        """Copy the contracts, and the services that write and read ``sdr.LeadScored``."""
        for part in ("contracts", *(f"services/{name}/src" for name in _SERVICES)):
            shutil.copytree(root / part, folder / part, ignore=_NO_CACHES)
        return cls(folder, stack)

    def branch(self, folder: Path) -> "Checkout":
        """Copy it once more, for a change that this one shall not have."""
        shutil.copytree(self.folder, folder, ignore=_NO_CACHES)
        return replace(self, folder=folder)

    @property
    def built_with_it(self) -> dict[str, str]:
        """The settings of a process that is to run this copy's contracts and services."""
        sources = ("contracts/src", *(f"services/{name}/src" for name in _SERVICES))
        return {
            "PYTHONPATH": os.pathsep.join(str(self.folder / part) for part in sources),
            "CATALOG": str(self.folder / "contracts" / "catalog.yaml"),
        }

    async def signalbox(self, *words: str) -> Told:
        """Run the command ``signalbox`` here, against the stack."""
        process = await asyncio.create_subprocess_exec(
            _SIGNALBOX,
            *words,
            cwd=self.folder,
            env={**self.stack.env, **self.built_with_it},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return Told(process.returncode, output.decode())

    async def done(self, *words: str) -> str:
        """Run the command, which has to do what it was asked to; return what it said."""
        told = await self.signalbox(*words)
        assert told.status == 0, (words, told.text)
        return told.text

    async def redeploy(self, service: str) -> None:
        """Deploy a service as this copy has it; `can-i-deploy` is asked first."""
        await asyncio.to_thread(self.stack.redeploy, service, self.built_with_it)

    def change(self, record_type: str, edit: Callable[[dict[str, Any]], object]) -> None:
        """Edit a contract's source."""
        path = self._source(record_type)
        schema = json.loads(path.read_text(encoding="utf-8"))
        edit(schema)
        path.write_text(json.dumps(schema, indent=2), encoding="utf-8")

    def add_contract(self, schema: dict[str, Any], entry: dict[str, Any], topic: str) -> None:
        """Write a new contract's source, and list it in the catalog."""
        record_type = f"{schema['namespace']}.{schema['name']}"
        self._source(record_type).write_text(json.dumps(schema, indent=2), encoding="utf-8")

        def add(catalog: dict[str, Any]) -> None:
            catalog["records"][record_type] = entry
            catalog["topics"][topic]["admits"].append(record_type)

        self._edit_yaml("contracts/catalog.yaml", add)

    def remove_contract(self, record_type: str) -> None:
        """Delete a contract's source, and what the catalog says of it."""
        self._source(record_type).unlink()

        def remove(catalog: dict[str, Any]) -> None:
            del catalog["records"][record_type]
            for topic in catalog["topics"].values():
                topic["admits"] = [name for name in topic["admits"] if name != record_type]

        self._edit_yaml("contracts/catalog.yaml", remove)

    def change_definition(self, agent: str, edit: Callable[[dict[str, Any]], object]) -> None:
        """Edit an ``agent.yaml``."""
        self._edit_yaml(f"services/{agent}/src/{agent}/agent.yaml", edit)

    def rewrite(self, agent: str, file: str, *replacements: tuple[str, str]) -> None:
        """Replace pieces of a service's code, each of which has to be there."""
        path = self.folder / "services" / agent / "src" / agent / file
        text = path.read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text, (path, old)
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    def _source(self, record_type: str) -> Path:
        return self.folder / "contracts" / "avro" / f"{record_type.replace('.', '/')}.avsc"

    def _edit_yaml(self, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
        path = self.folder / name
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        edit(document)
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def copy_projects(root: Path, to: Path) -> None:
    """Copy what each part of the repository says that it needs, which says what is installed with what."""
    for path in root.glob("[!.]*/**/pyproject.toml"):
        copy = to / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
