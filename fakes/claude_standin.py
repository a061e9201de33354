"""A stand-in for the claude CLI (standard library only): plays what the prompt asks for, on real pipes and processes.

The prompt says in order what happens, each as `[[play:WORD key=value ...]]` (values quoted as in a shell):

    say text=...              the assistant says something
    write path=... text=...   the Write tool writes a file below the working directory; text="" deletes it
    run text=COMMAND          the Bash tool runs a shell command and waits for it
    stream name=usage-limit   play fakes/streams/<name>.jsonl; in=SECONDS from now is its reset time
    limits five_hour=0.5 ...  how much of each window of the subscription is used; in=SECONDS from now all are reset
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
    forget                    nothing of what the prompt says before this is played

`only=first` or `only=later` on any of them: in the session's first run, or in those after it. A prompt without any is
answered with a text. A file `logged-out` in the configuration directory logs it out. Sessions are kept there, as the
CLI does; options that the CLI does not have are refused as it refuses them.
"""

import json
import os
import signal
import sys
from pathlib import Path

from fakes.claude_player import VERSION, Player, directives
from fakes.claude_session import Refused, Session

WITH_VALUE = (
    *("--output-format", "--session-id", "--resume", "--permission-mode", "--allowedTools", "--disallowedTools"),
    *("--setting-sources", "--append-system-prompt-file", "--model", "--max-turns", "--max-budget-usd", "--settings"),
    *("--add-dir", "--effort"),
)
WITHOUT_VALUE = ("-p", "--print", "--verbose", "--strict-mcp-config", "--dangerously-skip-permissions")
COMMANDS = ("/help", "/clear", "/compact", "/model", "/config")


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
