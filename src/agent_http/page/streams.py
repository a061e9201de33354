"""What keeps the pages live: parts of them, drawn anew and sent as server-sent events when something happens."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from agent_core.app import AgentCore
from agent_core.domain.errors import FellBehind
from agent_core.domain.feed import FeedEntry, Said
from agent_core.domain.job import JobMessage
from agent_core.ports import FeedFilter
from agent_http.page import frame
from agent_http.page.frame import HEADERS, PageRoute, draw
from agent_http.page.job_pages import PUBLISH_MODES, view_of
from agent_http.page.log_tail import shortened
from agent_http.page.overview_pages import FreeDisk, look_over
from agent_http.page.session import Sessions

PAUSE = 0.7
"""Seconds between two drawings of the overview."""
LULL = 10.0
"""Seconds after which it is drawn though nothing happened: time passes, and disks fill up."""
PING = 15.0
"""Seconds between two signs of life, by which a reader that went away is noticed."""
PATIENCE = 30.0
"""Seconds that a reader may take for one piece."""
OVER = "over"
"""The event after which there is nothing more to come."""


def page_streams(core: AgentCore, sessions: Sessions, free_disk: FreeDisk | None) -> Sequence[PageRoute]:
    """Make the routes of the streams. A stream ends with the reader's session."""

    def is_signed_in(request: web.Request) -> bool:
        return sessions.caller_of(request, frame.now(request)) is not None

    shared = _Shared()

    async def look(request: web.Request) -> str:
        """Draw what is the same for whoever looks."""
        return draw(request, "overview_parts.html", view=await look_over(core, free_disk, frame.now(request)))

    async def overview(request: web.Request) -> web.StreamResponse:
        async with _stream(request) as stream, aclosing(_news(core, FeedFilter(), None, stream)) as news:
            async for _ in news:
                if not is_signed_in(request):
                    break
                await stream.send(await shared.text(partial(look, request)))
                await asyncio.sleep(PAUSE)
        return stream

    async def job(request: web.Request) -> web.StreamResponse:
        job_id = request.match_info["job_id"]
        await core.jobs.get(job_id)
        async with _stream(request) as stream:
            async with aclosing(_news(core, FeedFilter(job_id=job_id), _last_seen(request), stream)) as news:
                async for entries in news:
                    if not is_signed_in(request):
                        return stream
                    if entries:
                        await stream.send(await job_news(request, job_id, entries), id=str(entries[-1].seq))
            if (await core.jobs.get(job_id)).job.state.is_final:
                await stream.send("", event=OVER)
        return stream

    async def job_news(request: web.Request, job_id: str, entries: Sequence[FeedEntry]) -> str:
        lines = [
            shortened(JobMessage(seq=entry.seq, type=entry.what.type, content=entry.what.content, created_at=entry.at))
            for entry in entries
            if isinstance(entry.what, Said)
        ]
        view = None
        if len(lines) < len(entries):
            view = await view_of(core, job_id, request)
        return draw(request, "job_news.html", lines=lines, view=view, modes=PUBLISH_MODES)

    return [
        PageRoute("GET", "/live", overview),
        PageRoute("GET", "/jobs/{job_id}/live", job),
    ]


class _Shared:
    """A text that is made once for all who ask for it at about the same time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._begun = -math.inf
        self._text = ""

    async def text(self, make: Callable[[], Awaitable[str]]) -> str:
        """Return a text whose making began after this call, so that it has what the caller has heard of."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._turn:
            if self._begun <= asked:
                begun = clock()
                self._text, self._begun = await make(), begun
            return self._text


@asynccontextmanager
async def _stream(request: web.Request) -> AsyncIterator[EventSourceResponse]:
    """Open a stream. That its reader goes away, or comes back because it fell behind, is no error."""
    with suppress(ConnectionResetError, TimeoutError, FellBehind):
        async with sse_response(request, headers=HEADERS, send_timeout=PATIENCE, ping_interval=PING) as stream:
            yield stream


async def _news(
    core: AgentCore, which: FeedFilter, after: int | None, stream: EventSourceResponse
) -> AsyncGenerator[Sequence[FeedEntry], None]:
    """Yield an empty group at once, and what happens as it does; an empty one after a lull. Ends with the reader."""
    gone = asyncio.create_task(stream.wait())
    async with aclosing(core.live.follow(which, after)) as feed:
        coming = asyncio.ensure_future(anext(feed, None))
        try:
            yield ()
            while True:
                await asyncio.wait({coming, gone}, timeout=LULL, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                entries = coming.result() if coming.done() else ()
                if entries is None:
                    return
                if coming.done():
                    coming = asyncio.ensure_future(anext(feed, None))
                yield entries
        finally:
            for task in (coming, gone):
                task.cancel()
            await asyncio.gather(coming, gone, return_exceptions=True)


def _last_seen(request: web.Request) -> int | None:
    for seen in (request.headers.get("Last-Event-ID", ""), request.query.get("after", "")):
        if seen.isascii() and seen.isdigit() and len(seen) < 19:
            return int(seen)
    return None
