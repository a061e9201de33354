"""A request as it arrived, and what can be read from it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

_SCRIPT = re.compile(r"\[\[script:(\d+)\]\]")
# The CLI names its directory in a system text; after a resume elsewhere it adds "(was ...)".
_CWD = re.compile(r"[Ww]orking directory:[ \t]*`?([^\n`]+?)`?(?: \(was [^\n]*\))?[ \t]*$", re.MULTILINE)


def script_marker(number: int) -> str:
    """Return what a prompt must hold to be answered by the script of this number."""
    return f"[[script:{number}]]"


def script_in(text: str) -> int | None:
    """Return the number of the script that the text names; the last one counts."""
    found = _SCRIPT.findall(text)
    return int(found[-1]) if found else None


@frozen(kw_only=True)
class Asked:
    """Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def is_main(self) -> bool:
        """Whether it carries the conversation on; side requests, for a title say, offer no tools."""
        return bool(self.body.get("tools"))

    @property
    def script(self) -> int | None:
        """The number of the script that the conversation's prompts name."""
        return script_in("\n".join(self.texts("user")))

    @property
    def session(self) -> str:
        return self.headers.get("x-claude-code-session-id", "")

    @property
    def cwd(self) -> str:
        """The CLI's working directory, as it tells the model."""
        words = "\n".join([self.system, *self.texts("system"), *self.texts("user")])
        found = _CWD.findall(words)
        return found[-1].strip() if found else "."

    @property
    def system(self) -> str:
        """The system prompt."""
        given = self.body.get("system") or []
        return given if isinstance(given, str) else "\n".join(block.get("text", "") for block in given)

    def texts(self, role: str) -> list[str]:
        """Return the texts of the conversation's messages of this role."""
        return [block["text"] for block in self._blocks(role) if block.get("type") == "text"]

    @property
    def tool_results(self) -> list[str]:
        """What the tools brought back, in order."""
        results = [block.get("content") or "" for block in self._blocks("user") if block.get("type") == "tool_result"]
        return [
            result if isinstance(result, str) else "\n".join(part.get("text", "") for part in result)
            for result in results
        ]

    def _blocks(self, role: str) -> Iterator[Mapping[str, Any]]:
        for message in self.body.get("messages", []):
            if message.get("role") == role:
                content = message.get("content") or []
                yield from [{"type": "text", "text": content}] if isinstance(content, str) else content
