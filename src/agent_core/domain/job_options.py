"""What a job may ask for otherwise than its client's settings say."""

from enum import StrEnum

from attrs import evolve, fields, frozen


class DeliveryMode(StrEnum):
    """What becomes of the work."""

    PULL_REQUEST = "pull_request"
    DRAFT = "draft"
    """A pull request that is not ready for review."""
    BRANCH = "branch"
    """Pushed, and nothing more."""
    PATCH = "patch"
    """Nothing leaves the machine: the work is kept, to be read as a diff or published later."""

    @property
    def opens_pull_request(self) -> bool:
        """Whether a pull request is part of it."""
        return self in (DeliveryMode.PULL_REQUEST, DeliveryMode.DRAFT)


@frozen(kw_only=True)
class JobOptions:
    """Overrides of one job; None leaves a setting as the client has it. `timeout` is in seconds."""

    model: str | None = None
    max_turns: int | None = None
    max_cost_usd: float | None = None
    timeout: int | None = None
    delivery_mode: DeliveryMode | None = None
    expect_changes: bool = True
    """False: a run that changes nothing is completed all the same."""
    notify_held: bool = False
    """Whether the callback URL is told, too, when the job has to wait for a limit."""

    def overlaid(self, changes: object) -> "JobOptions":
        """Return the options with those that `changes` has under the same name, unless they are None."""
        names = (option.name for option in fields(JobOptions))
        return evolve(self, **{name: new for name in names if (new := getattr(changes, name, None)) is not None})
