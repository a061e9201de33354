"""Tables on a terminal."""

from collections.abc import Sequence

from agent_cli.client.text import cut, padded, plain, width

_GAP = "  "
_LEAST = 6


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], room: int | None = None) -> list[str]:
    """Make aligned lines of at most `room` cells, the headings first; None as a value is an empty cell.

    Values may come from anywhere: they are made plain. Numbers stand to the right. Where the room is too small the
    widest columns are cut, but never the first, whose values people copy.
    """
    cells = [["" if value is None else plain(str(value)) for value in row] for row in rows]
    numbers = [bool(rows) and all(isinstance(row[n], int | None) for row in rows) for n in range(len(headings))]
    widths = [max(width(line[n]) for line in [list(headings), *cells]) for n in range(len(headings))]
    if room is not None:
        _narrow(widths, room - len(_GAP) * (len(widths) - 1))
    return [_line(line, widths, numbers) for line in [list(headings), *cells]]


def fields(pairs: Sequence[tuple[str, object]]) -> list[str]:
    """Make one aligned line for each pair of a name and a value; those without a value are left out."""
    there = [(name, plain(str(value))) for name, value in pairs if value not in (None, "")]
    widest = max((width(name) for name, _ in there), default=0)
    return [f"{padded(name, widest)}{_GAP}{value}" for name, value in there]


def _narrow(widths: list[int], room: int) -> None:
    while sum(widths) > room:
        widest = max(range(1, len(widths)), key=widths.__getitem__, default=0)
        if widest == 0 or widths[widest] <= _LEAST:
            return
        widths[widest] -= 1


def _line(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    fitted = [
        padded(cut(cell, room), room, right=right) for cell, room, right in zip(cells, widths, numbers, strict=True)
    ]
    return _GAP.join(fitted).rstrip()
