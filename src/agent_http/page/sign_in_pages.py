"""Signing in with a token, and out."""

import asyncio
from collections.abc import Sequence
from math import ceil

from aiohttp import hdrs, web

from agent_http.access import CALLER
from agent_http.authority import Authority
from agent_http.page import frame
from agent_http.page.door import SIGN_IN
from agent_http.page.forms import read_form
from agent_http.page.frame import PREFIX, PageRoute, render, see_other
from agent_http.page.session import Sessions
from agent_http.wrong_tokens import WrongTokens


def sign_in_pages(authority: Authority, sessions: Sessions, wrong_tokens: WrongTokens) -> Sequence[PageRoute]:
    """Make the routes of signing in and out."""

    async def show(request: web.Request) -> web.StreamResponse:
        wanted = next_of(request.query.get("next", ""))
        if CALLER in request:
            return see_other(wanted)
        return render(request, "sign_in.html", next=wanted, problem=None)

    async def sign_in(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        wanted = next_of(form.get("next", ""))
        token = form.get("token", "").strip().encode("utf-8", "replace")
        caller = await asyncio.to_thread(authority.caller_of, token)
        if caller is None:
            wait = wrong_tokens.count(request.remote or "")
            if wait is None:
                return render(request, "sign_in.html", status=401, next=wanted, problem="No caller has this token.")
            sentence = "Too many wrong tokens from this address: try again in a minute."
            response = render(request, "sign_in.html", status=429, next=wanted, problem=sentence)
            response.headers[hdrs.RETRY_AFTER] = str(ceil(wait))
            return response
        answer = see_other(wanted)
        sessions.begin(request, answer, caller, frame.now(request))
        return answer

    async def sign_out(_: web.Request) -> web.StreamResponse:
        response = see_other(SIGN_IN)
        sessions.end(response)
        return response

    return [
        PageRoute("GET", SIGN_IN, show, needs=None),
        PageRoute("POST", SIGN_IN, sign_in, needs=None),
        PageRoute("POST", "/sign-out", sign_out, needs=None),
    ]


def next_of(address: str) -> str:
    """Return where to go after signing in, below `PREFIX`: the address, where it is a page of ours, else the first."""
    rest = address.removeprefix(PREFIX)
    is_ours = rest != address and rest[:1] in ("/", "?") and address.isascii() and address.isprintable()
    return rest if is_ours and "\\" not in rest and not rest.startswith("//") else ""
