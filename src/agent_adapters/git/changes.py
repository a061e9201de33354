"""What differs between two trees, for those who judge whether it may be pushed.

Objects alone are read, of the server's own making: no diff driver, no attribute and no configuration has a say in
what is shown, as they would have in `git diff`. git's replacement refs are off in every command.
"""

import os
from collections.abc import Iterable

from attrs import frozen

from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.object_reader import CAT_FILE, DIFF_TREE
from agent_adapters.git.process import GitOutcome
from agent_core.domain.publish_policy import FileChange, added_lines

LONGEST_READ = 8 * 2**20
MOST_READ = 32 * 2**20
LONGEST_ADDED = 2**20
SNIFFED = 8000
"""Bytes at the beginning of a file in which a NUL makes it binary: git's own rule."""
NOT_LOOKED_AT = "What would be pushed could not be looked at"
_ABSENT = "0" * 40
_GITLINK = "160000"


@frozen(kw_only=True)
class _Entry:
    path: str
    before: str | None
    after: str | None
    """Blobs; None for what is not there or is a submodule."""


@frozen(kw_only=True)
class Difference:
    """A file that differs, and the beginning of what is in it now, as far as it was looked at."""

    change: FileChange
    beginning: bytes


async def changes(clone: Clone, before: str, after: str) -> "Changes":
    """Return how two trees differ."""
    listed = await clone.objects.difference(before, after)
    if listed is None:
        listed = (await _must(clone, *DIFF_TREE, before, after)).out
    entries = _entries(os.fsdecode(listed))
    blobs = sorted({blob for entry in entries for blob in (entry.before, entry.after) if blob})
    # Most work is small: all of it is read at once, and only where it turns out not to be, are sizes asked first.
    told = await clone.objects.contents(blobs) if blobs else b""
    contents = None if told is None else _split(blobs, told)
    if contents is not None:
        return Changes(entries, {blob: len(text) for blob, text in contents.items()}, contents)
    sizes = await _sizes(clone, blobs)
    return Changes(entries, sizes, await _contents(clone, _affordable(entries, sizes)))


@frozen
class Changes:
    """The entries that differ, the sizes of their blobs, and what was read of those."""

    _entries: "list[_Entry]"
    _sizes: dict[str, int]
    _contents: dict[str, bytes]

    def differences(self) -> list[Difference]:
        """Return the files that differ, in the order of their paths; a renamed one is two. Takes its time.

        Added text is found in files of up to LONGEST_READ bytes, the smallest first until MOST_READ bytes were read of
        old and new files together, and is cut after LONGEST_ADDED bytes. Beyond that, and for binary files, it is
        empty.
        """
        found = []
        for entry in self._entries:
            now = self._contents.get(entry.after or "", b"")
            added = _added(self._contents.get(entry.before or "", b""), now)
            size = self._sizes[entry.after] if entry.after else 0
            found.append(
                Difference(change=FileChange(path=entry.path, size=size, added=added), beginning=now[:SNIFFED])
            )
        return found


def _entries(raw: str) -> list[_Entry]:
    """Read `:OLD_MODE NEW_MODE OLD_BLOB NEW_BLOB STATUS`, NUL, path, NUL; as often as there are files."""
    fields = raw.split("\0")
    entries = []
    for facts, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old, new, _ = facts.removeprefix(":").split(" ")
        entries.append(_Entry(path=path, before=_blob(old_mode, old), after=_blob(new_mode, new)))
    return entries


def _blob(mode: str, name: str) -> str | None:
    return None if mode == _GITLINK or name == _ABSENT else name


async def _sizes(clone: Clone, blobs: list[str]) -> dict[str, int]:
    told = await _must(clone, "cat-file", "--batch-check=%(objectsize)", stdin="\n".join(blobs).encode())
    if not all(map(str.isdigit, told.lines)):
        raise failure(NOT_LOOKED_AT, told, "push_failed")
    return dict(zip(blobs, map(int, told.lines), strict=True))


def _affordable(entries: Iterable[_Entry], sizes: dict[str, int]) -> list[str]:
    """Choose the blobs to read. A new file that cannot be compared with its old one counts as new altogether."""
    left, chosen = MOST_READ, set()
    for entry in sorted((e for e in entries if e.after), key=lambda e: sizes[e.after or ""]):
        for blob in (entry.after, entry.before):
            if blob and blob not in chosen and sizes[blob] <= min(left, LONGEST_READ):
                left -= sizes[blob]
                chosen.add(blob)
    return sorted(chosen)


async def _contents(clone: Clone, blobs: list[str]) -> dict[str, bytes]:
    if not blobs:
        return {}
    told = await _must(clone, *CAT_FILE, stdin="\n".join(blobs).encode())
    contents = _split(blobs, told.out)
    if contents is None:  # what nobody has seen must not be pushed
        raise failure(NOT_LOOKED_AT, told, "push_failed")
    return contents


def _split(blobs: list[str], told: bytes) -> dict[str, bytes] | None:
    """Take what was told of blobs apart; None where it is of other things."""
    contents, at = {}, 0
    for blob in blobs:
        begin = told.find(b"\n", at) + 1
        name, *facts = told[at:begin].split()
        if name.decode() != blob or facts[:1] != [b"blob"]:
            return None
        size = int(facts[1])
        contents[blob] = told[begin : begin + size]
        at = begin + size + 1
    return contents


def _added(before: bytes, after: bytes) -> str:
    if b"\0" in after[:SNIFFED]:
        return ""
    return added_lines(before.decode("utf-8", "replace"), after.decode("utf-8", "replace"))[:LONGEST_ADDED]


async def _must(clone: Clone, *arguments: str, stdin: bytes | None = None) -> GitOutcome:
    outcome = await clone.run(*arguments, stdin=stdin)
    if not outcome.ok:
        raise failure(NOT_LOOKED_AT, outcome, "push_failed")
    return outcome
