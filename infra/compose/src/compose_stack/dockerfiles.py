"""``python -m compose_stack.dockerfiles``: write each service's Dockerfile from the one template.

``--check`` writes nothing, and fails when one is not what the template makes of it.
"""

import sys
from pathlib import Path
from string import Template
from typing import Final

from compose_stack.images import folder_of, repository
from local_stack.distributions import distributions
from local_stack.services import APPLICATIONS, Service

_TEMPLATE: Final = Path("infra/compose/Dockerfile.template")


def dockerfiles(root: Path) -> dict[Path, str]:
    """Return what the Dockerfile of each service has to be."""
    template = Template((root / _TEMPLATE).read_text())
    return {root / folder_of(one.kind) / "Dockerfile": _filled(template, one, root) for one in APPLICATIONS}


def stale(root: Path) -> list[Path]:
    """Return the Dockerfiles that are missing, or not what the template makes of them."""
    return [path for path, text in dockerfiles(root).items() if not path.exists() or path.read_text() != text]


def main(arguments: list[str]) -> int:
    """Write what is stale, or with ``--check`` say so."""
    root = Path.cwd()
    found = stale(root)
    if arguments == ["--check"]:
        for path in found:
            sys.stderr.write(f"{path.relative_to(root)} is stale: run python -m compose_stack.dockerfiles\n")
        return 1 if found else 0
    for path in found:
        path.write_text(dockerfiles(root)[path])
        sys.stdout.write(f"wrote {path.relative_to(root)}\n")
    return 0


def _filled(template: Template, service: Service, root: Path) -> str:
    folder = folder_of(service.kind)
    parts = distributions(root, folder)
    libraries = [part for part in parts if part != folder]
    return template.substitute(
        projects="\n".join(f"COPY {part}/pyproject.toml {part}/" for part in libraries),
        needs=" ".join(_with_extras(part, parts[part]) for part in libraries),
        libraries="\n".join(f"COPY {part} {part}" for part in libraries),
        wheels=" ".join(f"./{part}" for part in libraries),
        service=service.kind,
        title=service.kind.replace("_", " ").title(),
        folder=folder,
        image=repository(service.kind),
        variable=service.kind.upper(),
        port=service.default_port,
    )


def _with_extras(part: str, extras: frozenset[str]) -> str:
    return f"'{part}[{','.join(sorted(extras))}]'" if extras else part


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
