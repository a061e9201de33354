"""What a setting's text may be: parsers that raise ValueError with a sentence, which never quotes the text."""

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from agent_adapters.webhook import Signer

_BYTES = {"": 1, "MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}


def line(text: str) -> str:
    """One printable line."""
    if not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text


def secret(text: str) -> str:
    """A bearer token."""
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("must be printable ASCII without spaces")
    return text


def signing_secret(text: str) -> str | None:
    """A key that `Signer` takes, or None."""
    if text:
        Signer(line(text))  # says so when it is none
    return text or None


def optional(parse: Callable[[str], object]) -> Callable[[str], object | None]:
    """Make a parser that reads nothing as None."""
    return lambda text: parse(text) if text else None


def whole(low: int, high: int) -> Callable[[str], int]:
    """Make a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def share(text: str) -> float:
    """A part of a whole: 0.9 or 90%."""
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(%?)", text)
    part = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < part <= 1:
        raise ValueError("must be a share like 0.9 or 90%, above 0 and at most 1")
    return part


def choice(*choices: str) -> Callable[[str], str]:
    """Make a parser that takes one of these words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def duration(lowest: int) -> Callable[[str], timedelta]:
    """Make a parser of times of at least `lowest` seconds."""

    def parse(text: str) -> timedelta:
        found = re.fullmatch(r"([0-9]{1,9})(|s|min|h)", text)
        if found is None or not lowest <= int(found[1]) * _SECONDS[found[2]] <= 10**9:
            raise ValueError(f"must be a time of at least {lowest} s, like 7200, 90s, 30min or 2h")
        return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])

    return parse


def size(text: str) -> int:
    """A number of bytes."""
    found = re.fullmatch(r"([0-9]{1,15})(|[MG]i?B)", text)
    if found is None:
        raise ValueError("must be a number of bytes, or like 50MB, 500MiB or 2GiB")
    return int(found[1]) * _BYTES[found[2]]


def path(text: str) -> Path:
    """An absolute path."""
    path = Path(text)
    if not path.is_absolute():
        raise ValueError("must be an absolute path, or begin with ~/")
    return path


def remote(text: str) -> str:
    """A template of repository URLs."""
    try:
        text.format(org="", repo="")
        known = "{org}" in text and "{repo}" in text
    except (ValueError, LookupError):
        known = False
    if not known or text.startswith("-"):
        raise ValueError("must hold {org} and {repo} and no other braces, like git@github.com:{org}/{repo}.git")
    return line(text)


def identity(text: str) -> str:
    """A name or an address, as git wants it."""
    if set(text) & set("<>") or not text.strip():
        raise ValueError("must not hold < or >")
    return line(text)


def flag(text: str) -> bool:
    """A switch."""
    if text not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def words(text: str) -> tuple[str, ...]:
    """Words between commas and spaces."""
    return tuple(text.replace(",", " ").split())


def shell_words(text: str) -> tuple[str, ...]:
    """Words as a shell splits them."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise ValueError("must be quoted as for a shell, with every quote closed") from None


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """IP networks."""
    try:
        return tuple(map(ip_network, words(text)))
    except ValueError:
        raise ValueError("must be networks like 192.168.7.0/24, separated by commas") from None


def placed(text: str, environ: Mapping[str, str]) -> str:
    """Put the directories in that a path may begin with: `~`, and $AGENT_HOME in a default."""
    home = environ.get("AGENT_HOME") or "~/agent-server"
    text = text.replace("$AGENT_HOME", home, 1) if text.startswith("$AGENT_HOME/") else text
    if text == "~" or text.startswith("~/"):
        try:
            text = (environ.get("HOME") or str(Path.home())) + text[1:]
        except RuntimeError:
            raise ValueError("begins with ~/, and HOME is not set") from None
    return text


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
