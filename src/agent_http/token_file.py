"""The file of named tokens: hashed, for its owner alone, changed by the command beside a running server."""

import fcntl
import json
import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from attrs import field, frozen

from agent_http.authority import ADMIN, Scope, digest_of

log = logging.getLogger(__name__)

VERSION = 1
MAX_BYTES = 1024 * 1024
PREFIX = "agt_"
"""Begins every token, so that people and scanners know one when they see it."""
_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class TokenFileError(Exception):
    """The file cannot be used, or not changed like that; the message is a sentence for the operator."""


@frozen
class NamedToken:
    """One token: who has it, what it allows, since when, and its SHA-256."""

    name: str
    scope: Scope
    created_at: datetime
    digest: bytes = field(repr=False)


@frozen
class _Known:
    """What the file said when it had this stamp: one value, since threads may ask at once."""

    stamp: tuple[int, ...] | None
    entries: Sequence[NamedToken]
    problem: str | None


class TokenFile:
    """The tokens in a file, which need not be there. It is read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _Known(None, (), None)
        self._told: str | None = None

    def entries(self) -> Sequence[NamedToken]:
        """Return the tokens, oldest first; costs a stat while the file is unchanged.

        Raises TokenFileError when the file is damaged, or open to others than its owner.
        """
        stamp = _stamp(self._path)
        known = self._known
        if stamp is None or stamp != known.stamp:
            try:
                known = _Known(stamp, _load(self._path), None)
            except TokenFileError as error:
                known = _Known(stamp, (), str(error))
            self._known = known
        if known.problem is not None:
            raise TokenFileError(known.problem)
        return known.entries

    def valid(self) -> Sequence[NamedToken]:
        """Return the tokens that let in now: none while `entries` would raise, which the log says once."""
        try:
            entries = self.entries()
        except TokenFileError as error:
            if str(error) != self._told:
                log.warning("no named token is valid: %s", error)
            self._told = str(error)
            return ()
        self._told = None
        return entries

    def add(self, name: str, scope: Scope, now: datetime) -> str:
        """Add a token and return it: this once, since only its hash is stored.

        Raises TokenFileError for a name that is not 1 to 64 of `[A-Za-z0-9._-]`, is "admin" or has a token already, and
        as `entries` does.
        """
        if not _NAME.fullmatch(name):
            raise TokenFileError("The name of a token must be 1 to 64 letters, digits, '.', '_' or '-'")
        if name.lower() == ADMIN:
            raise TokenFileError(f"The name {name} is taken: {ADMIN} is who holds AGENT_API_SECRET")
        token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        added = NamedToken(name, scope, now.astimezone(UTC).replace(microsecond=0), digest_of(token.encode()))

        def with_it(entries: Sequence[NamedToken]) -> Sequence[NamedToken]:
            if any(entry.name == name for entry in entries):
                raise TokenFileError(f"There is a token named {name} already: revoke it first, or choose another name")
            return [*entries, added]

        self._change(with_it)
        return token

    def revoke(self, name: str) -> None:
        """Remove the token: no request is let in by it any more. Raises TokenFileError when there is none."""

        def without_it(entries: Sequence[NamedToken]) -> Sequence[NamedToken]:
            kept = [entry for entry in entries if entry.name != name]
            if len(kept) == len(entries):
                raise TokenFileError(f"There is no token named {name!r}")
            return kept

        self._change(without_it)

    def _change(self, change: Callable[[Sequence[NamedToken]], Sequence[NamedToken]]) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._path.with_name(f"{self._path.name}.lock")):
                _replace(self._path, _written(change(_load(self._path))))
        except OSError as error:
            raise TokenFileError(f"The token file {self._path} cannot be written: {error.strerror}") from error


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _load(path: Path) -> Sequence[NamedToken]:
    try:
        return _parsed(path, _private_bytes(path))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TokenFileError(f"The token file {path} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        raise TokenFileError(f"The token file {path} is damaged: move it away and add the tokens anew") from None


def _private_bytes(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise TokenFileError(f"The token file {path} is no file")
        if mode & 0o077:
            raise TokenFileError(f"The token file {path} is open to other users: run chmod 600 {path}")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > MAX_BYTES:
        raise ValueError("too long")
    return content


def _parsed(path: Path, content: bytes) -> Sequence[NamedToken]:
    """Read all of it or nothing: a token whose scope cannot be read must not get another one."""
    whole = json.loads(content)
    if type(whole["version"]) is int and whole["version"] > VERSION:
        raise TokenFileError(f"The token file {path} is of a newer agent-server: use that one")
    if whole["version"] != VERSION:
        raise ValueError("of no version")
    entries = [
        NamedToken(
            _matching(_NAME, entry["name"]),
            Scope(entry["scope"]),
            datetime.fromisoformat(entry["createdAt"]).astimezone(UTC),
            bytes.fromhex(_matching(_SHA256, entry["sha256"])),
        )
        for entry in whole["tokens"]
    ]
    names = {entry.name for entry in entries}
    if len(names) != len(entries) or ADMIN in names:
        raise ValueError("a name is taken")
    return entries


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError("not as it was written")
    return text


def _written(entries: Sequence[NamedToken]) -> bytes:
    tokens = [
        {
            "name": entry.name,
            "scope": entry.scope,
            "createdAt": entry.created_at.isoformat().replace("+00:00", "Z"),
            "sha256": entry.digest.hex(),
        }
        for entry in entries
    ]
    return json.dumps({"version": VERSION, "tokens": tokens}, indent=2).encode() + b"\n"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process change the file at a time. A lock beside it: the file itself is replaced."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, content: bytes) -> None:
    """Write the whole file or leave the old one, also when the machine stops in between."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
