"""Print what the named folders' pyproject.toml need of others: not the repository's own parts."""

import sys
import tomllib
from pathlib import Path

for folder in sys.argv[1:]:
    project = tomllib.loads((Path(folder) / "pyproject.toml").read_text())["project"]
    needs = (need for need in project["dependencies"] if not need.startswith("signalbox-"))
    sys.stdout.writelines(f"{need}\n" for need in needs)
