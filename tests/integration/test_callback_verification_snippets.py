"""The README shows how a callback is verified: what stands there is run here, on a callback signed by us."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_adapters.webhook import Signer

README = Path(__file__).parents[2] / "README.md"
SECRET = "a secret with ümlauts"
BODY = '{"jobId":"job-1","error":"née 💥"}'.encode()
Check = Callable[[bytes, str | None, str], bool]


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def in_python(tmp_path: Path) -> Check:
    program = tmp_path / "check.py"
    program.write_text(
        snippet("python") + "\nimport os, sys\n"
        "print(is_from_agent_server(sys.stdin.buffer.read(), os.environ.get('SIGNATURE'), os.environ['SECRET']))\n"
    )
    return lambda *case: answer([sys.executable, str(program)], *case)


def in_typescript(tmp_path: Path) -> Check:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    without_types = re.sub(r": (Buffer|string( \| undefined)?|boolean)\b", "", snippet("ts"))
    program = tmp_path / "check.mjs"
    program.write_text(
        without_types + '\nimport { readFileSync } from "node:fs";\n'
        "const { SIGNATURE, SECRET } = process.env;\n"
        "console.log(isFromAgentServer(readFileSync(0), SIGNATURE, SECRET));\n"
    )
    return lambda *case: answer([node, str(program)], *case)


def answer(command: list[str], body: bytes, signature: str | None, secret: str) -> bool:
    environment = {"PATH": os.environ["PATH"], "SECRET": secret, "LC_ALL": "C.UTF-8"}
    if signature is not None:
        environment["SIGNATURE"] = signature
    run = subprocess.run(command, input=body, env=environment, capture_output=True, check=True, timeout=60)
    return run.stdout.decode().strip().lower() == "true"


@pytest.mark.parametrize("language", [in_python, in_typescript], ids=["python", "typescript"])
def test_the_snippet_accepts_our_signature_and_nothing_else(language: Callable[[Path], Check], tmp_path: Path) -> None:
    check = language(tmp_path)
    signature = Signer(SECRET).headers("msg_1", datetime(2025, 1, 7, tzinfo=UTC), BODY)["X-Agent-Signature"]
    assert check(BODY, signature, SECRET)
    assert not check(BODY + b" ", signature, SECRET)
    assert not check(BODY, signature, "another secret")
    assert not check(BODY, signature[:-1] + ("0" if signature[-1] != "0" else "1"), SECRET)
    assert not check(BODY, "", SECRET)
    assert not check(BODY, None, SECRET)
