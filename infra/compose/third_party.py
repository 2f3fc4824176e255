"""Print what the named folders' pyproject.toml need of others: not the repository's own parts.

An extra is named as pip names it: ``libs/core[models]``.
"""

import sys
import tomllib
from pathlib import Path

for named in sys.argv[1:]:
    folder, _, extras = named.rstrip("]").partition("[")
    project = tomllib.loads((Path(folder) / "pyproject.toml").read_text())["project"]
    more = [project["optional-dependencies"][extra] for extra in extras.split(",") if extra]
    needs = [need for group in (project["dependencies"], *more) for need in group]
    sys.stdout.writelines(f"{need}\n" for need in needs if not need.startswith("signalbox-"))
