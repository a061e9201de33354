"""Who a caller is and what it may do: the holder of the server's secret, or of a named token."""

import hashlib
import hmac
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from agent_http.token_file import NamedToken, TokenFile

ADMIN = "admin"
"""The name of who holds the server's secret; no token has it."""


class Scope(StrEnum):
    """What a caller may do; each allows what those before it allow."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def allows(self, needed: "Scope") -> bool:
        """Whether who has this scope may do what needs that one."""
        return _ORDER[self] >= _ORDER[needed]


_ORDER = {scope: n for n, scope in enumerate(Scope)}


@frozen
class Caller:
    """Who sends a request, known by its token."""

    name: str
    scope: Scope
    digest: bytes = field(default=b"", eq=False, repr=False)
    """Of a named token: tells it from another one that had the name before."""


_ADMINISTRATOR = Caller(ADMIN, Scope.ADMIN)


def digest_of(token: bytes) -> bytes:
    """Hash a token, as it is stored. Its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token).digest()


class Authority:
    """Knows callers by their tokens: the server's secret, and those of a token file as it is at each question."""

    def __init__(self, secret: str, tokens: "TokenFile | None" = None) -> None:
        self._secret = digest_of(secret.encode())
        self._valid = tokens.valid if tokens is not None else tuple

    def caller_of(self, token: bytes) -> Caller | None:
        """Return who has the token, or None. Takes the same time for every wrong one; never raises."""
        if not token:
            return None
        digest = digest_of(token)
        if hmac.compare_digest(digest, self._secret):
            return _ADMINISTRATOR
        found = None
        for entry in self._valid():
            if hmac.compare_digest(digest, entry.digest) and found is None:
                found = _holder(entry)
        return found

    def named(self, name: str) -> Caller | None:
        """Return the caller of this name; None when there is none, or no more."""
        if name == ADMIN:
            return _ADMINISTRATOR
        return next((_holder(entry) for entry in self._valid() if entry.name == name), None)

    def still(self, caller: Caller) -> bool:
        """Tell whether the caller's token lets in as it did: it was neither revoked nor replaced by another one."""
        now = self.named(caller.name)
        return now is not None and (now.scope, now.digest) == (caller.scope, caller.digest)


def _holder(token: "NamedToken") -> Caller:
    return Caller(token.name, token.scope, token.digest)
