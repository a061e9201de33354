"""What the stores are given, drawn by hypothesis: few ids and few words, so that calls meet."""

from datetime import datetime

from hypothesis import strategies as st

from agent_core.domain.delivery import Attempt, DeliveryState
from agent_core.domain.fair_share import Accounts
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import JobKind, JobMessage, JobState, JobStatus, MessageType
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import FeedFilter, JobFilter
from tests.contracts.stores_samples import a_callback, a_client, a_hold, a_job, after, an_answer
from tests.integration.test_sqlite_records import client_settings, job_options

DAY = 86400
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
pieces = [
    "fix",
    "Fix",
    "fixed",
    "FIX-",
    "feature/",
    "tab",
    "x_y",
    "42",
    "É",
    "été",
    "e\u0301",
    "naïve",
    "東京",
    "привет",
]
marks = ['"', "*", "(", "AND", "NOT", "title:", "\x00", "-", "🚀", "\n"]
words = st.lists(st.sampled_from(pieces + marks), max_size=4).flatmap(
    lambda some: st.sampled_from(["", " "]).map(lambda between: between.join(some))
)
times: st.SearchStrategy[datetime] = st.integers(-5000, 5000).map(lambda ms: after(ms / 1000))
ends = times | st.integers(-1, 2).map(lambda days: after(days * DAY))
maybe_time = st.none() | times
client_ids = st.sampled_from(["client-1", "client-2", "client-3"])
clients = st.builds(
    a_client,
    client_ids,
    name=texts,
    github_org=st.sampled_from(["Acme", "acme", "Other"]),
    github_repo=st.sampled_from(["Site", "SITE", "app"]),
    os_client_id=st.none() | st.sampled_from(["os-1", "OS-1"]),
    directory=st.sampled_from(["Site", "site", "Acme--Site", "app", "Other--app"]),
    default_branch_known=st.booleans(),
    created_at=times,
    settings=client_settings,
)
job_ids = st.sampled_from([f"job-{n}" for n in range(5)])
maybe_job = st.none() | job_ids
maybe_name = st.none() | st.sampled_from(["", "opus", "東京"])
tags = st.dictionaries(st.sampled_from(["team", "Team", "a.b"]), st.sampled_from(["", "red", "Zoë"]), max_size=3)
jobs = st.builds(
    a_job,
    job_ids,
    client_ids,
    prompt=words,
    title=st.none() | words,
    branch_name=words,
    tags=tags,
    created_at=times,
    priority=st.integers(-2, 2),
    not_before=maybe_time,
    first_job_id=maybe_job,
    follow_up_of=maybe_job,
    kind=st.sampled_from(JobKind),
    options=job_options,
    os_feature_id=maybe_name,
)
changes = st.fixed_dictionaries(
    {"state": st.sampled_from(JobState), "completed_at": ends},
    optional={
        "title": st.none() | words,
        "tags": tags,
        "updated_at": times,
        "pr_url": maybe_name,
        "num_turns": st.none() | st.integers(0, 3),
        "run_turns": st.integers(0, 3),
        "run_input_tokens": st.integers(0, 2**40),
        "output_tokens": st.none() | st.integers(0, 2),
        "error": st.none() | texts,
        "pid": st.none() | st.integers(1, 2**31),
        "cost_usd": st.none() | st.integers(0, 2**20).map(lambda n: n / 64),  # sums are the same in any order
        "not_before": maybe_time,
        "model": maybe_name,
        "agent_ms": st.integers(0, 2**40),
        "agent_started_at": maybe_time,
        "worktree_path": maybe_name,
    },
)
attempts = st.builds(Attempt, at=times, status=st.none() | st.integers(100, 599), error=st.none() | texts)
callbacks = st.builds(
    a_callback,
    st.sampled_from([f"callback-{n}" for n in range(6)]),
    body=st.binary(max_size=20),
    next_at=times,
    state=st.sampled_from(DeliveryState),
    history=st.lists(attempts, max_size=3).map(tuple),
)
answers = st.none() | st.builds(
    an_answer, st.sampled_from("kl"), content=st.binary(max_size=20), fingerprint=texts, created_at=times
)
lines = st.builds(JobMessage, type=st.sampled_from(MessageType), content=texts, created_at=times)
filters = st.builds(
    JobFilter,
    statuses=st.frozensets(st.sampled_from(JobStatus)),
    client_id=st.none() | client_ids,
    os_feature_id=maybe_name,
    created_after=maybe_time,
    tags=st.just({}) | tags,
    text=st.none() | words,
)
feed_filters = st.builds(FeedFilter, job_id=maybe_job, client_id=st.none() | client_ids, messages=st.booleans())
holds = st.builds(a_hold, st.sampled_from(HoldKind), reason=texts, since=times, until=maybe_time)
windows = st.builds(
    LimitWindow,
    name=st.sampled_from(["five_hour", "seven_day", ""]),
    used=st.floats(0, 2),
    resets_at=maybe_time,
    as_of=times,
)
accounts = st.builds(
    Accounts, clock=st.floats(0, 1e9), times=st.dictionaries(client_ids, st.floats(0, 1e300), max_size=3)
)
maybe_day = st.none() | st.dates(after(-DAY).date(), after(2 * DAY).date())
few = st.integers(0, 4)
