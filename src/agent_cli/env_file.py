"""The env file: settings that need not stand in anybody's shell, in a file that only the operator can read."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

import click

NAME = "env"
"""What it is called in $AGENT_HOME."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LINE = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_]*)=
        (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<plain>(?:[^"'\s].*?)?) )
        (?:\s+\#.*)?""",
    re.VERBOSE,
)


class EnvFileError(click.ClickException):
    """The env file cannot be used; says why, never what stands in it. Ends the command with 2, as a wrong setting."""

    exit_code = 2


class NoHome(click.ClickException):
    """Nobody knows where the user is at home."""

    exit_code = 2


def environment(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with the env file's settings beneath it: what `environ` has wins, even an empty value.

    Without a file it is `environ` as it is. Raises EnvFileError when somebody else can read or write the file, or when
    a line is neither KEY=VALUE nor empty nor a comment.
    """
    path = env_path(environ)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = file.read().decode("utf-8-sig")  # some editors begin a file with a mark
    except FileNotFoundError:
        return environ
    except OSError as error:
        raise EnvFileError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise EnvFileError(f"{path} is not text in UTF-8") from None
    if "\0" in text:
        raise EnvFileError(f"{path} is not text: it has NUL characters")
    if mode & _OTHERS:
        raise EnvFileError(f"{path} has secrets and others can get at it (mode {mode:04o}): chmod 600 {path}")
    return {**_settings(path, text), **environ}


def env_path(environ: Mapping[str, str]) -> Path:
    """Return where the env file is, or would be."""
    return home(environ) / NAME


def home(environ: Mapping[str, str]) -> Path:
    """Return $AGENT_HOME, as the server takes it."""
    text = environ.get("AGENT_HOME") or "~/agent-server"
    if text == "~" or text.startswith("~/"):
        text = f"{user_home(environ)}{text[1:]}"
    return Path(text)


def user_home(environ: Mapping[str, str]) -> Path:
    """Return the home directory of who runs this. Raises NoHome."""
    try:
        return Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        raise NoHome("HOME is not set, and this user has no home directory: set HOME") from None


def _settings(path: Path, text: str) -> Mapping[str, str]:
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise EnvFileError(f"{path}, line {number}: must be KEY=VALUE; quotes, if any, around the whole value")
        found[match["name"]] = next(value for value in match.group("double", "single", "plain") if value is not None)
    return found
