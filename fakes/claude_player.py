"""Plays a run of the stand-in for the claude CLI: fakes/claude_standin.py says what may be asked for."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fakes.claude_session import Session

VERSION = "2.1.330"
FORGET = "[[play:forget]]"
STREAMS = Path(__file__).with_name("streams")
Directive = tuple[str, dict[str, str]]


def directives(prompt: str) -> list[Directive]:
    """Read what the prompt asks for."""
    plays = [shlex.split(found) for found in re.findall(r"\[\[play:(.*?)\]\]", prompt.rpartition(FORGET)[2], re.DOTALL)]
    return [(words[0], dict(word.split("=", 1) for word in words[1:] if "=" in word)) for words in plays]


class Player:
    """Plays one run."""

    def __init__(self, argv: list[str], given: dict[str, str], session: Session, prompt: str) -> None:
        self.argv = argv
        self.session = session
        self.prompt = prompt
        self.model = given.get("--model") or "claude-opus-5-5"
        self.mode = given.get("--permission-mode", "default")
        self.turns = 1
        self.tools = 0
        self.last_text = ""
        self.code = 0
        self.ended = False

    def event(self, **fields: Any) -> None:
        """Write an event."""
        self.line(json.dumps({**fields, "session_id": self.session.id}, ensure_ascii=False))

    def line(self, text: str) -> None:
        """Write a line."""
        sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass") + b"\n")
        sys.stdout.buffer.flush()

    def init(self) -> None:
        """Begin."""
        self.event(
            type="system",
            subtype="init",
            cwd=str(Path.cwd()),
            model=self.model,
            permissionMode=self.mode,
            apiKeySource="none",
            claude_code_version=VERSION,
            tools=["Task", "Bash", "Edit", "Read", "Write"],
        )

    def assistant(self, *blocks: dict[str, Any]) -> None:
        """Let the model answer."""
        message = {"role": "assistant", "model": self.model, "content": list(blocks), "stop_reason": None}
        self.event(type="assistant", message=message, parent_tool_use_id=None)

    def tool(self, name: str, given: dict[str, str], answer: str, *, error: bool = False) -> None:
        """Let the model use a tool."""
        self.tools += 1
        self.turns += 1
        use = f"toolu_{self.tools}"
        self.assistant({"type": "tool_use", "id": use, "name": name, "input": given})
        block = {"tool_use_id": use, "type": "tool_result", "content": answer, "is_error": error}
        self.event(type="user", message={"role": "user", "content": [block]}, parent_tool_use_id=None)

    def result(self, error: str = "", **fields: Any) -> None:
        """Write the result."""
        self.ended = True
        tokens = {"inputTokens": 1000 * self.turns, "outputTokens": 50 * self.turns, "costUSD": 0.005 * self.turns}
        self.event(
            type="result",
            subtype="error_during_execution" if error else "success",
            is_error=bool(error),
            num_turns=self.turns,
            duration_ms=400,
            total_cost_usd=tokens["costUSD"],
            usage={"input_tokens": tokens["inputTokens"], "output_tokens": tokens["outputTokens"]},
            model_usage_since_last_result={self.model: tokens},
            **({"errors": [error]} if error else {"result": self.last_text}),
            **fields,
        )
        self.code = int(bool(error))

    def play(self, plays: list[Directive]) -> int:
        """Play it all; return the exit code."""
        own_init = [name for name, _ in plays[:1]] == ["stream"]
        if not own_init:
            self.init()
        self.session.remember(self.prompt)
        for name, given in plays or [("say", {"text": "Hello. There was nothing to do."})]:
            when = given.pop("only", "")
            if when not in ("", "first" if self.session.is_first else "later"):
                continue
            getattr(self, "play_" + name.replace("-", "_"))(**given)
        if not self.ended:
            self.result()
        return self.code

    def play_say(self, text: str) -> None:
        self.last_text = text
        self.assistant({"type": "text", "text": text})

    def play_write(self, path: str, text: str = "") -> None:
        target = Path.cwd() / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text) if text else target.unlink(missing_ok=True)
        self.tool("Write", {"file_path": str(target), "content": text}, f"File created successfully at: {target}")

    def play_run(self, text: str) -> None:
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, start_new_session=True, check=False)
        output = done.stdout + done.stderr
        words = f"Exit code {done.returncode}\n{output}" if done.returncode else output
        self.tool("Bash", {"command": text}, words, error=bool(done.returncode))

    def play_stream(self, name: str, **given: str) -> None:
        resets = str(int(time.time()) + int(given.get("in", "7200")))
        for text in (STREAMS / f"{name}.jsonl").read_text().splitlines():
            words = text.replace('"SID"', json.dumps(self.session.id)).replace("CWD", str(Path.cwd()))
            self.line(words.replace('"RESETS_AT"', resets))
            event = json.loads(text)
            if event["type"] == "result":
                self.ended, self.code = True, int(event["is_error"])

    def play_limits(self, **given: str) -> None:
        resets = int(time.time()) + int(given.pop("in", "7200"))
        windows = {name: {"utilization": float(used), "resetsAt": resets} for name, used in given.items()}
        info = {"status": "allowed", "isUsingOverage": False, "unifiedWindows": windows}
        self.event(type="rate_limit_event", rate_limit_info=info)

    def play_result(self, error: str = "") -> None:
        self.result(error)

    def play_no_result(self) -> None:
        self.ended = True

    def play_exit(self, code: str) -> None:
        if not self.ended:
            self.result()
        self.code = int(code)

    def play_touch(self, path: str) -> None:
        Path(path).touch()

    def play_gate(self, path: str) -> None:
        while not Path(path).exists():
            time.sleep(0.01)

    def play_child(self, path: str, kind: str = "plain", deaf: str = "", quiet: str = "") -> None:
        code = "import os,signal,sys,time\n"
        code += "if sys.argv[2] == 'double-fork' and os.fork(): os._exit(0)\n"
        code += "if sys.argv[2] != 'plain': os.setsid()\n"
        code += "if sys.argv[2] == 'double-fork' and os.fork(): os._exit(0)\n"
        code += "if sys.argv[3]: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        code += "open(sys.argv[1]+'.new', 'w').write(str(os.getpid()))\n"
        code += "os.rename(sys.argv[1]+'.new', sys.argv[1])\n"
        code += "time.sleep(600)\n"
        output = subprocess.DEVNULL if quiet else None
        child = subprocess.Popen([sys.executable, "-c", code, path, kind, deaf], stdout=output, stderr=output)
        self.play_gate(path)
        child.returncode = 0  # never waited for: it is the agent's, and stays behind

    def play_deaf(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def play_stop(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def play_die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def play_mute(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def play_stderr(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def play_line(self, text: str) -> None:
        self.line(text)

    def play_bytes(self) -> None:
        sys.stdout.buffer.write(b"caf\xe9 \xff\xfe\nnul \0 byte\n")
        sys.stdout.buffer.flush()

    def play_long(self, mib: str) -> None:
        self.assistant({"type": "text", "text": "y" * (int(mib) << 20)})

    def play_flood(self, lines: str, width: str = "100") -> None:
        for number in range(int(lines)):
            self.assistant({"type": "text", "text": f"{number:08} ".ljust(int(width), "x")})

    def play_dump(self, path: str) -> None:
        name = "--append-system-prompt-file"
        given = Path(self.argv[self.argv.index(name) + 1]).read_text() if name in self.argv else None
        facts = {"argv": self.argv, "environ": dict(os.environ), "cwd": str(Path.cwd()), "prompt": self.prompt}
        Path(path).write_text(json.dumps({**facts, "instructions": given}))

    def play_wait(self) -> None:
        while True:
            signal.pause()
