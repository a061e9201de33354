"""The command line of an agent, with places for what differs from run to run. Pure."""

import re
import shlex
from pathlib import Path

from attrs import frozen

PLACEHOLDERS = ("prompt_file", "worktree", "session")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@frozen
class CommandTemplate:
    """The words of a command line. Made by `parse_template`."""

    words: tuple[str, ...]

    @property
    def program(self) -> str:
        """What is run: a name to be found on the PATH, or an absolute path."""
        return self.words[0]

    @property
    def names_prompt_file(self) -> bool:
        """Whether the prompt is read from a file; else it comes on standard input."""
        return any("{prompt_file}" in word for word in self.words)

    def fill(self, *, prompt_file: Path, worktree: Path, session: str) -> list[str]:
        """Spell one run out."""
        values = {"prompt_file": str(prompt_file), "worktree": str(worktree), "session": session}
        return [_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in self.words]


def parse_template(text: str) -> CommandTemplate:
    """Split a text into words, as a shell does and without anything else that a shell does.

    Raises ValueError with a sentence when there is no program in it, or a placeholder that is none of ours. Braces
    around anything but one word, as in JSON, are left alone.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"cannot be split into words as a shell does it: {error}") from None
    if not words:
        raise ValueError("must name a program")
    for word in words:
        for name in _PLACEHOLDER.findall(word):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
                raise ValueError(f"has the placeholder {{{name}}}, which is none of {known}")
    program = words[0]
    if _PLACEHOLDER.search(program) or ("/" in program and not program.startswith("/")):
        # It would be looked for in the worktree, where the repository decides what it is.
        raise ValueError("must begin with a program on the PATH, or with its absolute path")
    return CommandTemplate(tuple(words))
