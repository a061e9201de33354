"""The numbers the core runs by."""

from datetime import timedelta

from attrs import field, frozen
from attrs.validators import ge, gt, le, optional


@frozen(kw_only=True)
class CoreConfig:
    """How much at once, and how long to wait. Times are those of the event loop, not of the injected clock."""

    max_concurrent: int = field(default=2, validator=ge(1))
    max_queued: int = field(default=10_000, validator=ge(1))
    """As many jobs may wait; the next one is refused with QueueFull."""
    limit_reserve: float | None = field(default=None, validator=optional([gt(0), le(1)]))
    """The share of a limit's window above which only jobs of high priority start; None: no reserve."""
    min_free_disk: int = 2 * 1024**3
    """Bytes; below it no job starts and none is taken."""
    shutdown_timeout: timedelta = timedelta(seconds=60)
    """How long running jobs may go on after the shutdown began; then they are interrupted and queued again."""
    cancel_patience: timedelta = timedelta(milliseconds=800)
    """How long a cancel waits for the run to wind up before it is answered: within a second, in any case."""
    sweep_every: timedelta = timedelta(hours=1)
    worktree_age: timedelta = timedelta(hours=24)
    """Worktrees without a live job are swept when they are older."""
    message_pause: timedelta = timedelta(milliseconds=50)
    """How long messages gather between two groups of one job, and news between two groups of the live feed."""
    message_age: timedelta | None = timedelta(days=30)
    """How long the messages of a job are kept after its end; None: for ever."""
    answer_age: timedelta = timedelta(hours=24)
    """How long a request may be sent again under its key and gets the same answer."""
    accounts_pause: timedelta = timedelta(seconds=1)
    """How long to wait at least between two times of storing what the clients have had."""
    store_pause: timedelta = timedelta(seconds=1)
    """How long to wait between two tries to store the end of a run."""
