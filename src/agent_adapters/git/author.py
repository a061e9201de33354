"""Who makes the server's commits, and their making: the very object that `git commit-tree` makes, without a process.

But for what Unicode calls noncharacters, which git takes for broken UTF-8 and rewrites: here they stay as they are.
"""

import asyncio
import hashlib
import zlib
from datetime import datetime

from attrs import frozen

from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failing
from agent_adapters.git.files import store
from agent_core.domain.errors import RepoStoreError

_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
"""What git takes away from both ends of names."""


@frozen
class Author:
    """The name and address in every commit of the server's."""

    name: str
    email: str

    async def commit(self, clone: Clone, tree: str, parent: str, message: str, at: datetime) -> str:
        """Make a commit and return its name. The same arguments give the same one."""
        by = f"{_plain(self.name)} <{_plain(self.email)}> {int(at.timestamp())} +0000"
        text = message.replace("\0", "")
        body = f"tree {tree}\nparent {parent}\nauthor {by}\ncommitter {by}\n\n{text}".encode("utf-8", "replace")
        made = b"commit %d\0%b" % (len(body), body)
        name = hashlib.sha1(made, usedforsecurity=False).hexdigest()
        place = clone.bare / "objects" / name[:2] / name[2:]
        # git writes its objects without an fsync too: what is pushed has come to the origin before it counts.
        with failing(RepoStoreError.code, "The work could not be committed"):
            await asyncio.to_thread(store, place, zlib.compress(made, 1))
        return name


def _plain(name: str) -> str:
    kept = name.strip(_CRUD)
    return "".join(letter for letter in kept if letter not in "\0\n<>")
