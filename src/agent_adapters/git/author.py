"""Who makes the server's commits, and their making."""

from datetime import datetime

from attrs import frozen

from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failure


@frozen
class Author:
    """The name and address in every commit of the server's."""

    name: str
    email: str

    async def commit(self, clone: Clone, tree: str, parent: str, message: str, at: datetime) -> str:
        """Make a commit and return its name. The same arguments give the same one."""
        when = f"@{int(at.timestamp())} +0000"
        env = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", self.name), ("EMAIL", self.email), ("DATE", when))
        }
        text = message.replace("\0", "").encode("utf-8", "replace")
        made = await clone.run("commit-tree", tree, "-p", parent, "-F", "-", env=env, stdin=text)
        if not made.ok:
            raise failure("The work could not be committed", made, "push_failed")
        return made.lines[0]
