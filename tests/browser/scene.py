"""A server in the middle of a working day: jobs that run, wait, are done, failed or cancelled."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count

from attrs import frozen

from agent_core.domain.job import AgentReport, FollowUp, JobMessage, JobRequest, MessageType
from agent_core.domain.job_options import DeliveryMode, JobOptions
from agent_core.domain.ledger import LedgerKey, Usage
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import AgentHealth, AgentLimits, AgentMessage, AgentUsed, NewId
from agent_core.use_cases.clients import ClientRequest
from fakes.code_agent import Script, failed, finished
from fakes.stores import FakeMessageLog
from tests.unit.page_place import Visit

QUOTES = """import { formatMoney } from "./money"
import type { Quote, Student } from "./types"

export type QuotesTabProps = {
  student: Student
  quotes: Quote[]
}

export function QuotesTab({ student, quotes }: QuotesTabProps) {
  if (quotes.length === 0) {
    return <p>{student.name} has no quotes yet.</p>
  }
  return (
    <ul>
      {quotes.map((quote) => (
        <li key={quote.id}>{formatMoney(quote.total)}</li>
      ))}
    </ul>
  )
}
"""
BEFORE = {
    "README.md": "# French Language Solutions\n",
    "src/quotes.ts": "export type Quote = {\n  id: string\n  total: number\n}\n",
    "src/pages/student.tsx": "const tabs = [\n  <Profile />,\n  <Lessons />,\n]\n",
}
AFTER = {
    "src/quotes.ts": "export type Quote = {\n  id: string\n  discount: number\n  total: number\n}\n",
    "src/pages/student.tsx": "const tabs = [\n  <Profile />,\n  <Lessons />,\n  <QuotesTab />,\n]\n",
    "src/quotes-tab.tsx": QUOTES,
}
RUNNING_LOG = (
    (MessageType.STDOUT, "I'll look at how the lessons are stored before I touch the calendar."),
    (MessageType.STDOUT, "Read: src/lessons/repository.ts"),
    (MessageType.STDOUT, "Grep: startsAt in src/**/*.ts"),
    (MessageType.STDERR, "npm warn deprecated date-utils@1.2.21: use Temporal"),
    (MessageType.STDOUT, "Times are stored in UTC but drawn without a zone, which is why lessons move in summer."),
    (MessageType.STDOUT, "Edit: src/calendar/week.tsx"),
    (MessageType.STDOUT, "Bash: npm test -- calendar"),
    (MessageType.STDOUT, "3 of 41 tests fail, all of them in the week of the clock change."),
)


def numbered() -> NewId:
    """Make ids that look like any others and are the same in every run: so are the pictures."""
    numbers = count(1)
    return lambda: f"{next(numbers) * 0x9E3779B97F4A7C15 % 2**64:016x}"


@frozen
class Scene:
    """The ids of the jobs by what they are to a test."""

    done: str
    again: str
    """The follow-up of `done`."""
    failed: str
    kept: str
    cancelled: str
    running: str
    waiting: str
    client: str


async def furnish(visit: Visit) -> Scene:
    """Have all this happen. The runs that are left are held until the agent is released."""
    clients = [await _client(visit, name, repo) for name, repo in _CLIENTS]
    french, outperformers, northwind = clients
    _remember_a_month(visit, clients)
    _script(visit)
    visit.agent.health = AgentHealth(authenticated=True, version="2.1.330")
    visit.prs.files_changed = len(AFTER)
    visit.agent.on_run = lambda _: visit.clock.forward(minutes=3, seconds=7)

    async def job(client: str, title: str, branch: str, prompt: str, **more: object) -> str:
        wanted = JobRequest(client_id=client, title=title, branch_name=branch, prompt=prompt, **more)  # type: ignore[arg-type]
        return (await visit.core.jobs.submit(wanted)).job.id

    async def over(job_id: str) -> str:
        await visit.core.jobs.wait(job_id)
        visit.clock.forward(minutes=4)
        return job_id

    callback = "https://os.example.com/api/webhooks/agent"
    tags = {"team": "web", "ticket": "OPS-412"}
    done = await over(
        await job(
            french,
            "Show a student's quotes in a tab",
            "feature/quotes-tab",
            "quotes",
            os_callback_url=callback,
            os_feature_id="4e7df575",
            tags=tags,
        )
    )
    again = (await visit.core.jobs.follow_up(done, FollowUp(prompt="more", title="Sort the quotes by date"))).job.id
    await over(again)
    broken = await over(await job(outperformers, "Import the trainers' spreadsheet", "feature/import", "import"))
    options = JobOptions(delivery_mode=DeliveryMode.PATCH)
    kept = await over(await job(northwind, "Draft of the new price list", "draft/prices", "quotes", options=options))
    visit.agent.hold()
    visit.agent.on_run = None
    running = await job(french, "Lessons move by an hour in summer", "feature/lesson-calendar", "calendar", tags=tags)
    await visit.agent.reached(running)
    while len(visit.db.messages.get(running, ())) < _LINES_OF_A_START:
        await visit.db.turn()
    log = FakeMessageLog(visit.db)
    for type_, content in RUNNING_LOG:
        visit.clock.forward(seconds=9)
        message = JobMessage(type=type_, content=content, created_at=visit.clock())
        await log.append(running, [message])
    other = await job(outperformers, "Let the dashboard load in under a second", "perf/dashboard", "dashboard")
    await visit.agent.reached(other)
    visit.clock.forward(seconds=41)
    cancelled = await job(northwind, "Remove the old checkout", "chore/old-checkout", "checkout")
    await visit.core.jobs.cancel(cancelled)
    waiting = await job(northwind, "Ship to Switzerland", "feature/swiss-addresses", "swiss", priority=5)
    await job(french, "Name the time zone beside each lesson", "feature/lesson-calendar", "zone")
    await job(outperformers, "Upgrade to React 21", "chore/react-21", "react")
    visit.clock.forward(minutes=2, seconds=12)
    return Scene(done, again, broken, kept, cancelled, running, waiting, french)


_LINES_OF_A_START = 3
_CLIENTS = (
    ("French Language Solutions", "french-language-solutions"),
    ("Outperformers", "outperformers"),
    ("Northwind Books", "northwind-books"),
)


async def _client(visit: Visit, name: str, repo: str) -> str:
    visit.repos.origin("SupportKings", repo).commit("main", BEFORE)
    made = await visit.core.clients.create(ClientRequest(name=name, github_org="SupportKings", github_repo=repo))
    return made.client.id


def _remember_a_month(visit: Visit, clients: Sequence[str]) -> None:
    """Have the ledger tell of the days before, with quiet weekends and a client that comes in between."""
    for ago in range(1, 45):
        day = visit.clock().date() - timedelta(days=ago)
        for place, client in enumerate(clients):
            jobs = (ago * 7 + place * 5) % 5 + 3 - 2 * place if day.weekday() < 5 else (ago + place) % 2
            if jobs < 1 or (place == 2 and ago > 21):
                continue
            failed, cancelled = int((ago + place) % 6 == 0), int((ago + 2 * place) % 9 == 0)
            usage = Usage(
                jobs=jobs + failed + cancelled,
                completed=jobs,
                failed=failed,
                cancelled=cancelled,
                wall_ms=jobs * 1_020_000,
                agent_ms=jobs * 840_000,
                num_turns=jobs * 31,
                input_tokens=jobs * 1_100_000,
                output_tokens=jobs * 17_000,
                cost_usd=jobs * (2.4 + 0.3 * ((ago + place) % 4)),
            )
            key = LedgerKey(day=day, client_id=client, os_feature_id=None, model="claude-opus-5")
            visit.db.ledger[key] = usage


def _script(visit: Visit) -> None:
    now = visit.clock
    windows = (
        LimitWindow(name="five_hour", used=0.42, resets_at=now.now.replace(hour=15), as_of=now()),
        LimitWindow(name="seven_day", used=0.77, resets_at=now.now.replace(day=9, hour=8), as_of=now()),
    )
    report = AgentReport(
        exit_code=0,
        model="claude-opus-5",
        num_turns=34,
        input_tokens=1_204_511,
        output_tokens=18_330,
        cost_usd=3.418,
        duration_ms=251_000,
        result_text="The tab shows a student's quotes with their totals. I added the discount to the type, because the "
        "API sends it already.\n\nNot done: quotes in other currencies, which the API does not tell apart yet.",
    )
    visit.agent.script(
        "quotes",
        Script(
            says=(AgentLimits(windows=windows), "I'll add the tab.", "Write: src/quotes-tab.tsx", "All tests pass."),
            edits=AFTER,
            ending=finished(report),
        ),
    )
    visit.agent.script("more", Script(edits={"src/sort.ts": "export const byDate = 1\n"}, ending=finished(report)))
    visit.agent.script(
        "import",
        Script(
            says=(AgentMessage(MessageType.STDERR, "Error: the sheet has no header row"),),
            edits={},
            ending=failed("The agent ended with an error: the sheet has no header row"),
        ),
    )
    used = AgentUsed(num_turns=12, input_tokens=412_090, output_tokens=6_204)
    visit.agent.script("calendar", Script(says=(used, "Fixed: all 41 tests pass."), ending=finished(report)))
    less = AgentUsed(num_turns=3, input_tokens=58_400, output_tokens=910)
    visit.agent.script("dashboard", Script(says=(less, "Done."), ending=finished(report)))
