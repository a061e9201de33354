"""A stand-in for the claude CLI (standard library only): plays what the prompt asks for, on real pipes and processes.

The prompt says in order what happens, each as `[[play:WORD key=value ...]]` (values quoted as in a shell):

    say text=...              the assistant says something
    write path=... text=...   the Write tool writes a file below the working directory; text="" deletes it
    run text=COMMAND          the Bash tool runs a shell command and waits for it
    stream name=usage-limit   play fakes/streams/<name>.jsonl; in=SECONDS from now is its reset time
    result [error=TEXT]       a result event; without one a good result comes at the end
    no-result                 none comes
    exit code=N               end with this exit code (after a failed result: 1)
    touch path=...            make a file, for the test to see
    gate path=...             wait until the file exists
    child path=... [kind=plain|setsid|double-fork] [deaf=yes] [quiet=yes]
                              start `sleep` in the background; its pid goes into the file; deaf to TERM; not quiet: it
                              holds stdout and stderr
    deaf                      ignore TERM from here on          stop     send SIGSTOP to itself
    die                       send SIGKILL to itself            mute     close stdout and go on
    stderr text=...           a line on stderr                  line text=...   a line on stdout that is no event
    bytes                     a line that is not UTF-8, one with NUL
    long mib=N                one event of that size            flood lines=N width=N
    dump path=...             write argv, environment, working directory, prompt and instructions as JSON
    wait                      for ever (until it is told to end)

`only=first` or `only=later` on any of them: in the session's first run, or in those after it. A prompt without any is
answered with a text. A file `logged-out` in the configuration directory logs it out. Sessions are kept there, as the
CLI does; options that the CLI does not have are refused as it refuses them.
"""

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

VERSION = "2.1.330"
STREAMS = Path(__file__).with_name("streams")
WITH_VALUE = (
    *("--output-format", "--session-id", "--resume", "--permission-mode", "--allowedTools", "--disallowedTools"),
    *("--setting-sources", "--append-system-prompt-file", "--model", "--max-turns", "--settings", "--add-dir"),
)
WITHOUT_VALUE = ("-p", "--print", "--verbose", "--strict-mcp-config", "--dangerously-skip-permissions")
COMMANDS = ("/help", "/clear", "/compact", "/model", "/config")
Directive = tuple[str, dict[str, str]]


class Refused(Exception):
    """The CLI does not start: a line for stderr, and what a start-up failure's result says."""

    def __init__(self, words: str, reason: str | None = None, *, result: bool = True) -> None:
        super().__init__(words)
        self.reason = reason
        self.result = result


def options(argv: list[str]) -> dict[str, str]:
    """Read the command line."""
    found: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name in WITH_VALUE:
            found[name] = value if equals else next(words, "")
        elif word in WITHOUT_VALUE:
            found[word] = ""
        else:
            raise Refused(f"error: unknown option '{word}'", result=False)
    return found


def directives(prompt: str) -> list[Directive]:
    """Read what the prompt asks for."""
    plays = [shlex.split(found) for found in re.findall(r"\[\[play:(.*?)\]\]", prompt, re.DOTALL)]
    return [(words[0], dict(word.split("=", 1) for word in words[1:] if "=" in word)) for words in plays]


class Session:
    """The CLI's memory of a conversation."""

    def __init__(self, given: dict[str, str], config: Path) -> None:
        self.id = given.get("--resume") or given.get("--session-id") or "00000000-0000-4000-8000-000000000000"
        folder = config / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(Path.cwd()))
        known = list(config.glob(f"projects/*/{self.id}.jsonl"))
        self.path = known[0] if known else folder / f"{self.id}.jsonl"
        self.is_first = not known
        if "--resume" in given and not known:
            raise Refused(f"No conversation found with session ID: {self.id}")
        if "--session-id" in given and known:
            raise Refused(f"Error: Session ID {self.id} is already in use.", result=False)

    def remember(self, prompt: str) -> None:
        """Note that there was a run."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as transcript:
            transcript.write(json.dumps({"prompt": prompt}) + "\n")


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


def refuse(refusal: Refused) -> int:
    """Say why it does not start."""
    print(refusal, file=sys.stderr)
    if refusal.result and os.environ.get("CLAUDE_CODE_STARTUP_FAILURE_RESULTS") == "1":
        event = {"type": "result", "subtype": "error_during_execution", "is_error": True, "num_turns": 0}
        event |= {"total_cost_usd": 0, "errors": [str(refusal)], "model_usage_since_last_result": {}}
        if refusal.reason:
            event["startup_failure_reason"] = refusal.reason
        print(json.dumps(event), flush=True)
    return 1


def check(given: dict[str, str]) -> None:
    """Refuse what the CLI refuses at its start."""
    bypass = given.get("--permission-mode") == "bypassPermissions" or "--dangerously-skip-permissions" in given
    if bypass and os.geteuid() == 0 and os.environ.get("IS_SANDBOX") != "1":
        words = "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons"
        raise Refused(words, "bypass_root")
    if given.get("--output-format") == "stream-json" and "--verbose" not in given:
        raise Refused("Error: When using --print, --output-format=stream-json requires --verbose", result=False)
    extra = given.get("--append-system-prompt-file")
    if extra is not None and not Path(extra).is_file():
        raise Refused(f"Error: file not found: {extra}")


def main(argv: list[str]) -> int:
    """Be the CLI."""
    config = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path(os.environ["HOME"]) / ".claude")
    logged_out = (config / "logged-out").exists()
    if argv[:1] == ["--version"]:
        print(f"{VERSION} (Claude Code)")
        return 0
    if argv[:2] == ["auth", "status"]:
        print(json.dumps({"loggedIn": not logged_out, "authMethod": "none" if logged_out else "claude.ai"}, indent=2))
        return int(logged_out)
    try:
        given = options(argv)
        check(given)
        prompt = sys.stdin.buffer.read().decode()
        player = Player(argv, given, Session(given, config), prompt)
    except Refused as refusal:
        return refuse(refusal)
    if logged_out:
        player.play_stream("not-logged-in")
        return 1
    if prompt.split(maxsplit=1)[0] in COMMANDS and prompt.startswith("/"):
        player.last_text = f"{prompt.split()[0]} isn't available in this environment."
        player.init()
        player.turns = 0
        player.result()
        return 0
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    return player.play(directives(prompt))
