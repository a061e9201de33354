"""What can go wrong, in two families: the caller's fault and the world's fault.

Every error has a stable `code` for programs and a sentence for people. The sentence names the field or the program
concerned and, where there is one, the remedy.
"""


class AgentServerError(Exception):
    """Base of every error this library raises on purpose."""

    code: str = "internal"


class CallerError(AgentServerError):
    """The request cannot be done as it stands; the same request will fail again until the caller changes it."""


class InvalidValue(CallerError):
    """A field of the request has a value that is not allowed. `field` has the JSON name."""

    code = "invalid_value"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class UnknownClient(CallerError):
    """No client has this id."""

    code = "client_not_found"

    def __init__(self, client_id: str) -> None:
        super().__init__(f"No client has the id {client_id[:64]!r}")


class UnknownJob(CallerError):
    """No job has this id."""

    code = "job_not_found"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job has the id {job_id[:64]!r}")


class FellBehind(CallerError):
    """A reader of the feed does not keep up and is left behind; it can begin again after the last entry it has."""

    code = "fell_behind"

    def __init__(self) -> None:
        super().__init__(
            "The reader takes the feed's entries more slowly than they come: begin again after the last one"
        )


class ClientExists(CallerError):
    """Another client has this repository or this osClientId already; `existing_id` is its id."""

    code = "client_exists"

    def __init__(self, existing_id: str, what: str) -> None:
        super().__init__(f"The client {existing_id} has {what} already")
        self.existing_id = existing_id


class ClientBusy(CallerError):
    """The client has queued or running jobs and cannot be deleted."""

    code = "client_busy"

    def __init__(self, client_id: str, active: int) -> None:
        super().__init__(f"The client {client_id} has {active} queued or running job(s): cancel them first")


class JobFinished(CallerError):
    """The job is over and cannot be cancelled any more."""

    code = "job_completed"

    def __init__(self) -> None:
        super().__init__("Job already completed")


class JobNotFinished(CallerError):
    """The job is queued or running and cannot be retried or published yet."""

    code = "job_not_finished"

    def __init__(self, status: str, wanted: str = "retried") -> None:
        super().__init__(f"The job is {status}: only a finished job can be {wanted}")


class NothingKept(CallerError):
    """The job has left no work that could be published."""

    code = "nothing_kept"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"The job {job_id} has left no work that could be published")


class NoWork(CallerError):
    """The job has no work yet, or has left none."""

    code = "no_work"


class NoCallback(CallerError):
    """The job has no callback that could be sent again."""

    code = "no_callback"


class KeyReused(CallerError):
    """The request's key came with another request before."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with another request before: use a new key for a new request")


class KeyInProgress(CallerError):
    """A request with this key is still being answered."""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still being answered: send this one again later")


class QueueFull(CallerError):
    """As many jobs wait as the server accepts."""

    code = "queue_full"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} jobs wait already: send this one again later")


class ShuttingDown(CallerError):
    """The server is draining and takes no new jobs."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("The server is shutting down and takes no new jobs: send this one again later")


class LowDisk(CallerError):
    """The disk has no room for new jobs."""

    code = "low_disk"


class WorldError(AgentServerError):
    """Something outside the server failed: git, the origin, the agent, the pull request host.

    `transient` says that the same step may succeed a little later (the network, the host's 5xx).
    """

    code = "world"

    def __init__(self, sentence: str, *, code: str | None = None, transient: bool = False) -> None:
        super().__init__(sentence)
        self.code = code or type(self).code
        self.transient = transient


class RepoStoreError(WorldError):
    """git or the origin refused. Codes in use: see `RepoStore`."""

    code = "repository_error"


class PRHostError(WorldError):
    """The pull request could not be opened or found."""

    code = "pull_request_failed"


class StaleJob(AgentServerError):
    """Another writer changed the job since it was read; nothing was written."""

    code = "stale_job"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"The job {job_id} was changed by another writer")


class IllegalEvent(AgentServerError):
    """The event does not apply to a job in this state; the job is unchanged."""

    code = "illegal_event"
