"""Requests about jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from attrs import frozen
from msgspec import Meta

from agent_core.domain.job import JobStatus
from agent_core.domain.job_options import DeliveryMode
from agent_http.schema.shapes import MAX_PAGE
from agent_http.schema.texts import (
    BranchName,
    CallbackUrl,
    GithubOrg,
    GithubRepo,
    Line,
    MaxCost,
    MaxTurns,
    Priority,
    Prompt,
    Seconds,
    Tag,
    Tags,
    Title,
    Word,
)


@frozen(kw_only=True)
class NewJob:
    """POST /jobs: by clientId, or by githubOrg and githubRepo."""

    client_id: str | None = None
    """Or githubOrg and githubRepo."""
    github_org: GithubOrg | None = None
    github_repo: GithubRepo | None = None
    """With githubOrg: the client is made if there is none."""
    prompt: Prompt
    """The task, at most 256 KiB in UTF-8. It is given to the agent as text, whatever it begins with."""
    branch_name: BranchName
    """The branch to work on; one that the origin has is continued. Never the default branch."""
    title: Title | None = None
    """Of commit and pull request."""
    os_feature_id: Line | None = None
    """Yours: it comes back in the callback, and stands in the pull request."""
    os_callback_url: CallbackUrl | None = None
    """Where the callback goes: http or https, to an address that the operator allows."""
    tags: Tags | None = None
    """Yours: to find jobs by, and told in callbacks."""
    model: Word | None = None
    max_turns: MaxTurns | None = None
    """Turns that one run may take."""
    max_cost_usd: MaxCost | None = None
    """The most that one run may cost."""
    timeout: Seconds | None = None
    """Seconds that one run may take."""
    priority: Priority | None = None
    """Without it 0. Among a client's jobs the higher one starts first."""
    not_before: datetime | None = None
    """The job does not start before this time."""
    delivery_mode: DeliveryMode | None = None
    """What becomes of the work; without it as the client's settings say."""
    expect_changes: bool | None = None
    """False: a run that changes nothing is completed. Without it such a run has failed."""
    notify_held: bool | None = None
    """Whether a callback tells, too, that the job has to wait for a limit of the subscription."""


@frozen(kw_only=True)
class NewFollowUp:
    """POST /jobs/:id/follow-up; what is missing is as that job had it, but for `not_before`."""

    prompt: Prompt
    title: Title | None = None
    os_feature_id: Line | None = None
    os_callback_url: CallbackUrl | None = None
    tags: Tags | None = None
    priority: Priority | None = None
    not_before: datetime | None = None
    model: Word | None = None
    max_turns: MaxTurns | None = None
    max_cost_usd: MaxCost | None = None
    timeout: Seconds | None = None
    delivery_mode: DeliveryMode | None = None
    expect_changes: bool | None = None
    notify_held: bool | None = None


@frozen(kw_only=True)
class NewPublication:
    """POST /jobs/:id/publish."""

    delivery_mode: DeliveryMode | None = None


@frozen(kw_only=True)
class JobsQuery:
    """GET /jobs: those that match all of it. `tag` is `key:value` and may be there several times."""

    status: frozenset[JobStatus] = frozenset()
    client_id: str | None = None
    feature_id: Line | None = None
    """The osFeatureId."""
    created_after: datetime | None = None
    """Made at this time or later."""
    tag: Sequence[Tag] = ()
    """`key:value`; several are there as several parameters, and a job has to have all of them."""
    q: Line | None = None
    """Words that title, prompt or branch have, or words that begin so."""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


@frozen(kw_only=True)
class JobQuery:
    """GET /jobs/:id."""

    include_messages: bool = False
