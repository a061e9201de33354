"""Watching jobs: their streams, and for those that wait the queue."""

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import aclosing

import aiohttp
from attrs import define, field

from agent_cli.client.connection import ConnectionLost, NoServer, Query, Refused, Server, job_path
from agent_cli.client.following import SILENCE, FeedEvent, Outage, follow
from agent_cli.client.progress import Progress, state_of
from agent_cli.client.status_lines import Display

_DRAW_EVERY, _QUEUE_EVERY = 0.5, 5.0
_PAGE = "200"


@define
class Watch:
    """Shows jobs on a display until they are over."""

    server: Server
    session: aiohttp.ClientSession
    display: Display
    jobs: dict[str, Progress] = field(factory=dict)

    @classmethod
    async def of(cls, server: Server, display: Display, job_ids: Sequence[str]) -> int:
        """Show these jobs, or without any all that there are and will be; return 0 when all are completed, else 1.

        Raises what `follow` does.
        """
        async with server.session(SILENCE) as session:
            watch = cls(server, session, display)
            outage = Outage(server.url, display.say)
            beside = asyncio.ensure_future(watch._beside())
            streams = [asyncio.ensure_future(watch._one(job_id, outage)) for job_id in dict.fromkeys(job_ids)]
            streams = streams or [asyncio.ensure_future(watch._everything(outage))]
            try:
                await asyncio.gather(*streams)
            finally:
                for task in (beside, *streams):
                    task.cancel()
                await asyncio.gather(beside, *streams, return_exceptions=True)
                watch._draw()
        return 0 if all(job.succeeded for job in watch.jobs.values()) else 1

    async def _one(self, job_id: str, outage: Outage) -> None:
        job = self._job(job_id)
        query = [] if self.display.wants_messages else [("messages", "false")]
        async with aclosing(follow(self.server, self.session, f"{job_path(job_id)}/events", query, outage)) as events:
            async for event in events:
                self._take(event)
                if job.is_over:
                    return
        shown = await self.server.get(self.session, job_path(job_id))
        self._take(FeedEvent(0, "state", state_of(shown)))

    async def _everything(self, outage: Outage) -> None:
        query: Query = [] if self.display.wants_messages else [("messages", "false")]
        events = follow(self.server, self.session, "/events", query, outage, self._look_around)
        async with aclosing(events):
            async for event in events:
                self._take(event)
                if (job := self.jobs.get(event.data.get("jobId") or "")) is not None and job.is_over:
                    del self.jobs[job.job_id]

    async def _look_around(self) -> None:
        """Take in the jobs that were there before their events were listened to."""
        active = [("status", "queued,running"), ("limit", _PAGE)]
        for shown in reversed((await self.server.get(self.session, "/jobs", active))["jobs"]):
            if (job_id := shown["id"]) in self.jobs:
                continue
            facts = {"state": "queued", "at": shown["createdAt"]}
            if shown["status"] != "queued":
                facts = state_of(await self.server.get(self.session, job_path(job_id)))
            self._job(job_id).take("state", facts)
            self.display.changed(self.jobs[job_id])
        if not self.jobs:
            self.display.say("No job runs or waits: watching for new ones")

    def _take(self, event: FeedEvent) -> None:
        self.display.heard(event)
        if (job_id := event.data.get("jobId")) is None:
            return
        job = self._job(job_id)
        if job.take(event.name, event.data):
            self.display.changed(job)
            self._draw()

    def _job(self, job_id: str) -> Progress:
        return self.jobs.setdefault(job_id, Progress(job_id))

    async def _beside(self) -> None:
        """Draw the jobs every now and then, and ask where in the queue they are."""
        steps = int(_QUEUE_EVERY / _DRAW_EVERY)
        while True:
            for step in range(steps):
                if step == 1:
                    await self._look_at_the_queue()
                self._draw()
                await asyncio.sleep(_DRAW_EVERY)

    async def _look_at_the_queue(self) -> None:
        if not any(job.state == "queued" for job in self.jobs.values()):
            return
        with contextlib.suppress(NoServer, ConnectionLost, Refused):  # the streams say so
            queue = await self.server.get(self.session, "/queue")
            hold = (queue.get("hold") or {}).get("reason", "")
            positions = {item["id"]: item["position"] for item in queue["queued"]}
            for job in self.jobs.values():
                if job.job_id in positions and job.place(positions[job.job_id], hold):
                    self.display.changed(job)

    def _draw(self) -> None:
        self.display.draw([job for job in self.jobs.values() if not job.is_over])
