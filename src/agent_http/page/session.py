"""Sessions: a signed cookie that says who signed in and until when. Nothing of them is kept on the server."""

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

from aiohttp import hdrs, web

from agent_http.authority import Authority, Caller

COOKIE = "agent_server_session"
PATH = "/ui"
LASTS = timedelta(hours=12)
_PURPOSE = b"agent-server page session 1"


class Sessions:
    """Signs callers in and knows them again.

    The caller is looked up by name at every request, so that a token that is revoked ends its sessions, and another one
    of the same name does not bring them back; another secret ends all of them.
    """

    def __init__(self, authority: Authority, secret: str) -> None:
        self._authority = authority
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)

    def caller_of(self, request: web.Request, now: datetime) -> Caller | None:
        """Return who is signed in, or None."""
        payload, _, signature = request.cookies.get(COOKIE, "").partition(".")
        if not hmac.compare_digest(self._signature(payload).encode(), signature.encode("utf-8", "replace")):
            return None
        try:
            until, mark, name = _unpacked(payload).split(" ")
            is_over = now >= datetime.fromtimestamp(int(until), UTC)
        except ValueError:
            return None
        caller = None if is_over else self._authority.named(name)
        return caller if caller is not None and mark == _mark(caller) else None

    def begin(self, request: web.Request, response: web.StreamResponse, caller: Caller, now: datetime) -> None:
        """Put the caller's cookie into the response."""
        payload = _packed(f"{int((now + LASTS).timestamp())} {_mark(caller)} {caller.name}")
        response.set_cookie(
            COOKIE,
            f"{payload}.{self._signature(payload)}",
            max_age=int(LASTS.total_seconds()),
            path=PATH,
            secure=came_by_https(request),
            httponly=True,
            samesite="Strict",
        )

    def end(self, response: web.StreamResponse) -> None:
        """Take the cookie away."""
        response.del_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict")

    def _signature(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def came_by_https(request: web.Request) -> bool:
    """Whether the browser's own connection is encrypted: to here, or to the tunnel in front."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"


def is_same_origin(request: web.Request) -> bool:
    """Whether a page of ours sent the request. A browser that tells neither header is not trusted to."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    _, _, host = request.headers.get(hdrs.ORIGIN, "").partition("://")
    return host != "" and host.lower() == request.host.lower()


def _mark(caller: Caller) -> str:
    """Tell the caller's token from another one of the same name."""
    return hashlib.sha256(caller.digest).hexdigest()[:16]


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpacked(payload: str) -> str:
    """Undo `_packed`. Raises ValueError."""
    try:
        return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    except binascii.Error as error:
        raise ValueError(str(error)) from None
