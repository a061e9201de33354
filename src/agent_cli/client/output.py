"""What commands write: results on stdout, words about them on stderr."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from typing import Any

import click

from agent_cli.client.text import plain, plain_lines

_UNSEEN = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]")
STATUS_COLOURS = {"running": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow"}


def say(text: str) -> None:
    """Write a line of words on stderr; it may hold text from elsewhere."""
    click.echo(plain(text), err=True)


def write(lines: Iterable[str]) -> None:
    """Write plain lines on stdout."""
    for line in lines:
        click.echo(line)


def write_json(document: Any, *, line: bool = False) -> None:
    """Write one JSON document on stdout, or one line of JSON; characters that no terminal should see are escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=None if line else 2)
    click.echo(_UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def write_content(content: bytes) -> None:
    """Write what is for other programs: byte for byte, or made plain where stdout is a terminal."""
    if sys.stdout.isatty():
        write(plain_lines(content.decode(errors="replace")))
    else:
        click.echo(content, nl=False)


def room() -> int | None:
    """Return how many cells a line on stdout may have: the terminal's width; None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def coloured(*, err: bool = False) -> bool:
    """Whether colours are wanted on stdout, or on stderr."""
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, *, err: bool = False, **style: Any) -> str:
    """Return the text in that style, as `click.style` has it, where colours are wanted."""
    return click.style(text, **style) if coloured(err=err) else text
