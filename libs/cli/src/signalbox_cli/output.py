"""What the command prints: aligned lines for people, JSON for programs; never raw control characters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from signalbox.protocol import printable

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]

_HEX_WIDTH: Final = 16


def say(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print ``text`` with what could steer a terminal made visible; the command prints in no other way."""
    typer.echo(printable.visible(text), err=err, nl=nl)


def print_json(value: object) -> None:
    """Print ``value`` as JSON."""
    typer.echo(printable.visible_json(value, indent=2, default=str))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], nothing: str) -> None:
    """Print ``columns`` of ``rows``, aligned under their names; ``nothing`` when there are none."""
    if not rows:
        say(nothing)
        return
    titles = [column.replace("_", " ").upper() for column in columns]
    cells = [titles, *([visible(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    for line in cells:
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say(padded.rstrip())


def visible(value: object) -> str:
    """Return ``value`` on one line, with what could steer a terminal made visible."""
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return printable.visible(text).replace("\n", "\\n").replace("\t", "\\t")


def hex_lines(data: bytes) -> Iterable[str]:
    """Yield the lines of a hex dump: offset, bytes, and the printable ASCII of them."""
    for start in range(0, len(data), _HEX_WIDTH):
        chunk = data[start : start + _HEX_WIDTH]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in chunk)  # noqa: PLR2004 - ASCII
        yield f"{start:06x}  {chunk.hex(' '):<{_HEX_WIDTH * 3}} {shown}"
