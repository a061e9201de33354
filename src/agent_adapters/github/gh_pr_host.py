"""Pull requests through `gh api`: JSON in, JSON out, and never two for one branch.

Whether a request took effect cannot be told from most failures (a lost connection, a cut answer, a gateway's 502), so
every failure is followed by a look for the pull request, and only then is it tried again or reported.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import evolve

from agent_adapters.github.gh_command import GhCommand
from agent_adapters.github.patience import GivenUp, Patience, Sleep
from agent_adapters.github.pull import Pull, pull_in, pulls_path
from agent_adapters.github.refusal import Kind, Refusal, refusal_in
from agent_adapters.github.sidebar import Sidebar
from agent_core.domain.errors import PRHostError
from agent_core.ports import PRHost, PullRequest, PullRequestOrder

CALL_LIMIT = 30.0
OVERALL_LIMIT = 240.0  # after this no new attempt begins: with the last one's calls it stays below five minutes
VISIBILITY_LIMIT = 60.0
SIDEBAR_LIMIT = 20.0  # for each request beside the pull request itself: that is there, and the job waits
_STALE_READS = 4
_FOR_SURE = frozenset({Kind.NOT_LOGGED_IN, Kind.NOTHING_TO_OPEN, Kind.NO_DRAFTS})


class GhPRHost(PRHost):
    """Opens pull requests with the operator's gh login. Times are in seconds.

    `environ` is the operator's environment: gh is given its own settings and tokens of it, never the server's secrets.
    """

    def __init__(
        self,
        command: str = "gh",
        *,
        environ: Mapping[str, str],
        call_limit: float = CALL_LIMIT,
        overall_limit: float = OVERALL_LIMIT,
        visibility_limit: float = VISIBILITY_LIMIT,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._command = command
        self._gh = GhCommand(command, environ, call_limit)
        self._sleep = sleep
        limits = {Kind.PASSING: overall_limit, Kind.NOT_VISIBLE_YET: min(visibility_limit, overall_limit)}
        self._patience = Patience(limits=limits, sleep=sleep)
        short = {kind: min(SIDEBAR_LIMIT, limit) for kind, limit in limits.items()}
        self._sidebar = Sidebar(gh=self._gh, patience=Patience(limits=short, sleep=sleep))

    async def open(self, order: PullRequestOrder) -> PullRequest:
        try:
            pull = await self._patience.until_done(partial(self._open, order), f"pull request for {order.head}")
        except OSError as problem:
            raise self._missing(order, problem) from problem
        except GivenUp as end:
            if order.draft and end.refusal.kind is Kind.NO_DRAFTS:
                opened = await self.open(evolve(order, draft=False))
                warning = f"The pull request is no draft: {end.refusal.sentence}"
                return evolve(opened, warnings=(warning, *opened.warnings))
            raise _error(order, end.refusal, end.spent) from None
        warnings = await self._sidebar.fill(order, pull)
        return PullRequest(number=pull.number, url=pull.url, files_changed=pull.files_changed or 0, warnings=warnings)

    async def _open(self, order: PullRequestOrder) -> Pull:
        return await self._settled(order, await self._created_or_found(order))

    async def _created_or_found(self, order: PullRequestOrder) -> Pull:
        """Open it, or find it. Raises Refusal: the opening's, where it is sure that nothing is open."""
        payload: dict[str, Any] = {"title": order.title, "body": order.body, "head": order.head, "base": order.base}
        if order.draft:
            payload["draft"] = True
        created = await self._gh.api("POST", pulls_path(order), body=payload)
        if pull := pull_in(created):
            return evolve(pull, is_new=True)
        refusal = refusal_in(created)
        if refusal.kind in _FOR_SURE:
            raise refusal
        number = await self._find(order, refusal)
        if number is None:
            raise refusal
        return await self._read(order, number)

    async def _find(self, order: PullRequestOrder, refusal: Refusal) -> int | None:
        query = {"head": f"{order.repository.org}:{order.head}", "base": order.base, "state": "open"}
        listed = await self._gh.api("GET", pulls_path(order), query=query)
        rows = listed.json if listed.succeeded else None
        if isinstance(rows, list):
            return next((row["number"] for row in rows if _is_ours(row, order)), None)
        unlisted = refusal_in(listed)
        if unlisted.kind is Kind.NOT_LOGGED_IN:
            raise unlisted
        if unlisted.kind is Kind.PASSING and refusal.kind is not Kind.PASSING:
            raise unlisted
        return None

    async def _read(self, order: PullRequestOrder, number: int) -> Pull:
        answer = await self._gh.api("GET", f"{pulls_path(order)}/{number}")
        if pull := pull_in(answer):
            return pull
        refusal = refusal_in(answer)
        if answer.status == 404:  # it was there a moment ago
            refusal = evolve(refusal, kind=Kind.NOT_VISIBLE_YET)
        raise refusal

    async def _settled(self, order: PullRequestOrder, pull: Pull) -> Pull:
        """Read the pull request again while it does not show the commit that was just pushed: its count is older."""
        for attempt in range(_STALE_READS):
            if pull.files_changed is not None and pull.head_sha in (None, order.head_sha):
                break
            if pull.files_changed is not None:
                await self._sleep(2.0**attempt)
            pull = evolve(await self._read(order, pull.number), is_new=pull.is_new)
        return pull

    def _missing(self, order: PullRequestOrder, problem: OSError) -> PRHostError:
        return PRHostError(
            f"The program {self._command!r} could not be started ({problem.strerror}): install the GitHub CLI "
            f"(https://cli.github.com) and make sure that the server finds it. {_pushed(order)}",
            code="gh_missing",
        )


def _is_ours(row: Any, order: PullRequestOrder) -> bool:
    """Whether a listed pull request is the one asked for: a filter that GitHub does not understand is ignored."""
    if not isinstance(row, dict) or not isinstance(row.get("number"), int):
        return False
    head, base = row.get("head") or {}, row.get("base") or {}
    label = f"{order.repository.org}:{order.head}".lower()
    return str(head.get("label", label)).lower() == label and base.get("ref", order.base) == order.base


def _pushed(order: PullRequestOrder) -> str:
    return f"The branch {order.head} is pushed and can be opened by hand."


def _error(order: PullRequestOrder, refusal: Refusal, spent: float) -> PRHostError:
    repository = f"{order.repository.org}/{order.repository.name}"
    sentence = refusal.sentence.rstrip(".")
    if refusal.kind is Kind.NOT_LOGGED_IN:
        return PRHostError(
            f"gh may not open pull requests on {repository}: {sentence}. Run `gh auth login` as the server's user, "
            f"or give the server a valid GH_TOKEN, and retry the job. {_pushed(order)}",
            code="pull_request_auth",
        )
    passing = refusal.kind is Kind.PASSING
    tried = f", after {spent:.0f} s of trying" if spent >= 1 else ""
    remedy = "Retry the job later." if passing else "See what GitHub objects to, and retry the job."
    return PRHostError(
        f"gh could not open a pull request on {repository} from {order.head} into {order.base}{tried}: {sentence}. "
        f"{remedy} {_pushed(order)}",
        code="pull_request_failed",
        transient=passing,
    )
