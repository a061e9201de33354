"""What stands beside a pull request's text: its labels and its reviewers. It is there without them too."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from agent_adapters.github.gh_command import GhAnswer, GhCommand
from agent_adapters.github.patience import GivenUp, Patience
from agent_adapters.github.pull import Pull, pulls_path, repository_path
from agent_adapters.github.refusal import Kind, Refusal, refusal_in
from agent_core.ports import PullRequestOrder

_PERHAPS_ONE_OF_THEM = frozenset({404, 422})


@frozen(kw_only=True)
class Sidebar:
    """Adds what an order asks for, and says in sentences what was refused. Raises nothing.

    Makes no request for what is there already. Reviewers are asked for a pull request that was just opened, and for
    one that was found only while nobody was ever asked for a review of it or gave one: to be asked again would be a
    second notification to people who may have answered.
    """

    gh: GhCommand
    patience: Patience

    async def fill(self, order: PullRequestOrder, pull: Pull) -> tuple[str, ...]:
        """Add labels and ask reviewers; return the warnings."""
        return (*await self._label(order, pull), *await self._ask_reviewers(order, pull))

    async def _label(self, order: PullRequestOrder, pull: Pull) -> Sequence[str]:
        labels = [label for label in dict.fromkeys(order.labels) if label.lower() not in pull.labels]
        if not labels:
            return ()
        refusal = await self._refused("POST", f"{repository_path(order)}/issues/{pull.number}/labels", labels=labels)
        words = ", ".join(repr(label) for label in labels)
        return () if refusal is None else (f"The pull request has not got the labels {words}: {refusal.sentence}",)

    async def _ask_reviewers(self, order: PullRequestOrder, pull: Pull) -> Sequence[str]:
        names = dict.fromkeys(order.reviewers)
        if not names or (pull.review_requested and not pull.is_new):
            return ()
        warnings = []
        wanted = []
        for name in names:
            org, team, _ = name.partition("/")
            if team and org.lower() != order.repository.org.lower():
                warnings.append(_unasked([name], f"it is no team of {order.repository.org}"))
            elif name.lower() == pull.author.lower():
                warnings.append(_unasked([name], "who opened the pull request"))
            else:
                wanted.append(name)
        if not wanted:
            return warnings
        if not pull.is_new:
            reviews = await self._answer("GET", f"{pulls_path(order)}/{pull.number}/reviews", query={"per_page": "1"})
            if isinstance(reviews, Refusal):
                return [_unasked(wanted, f"whether it was before is not known: {reviews.sentence}")]
            if reviews.json:
                return ()
        return [*warnings, *await self._ask(f"{pulls_path(order)}/{pull.number}/requested_reviewers", wanted)]

    async def _ask(self, path: str, names: Sequence[str]) -> Sequence[str]:
        """Ask for all at once; where that fails for one, no other is asked either, and each is asked alone."""
        refusal = await self._refused("POST", path, **_people(names))
        if refusal is None:
            return ()
        if len(names) == 1 or refusal.status not in _PERHAPS_ONE_OF_THEM:
            return (_unasked(names, refusal.sentence),)
        warnings: list[str] = []
        for number, name in enumerate(names):
            refusal = await self._refused("POST", path, **_people([name]))
            if refusal and refusal.kind is Kind.PASSING:
                return [*warnings, _unasked(names[number:], refusal.sentence)]
            if refusal:
                warnings.append(_unasked([name], refusal.sentence))
        return warnings

    async def _refused(self, method: str, path: str, **body: Any) -> Refusal | None:
        answer = await self._answer(method, path, body=body)
        return answer if isinstance(answer, Refusal) else None

    async def _answer(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> GhAnswer | Refusal:
        async def attempt() -> GhAnswer:
            answer = await self.gh.api(method, path, query=query, body=body)
            if answer.succeeded and answer.json is not None:
                return answer
            raise refusal_in(answer)

        try:
            return await self.patience.until_done(attempt, path)
        except GivenUp as end:
            return end.refusal
        except OSError as problem:
            return Refusal(kind=Kind.PASSING, sentence=f"gh could not be started ({problem.strerror})")


def _people(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Name people by their login and teams by the last part, as the API wants them."""
    users = [name for name in names if "/" not in name]
    teams = [name.partition("/")[2] for name in names if "/" in name]
    return {key: found for key, found in (("reviewers", users), ("team_reviewers", teams)) if found}


def _unasked(names: Sequence[str], why: str) -> str:
    return f"A review was not asked of {', '.join(names)}: {why}"
