"""The code that a page of the documentation shows, taken out and made to run."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "integration.md"
OLDEST_NODE = 20
_NAMES = (
    "string|number|boolean|any|void|object|"
    "Response|Request|RequestInit|Buffer|Headers|IncomingMessage|Server|Inbox|Feature"
)
"""Those that the guide uses. One that is missing here stays, and node calls it a syntax error."""
_GENERIC = r"(?:Promise|Record|AsyncGenerator)<[\w, ]+>"
_FUNCTION = rf"\([^()]*\) => (?:{_GENERIC}|{_NAMES})"
_ANNOTATION = re.compile(rf"\??: (?:{_FUNCTION}|{_GENERIC}|{_NAMES})(?:\[\])?(?=[\s,;)=])")
_DECLARATION = re.compile(r"^export type .*;\n", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def files(page: Path, language: str, suffix: str) -> dict[str, str]:
    """Those blocks that have a file's name above them; every block of the language must have one."""
    found = dict(
        re.findall(rf"`(\w+\.{suffix})`:\n\n```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    )
    assert len(found) == len(blocks(page, language))
    return found


class Python:
    """The guide's modules in a folder, and how a program that uses them is run."""

    suffix = "py"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, code in files(GUIDE, "python", "py").items():
            (folder / name).write_text(code.replace("2**tries", "0"))

    def command(self, program: str) -> list[str]:
        path = self.folder / "program.py"
        path.write_text(program)
        return [sys.executable, "-W", "error", str(path)]


class TypeScript:
    """The same for node, which is shown the code without its types."""

    suffix = "ts"

    def __init__(self, folder: Path) -> None:
        self._node = node()
        self.folder = folder
        (folder / "package.json").write_text(json.dumps({"type": "module"}))
        for name, code in files(GUIDE, "ts", "ts").items():
            (folder / name).with_suffix(".js").write_text(without_types(code).replace("2 ** tries", "0"))

    def command(self, program: str) -> list[str]:
        path = self.folder / "program.js"
        path.write_text(program)
        return [self._node, str(path)]


def node() -> str:
    """Where node is, of a version that the guide is for; without it the test is skipped."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is older than {OLDEST_NODE}")
    return path


def without_types(code: str) -> str:
    return _ANNOTATION.sub("", _DECLARATION.sub("", code)).replace(", type IncomingMessage, type Server", "")


async def said(command: list[str], environ: Mapping[str, str]) -> str:
    """Run it to its end, which must be a success; return what it printed on stdout."""
    process = await asyncio.create_subprocess_exec(
        *command, env={"PATH": os.environ["PATH"], **environ}, stdout=-1, stderr=-1
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()
    return out.decode()
