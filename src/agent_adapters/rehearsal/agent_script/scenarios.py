"""What can be rehearsed."""

import os
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .account import Account
from .refusals import at_limit, login_expired
from .rival import push_rival
from .turn import Turn

Result = dict[str, Any]

SLOW = 10
BROKEN = Path("REHEARSAL_BROKEN")
SECRET = Path("REHEARSAL_SECRET.txt")
LINE = 100
"""Characters, with the end of the line."""
SHORT_LINES, LONG_LINE, SHORT_BLOCKS = 200, 200_000, 40
"""Huge output comes in blocks of short lines; after so many of them there is a long one. Together that is 1 MB."""


def success(turn: Turn, _account: Account, *, leave: Path | None = None) -> Result:
    """Look around, make the change, take away what an earlier run left wrong (but for `leave`), say so."""
    before = [task["prompt"] for task in turn.session.tasks if task is not turn.task]
    if turn.goes_on:
        turn.say(f"I go on where I was: {turn.headline}")
    elif before:
        turn.say(f"I remember this conversation of {len(before) + 1} tasks. I will rehearse this: {turn.headline}")
    else:
        turn.say(f"I will rehearse this: {turn.headline}")
    turn.use("Glob", {"pattern": "*"}, lambda: "\n".join(sorted(os.listdir()))[:2000])  # noqa: PTH208 - names, not paths
    note(turn)
    for path in (BROKEN, SECRET):
        if path.exists() and path != leave:
            turn.use("Bash", {"command": f"rm {path}"}, partial(remove, path))
    turn.say("Done: the task stands in REHEARSAL.md, with a module beside it.")
    return turn.success(f"Rehearsed: {turn.headline}")


def no_changes(turn: Turn, _account: Account) -> Result:
    """Look around and change nothing."""
    turn.say("I found nothing to change.")
    return turn.success("Nothing had to be changed.")


def failure(turn: Turn, _account: Account) -> Result:
    """Make the change and fail after it."""
    turn.say("This will go wrong.")
    note(turn)
    return turn.failure("The rehearsal was told to fail")


def slow(turn: Turn, account: Account) -> Result:
    """Do what success does, at a tenth of its speed."""
    turn.pace *= SLOW
    return success(turn, account)


def hang(turn: Turn, account: Account) -> Result:
    """Make the change and stay until somebody ends it; resumed, come to an end."""
    if turn.goes_on:
        return success(turn, account)
    note(turn)
    turn.say("I am waiting now.")
    while True:
        time.sleep(3600)


def usage_limit(turn: Turn, account: Account) -> Result:
    """Make the change and reach the limit; resumed, come to an end."""
    if turn.goes_on:
        return success(turn, account)
    turn.say("I begin, and shall not come far.")
    note(turn)
    account.reach_limit(turn.option("seconds"))
    return at_limit(turn, account)


def login_lost(turn: Turn, account: Account) -> Result:
    """Make the change and lose the login; resumed, come to an end."""
    if turn.goes_on:
        return success(turn, account)
    turn.say("I begin, and shall not come far.")
    note(turn)
    account.lose_login(turn.option("seconds"))
    return login_expired(turn)


def huge_output(turn: Turn, account: Account) -> Result:
    """Say very much, without a pause, and end well."""
    pace, turn.pace = turn.pace, 0.0
    left, lines, blocks = round(turn.option("mb") * 1_000_000), 0, 0
    while left > 0:
        blocks += 1
        if blocks % (SHORT_BLOCKS + 1):
            text = "".join(f"{f'Line {lines + n} of very many ':.<{LINE - 1}}\n" for n in range(1, SHORT_LINES + 1))
            lines += SHORT_LINES
        else:
            text = f"{'A long line ':.<{LONG_LINE}}"
        turn.say(text[:left], counted=False)
        left -= len(text)
    turn.pace = pace
    return success(turn, account)


def conflict(turn: Turn, account: Account) -> Result:
    """Have somebody else's commit appear on the branch, and end well all the same."""
    if not turn.task.get("has_rival"):
        turn.say("Somebody else pushes to my branch now.")
        if not turn.use("Bash", {"command": "git push origin HEAD", "description": "as somebody else"}, push_rival):
            return turn.failure("Nobody could push to the branch, so there is no conflict: see above what git said")
        turn.task["has_rival"] = True
        turn.session.save()
    return success(turn, account)


def policy_block(turn: Turn, account: Account) -> Result:
    """Leave something in the work that is shaped like a secret, and end well."""
    token = "_".join(("ghp", "Rehearsal" * 4))  # in one piece it would be found in this file, too

    def write_secret() -> str:
        SECRET.write_text(f"token = {token}\n")
        return f"File created successfully at: {SECRET}"

    turn.use("Write", {"file_path": str(SECRET.absolute()), "content": "..."}, write_secret)
    return success(turn, account, leave=SECRET)


def broken_then_repaired(turn: Turn, account: Account) -> Result:
    """End well with `REHEARSAL_BROKEN` in the work, `rounds` times; resumed after these, without it."""
    rounds = turn.task.get("broken_rounds", 0)
    turn.task["awaits_check"] = rounds < turn.option("rounds")
    if not turn.task["awaits_check"]:
        return success(turn, account)
    note(turn)

    def write_broken() -> str:
        BROKEN.write_text("`test ! -e REHEARSAL_BROKEN` fails while this is here.\n")
        return f"File created successfully at: {BROKEN}"

    turn.use("Write", {"file_path": str(BROKEN.absolute()), "content": "..."}, write_broken)
    turn.say(f"Done, but for {BROKEN}: a check should find that.")
    turn.task["broken_rounds"] = rounds + 1
    return turn.success(f"Rehearsed, and left broken: {turn.headline}")


def remove(path: Path) -> str:
    """Remove the file; return what the command prints."""
    path.unlink()
    return ""


def note(turn: Turn) -> None:
    """Make the change: a line in REHEARSAL.md and a small module. Made already, it stays as it is."""
    entry, path = f"- {turn.headline}\n", Path("REHEARSAL.md")
    before = path.read_text() if path.exists() else "# Rehearsals\n\n"

    def write_note() -> str:
        path.write_text(before if entry in before else before + entry)
        return f"The file {path} has been updated"

    name = re.sub(r"[^a-z0-9]+", "_", turn.headline.lower()).strip("_")[:40] or "task"
    name = name if name[0].isalpha() else f"task_{name}"
    module = Path("rehearsal") / f"{name}.py"
    code = f'"""A rehearsal, not the real work."""\n\n\ndef {name}() -> str:\n    return {turn.headline!r}\n'

    def write_module() -> str:
        module.parent.mkdir(exist_ok=True)
        module.write_text(code)
        return f"File created successfully at: {module}"

    turn.use("Edit", {"file_path": str(path.absolute()), "old_string": "", "new_string": entry}, write_note)
    turn.use("Write", {"file_path": str(module.absolute()), "content": code}, write_module)


class Scenario(NamedTuple):
    """How it is played, and its own options with what they are when nobody says."""

    play: Callable[[Turn, Account], Result]
    options: Mapping[str, float]


SCENARIOS: Mapping[str, Scenario] = {
    "success": Scenario(success, {}),
    "no changes": Scenario(no_changes, {}),
    "failure": Scenario(failure, {}),
    "slow": Scenario(slow, {}),
    "hang": Scenario(hang, {}),
    "usage limit": Scenario(usage_limit, {"seconds": 60}),
    "login lost": Scenario(login_lost, {"seconds": 60}),
    "huge output": Scenario(huge_output, {"mb": 60}),
    "conflict": Scenario(conflict, {}),
    "policy block": Scenario(policy_block, {}),
    "broken then repaired": Scenario(broken_then_repaired, {"rounds": 1}),
}
