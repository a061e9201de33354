"""A diff as the page shows it: files, and rows with their numbers on both sides."""

import re
from collections.abc import Iterator, Sequence

from attrs import define, field

MOST_LINES = 2000
MOST_BYTES = 90_000
_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(.*)")
_SIGNS = {"+": "add", "-": "del", " ": "same"}


@define
class DiffRow:
    """A line: `how` is add, del, same, hunk or aside; a side's number is None where it has no such line."""

    how: str
    sign: str
    text: str
    old: int | None = None
    new: int | None = None


@define
class DiffFile:
    """A file, how much was added and deleted, and what else is to be known of it (renamed, binary, ...)."""

    path: str
    notes: list[str] = field(factory=list)
    rows: list[DiffRow] = field(factory=list)
    added: int = 0
    deleted: int = 0


@define
class DiffView:
    """The files of a diff. With `is_cut` the rows end before the diff does, though all files are there, counted."""

    files: Sequence[DiffFile]
    is_cut: bool
    added: int
    deleted: int


def read_diff(text: str, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> DiffView:
    """Read what `git diff` wrote. What is not understood is shown as it is."""
    files: list[DiffFile] = []
    lines, size = 0, 0
    for file, row in _rows(text):
        if not files or file is not files[-1]:
            files.append(file)
        if row is None:
            continue
        lines, size = lines + 1, size + len(row.text.encode("utf-8", "replace"))
        if lines <= most_lines and size <= most_bytes:
            file.rows.append(row)
    return DiffView(
        files=files,
        is_cut=lines > most_lines or size > most_bytes,
        added=sum(file.added for file in files),
        deleted=sum(file.deleted for file in files),
    )


def _rows(text: str) -> Iterator[tuple[DiffFile, DiffRow | None]]:
    """Yield each file, with each of its rows, in order."""
    file: DiffFile | None = None
    old = new = old_left = new_left = 0
    for line in text.split("\n"):
        if file is not None and (old_left > 0 or new_left > 0) and line[:1] in _SIGNS:
            row = DiffRow(_SIGNS[line[0]], line[0], line[1:].removesuffix("\r"))
            if line[0] != "+":
                row.old, old, old_left = old, old + 1, old_left - 1
            if line[0] != "-":
                row.new, new, new_left = new, new + 1, new_left - 1
            file.added += row.how == "add"
            file.deleted += row.how == "del"
            yield file, row
        elif line.startswith("diff --git "):
            file, old_left, new_left = DiffFile(_path(line)), 0, 0
            yield file, None
        elif file is None:
            continue
        elif hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[3])
            old_left, new_left = int(hunk[2] or 1), int(hunk[4] or 1)
            yield file, DiffRow("hunk", "", line)
        elif line.startswith("\\"):
            yield file, DiffRow("aside", "", line)
        elif note := _note(line):
            file.notes.append(note)


def _path(line: str) -> str:
    """Return the new path of `diff --git a/old b/new`; names with special characters are quoted by git."""
    rest = line.removeprefix("diff --git ")
    if rest.endswith('"'):
        return rest.rsplit(' "b/', 1)[-1].removesuffix('"')
    half = len(rest) // 2
    same = rest[half + 1 :]
    return same.removeprefix("b/") if rest[2:half] == same[2:] else rest.rsplit(" b/", 1)[-1]


def _note(line: str) -> str | None:
    if line.startswith("new file"):
        return "new"
    if line.startswith("deleted file"):
        return "deleted"
    if line.startswith(("rename from ", "copy from ")):
        return line
    if line.startswith("new mode "):
        return f"mode {line.removeprefix('new mode ')}"
    if line.startswith(("Binary files ", "GIT binary patch")):
        return "binary"
    return None
