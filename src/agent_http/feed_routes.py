"""The routes that stream what happens, of one job or of all."""

import re
from collections.abc import Sequence
from contextlib import aclosing

from aiohttp import web

from agent_core.app import AgentCore
from agent_core.domain.errors import InvalidValue
from agent_core.domain.feed import FeedEntry, HoldChange
from agent_core.ports import FeedFilter
from agent_http.event_stream import Groups, Streams, begin, reset
from agent_http.route import StreamRoute
from agent_http.schema import EventsQuery, JobEventsQuery

LAST_EVENT_ID = "Last-Event-ID"
BEGINNING = 0


def feed_routes(core: AgentCore, streams: Streams) -> Sequence[StreamRoute]:
    """Make the routes over its use cases."""

    async def job_events(request: web.Request, job_id: str, query: JobEventsQuery) -> web.StreamResponse:
        """Follow a job, live, from its beginning.

        The stream ends with the job; resumed after that there is nothing more, which stops an EventSource.
        """
        is_over = (await core.jobs.get(job_id)).job.state.is_final
        after, opening = await place(request, query.after, BEGINNING)
        which = FeedFilter(job_id=job_id, messages=query.messages)
        groups = _to_its_end(core.live.follow(which, after), is_over)
        if not is_over:
            return await streams.send(request, groups, opening)
        first = await anext(groups, None)
        if first is None:
            return web.Response(status=204)
        return await streams.send(request, groups, opening, first)

    async def events(request: web.Request, query: EventsQuery) -> web.StreamResponse:
        """Follow all jobs, live, from now on."""
        if query.client_id is not None:
            await core.clients.get(query.client_id)
        after, opening = await place(request, query.after)
        which = FeedFilter(client_id=query.client_id, messages=query.messages)
        return await streams.send(request, core.live.follow(which, after), opening)

    async def place(request: web.Request, asked: int | None, usual: int | None = None) -> tuple[int, bytes]:
        """Return the place to begin after, without a `usual` one the present, and what a reader is told of it."""
        last = await core.live.last()
        usual = last if usual is None else usual
        after = _asked(request, asked)
        if after is None:
            return usual, begin(usual)
        return (after, begin(after)) if after <= last else (usual, begin(usual) + reset(after, usual))

    return [
        StreamRoute("/jobs/{job_id}/events", job_events, exists=core.jobs.get),
        StreamRoute("/events", events),
    ]


def _asked(request: web.Request, after: int | None) -> int | None:
    """Return the place after which to begin. A reader that connects again knows better than the address it has."""
    header = request.headers.get(LAST_EVENT_ID)
    if not header:
        return after
    if not re.fullmatch(r"[0-9]{1,19}", header):
        raise InvalidValue(LAST_EVENT_ID, "must be the id of an event: a whole number")
    return int(header)


async def _to_its_end(groups: Groups, is_over: bool) -> Groups:
    """Leave out what happened to the queue after the end of the job."""
    waiting: list[FeedEntry] = []
    async with aclosing(groups):
        async for group in groups:
            waiting += group
            end = next((n for n, entry in enumerate(waiting, 1) if entry.is_last), 0)
            if end:
                yield waiting[:end]
                return
            if not is_over or not all(isinstance(entry.what, HoldChange) for entry in group):
                yield waiting
                waiting = []
