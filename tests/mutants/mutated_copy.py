"""A copy of the checkout with all mutants in it, as mutmut lays it out."""

import contextlib
import difflib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mutmut.__main__ import create_mutants
from mutmut.mutation.data import MutantLineSpans, SourceFileMutationData
from mutmut.utils.file_utils import copy_src_dir, setup_source_paths
from mutmut.utils.format_utils import mangled_name_from_mutant_name, orig_function_and_class_names_from_key

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, and what is there instead."""

    name: str
    path: str
    line: int
    change: str

    @property
    def folder(self) -> str:
        """The folder that its file is in."""
        return self.path.rpartition("/")[0]


def copy_checkout(work: Path) -> dict[str, str]:
    """Copy the checkout to where mutmut works; return the folder of the checkout that each package is in.

    The packages lie side by side in ``src/``, whose changed copy comes before what is installed;
    ``mutants/`` is the checkout as the tests see it.
    """
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    folders = {}
    for name in subprocess.check_output(asked, cwd=ROOT, text=True).split("\0"):
        above, found, inside = name.partition("/src/")
        targets = [work / "mutants" / name]
        if found and above.startswith(("libs/", "orchestrator", "services/")):
            folders[inside.split("/")[0]] = f"{above}/src"
            targets.append(work / "src" / inside)
        for target in targets if (ROOT / name).is_file() else ():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folders


def made(folders: Mapping[str, str]) -> Iterator[Mutant]:
    """Write all mutants into the copy, each beside the function that it is made of."""
    copy_src_dir()
    setup_source_paths()
    with contextlib.redirect_stdout(None):
        create_mutants(os.cpu_count() or 1)
    for meta in sorted(Path("mutants/src").rglob("*.meta")):
        source = meta.relative_to("mutants").with_suffix("")
        found = SourceFileMutationData(path=source)
        found.load()
        spans = MutantLineSpans.load(source)
        path = f"{folders[source.parts[1]]}/{source.relative_to('src')}"
        if spans is not None:
            text = source.read_text(encoding="utf-8")
            yield from (_mutant(name, path, text, spans) for name in found.exit_code_by_key)


def _mutant(name: str, path: str, source: str, spans: MutantLineSpans) -> Mutant:
    changed = name.rpartition(".")[2]
    plain, _ = orig_function_and_class_names_from_key(name)
    unchanged = f"{mangled_name_from_mutant_name(changed)}__mutmut_orig"
    texts = zip((unchanged, changed), spans.read_function_sources([unchanged, changed]), strict=True)
    old, new = (text[text.index("def ") :].replace(own, plain).splitlines() for own, text in texts)
    first = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), 0)
    line = source[: source.find("\n".join(old))].count("\n") + 1 + first
    edits = [" ".join(one.split()) for one in difflib.ndiff(old, new) if one[0] in "-+"]
    return Mutant(name, path, line, "\n    ".join(edits))
