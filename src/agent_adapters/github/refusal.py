"""Why a request to GitHub did not do what it should, and what that means for the next one."""

import time
from enum import Enum
from typing import Any

from attrs import frozen

from agent_adapters.github.gh_command import GhAnswer

_RATE_LIMITED = ("rate limit", "submitted too quickly", "abuse detection")
_RATE_LIMIT_PAUSE = 60.0  # what GitHub asks for where it names no time
_PASSING = frozenset({408, 409, 425, 429})


class Kind(Enum):
    """What a refusal means."""

    NOT_LOGGED_IN = "nobody is logged in, or the token is not accepted: the next call would fail alike"
    NOTHING_TO_OPEN = "the head has no commits that the base has not"
    NO_DRAFTS = "the repository's plan has no draft pull requests"
    FINAL = "the same request would be refused again"
    NOT_VISIBLE_YET = "what was just pushed or opened is not seen everywhere yet"
    PASSING = "the network or the service is in trouble; whether the request took effect is not known"


@frozen(kw_only=True)
class Refusal(Exception):
    """One refused request. `sentence` is GitHub's or gh's own word; `pause` is the wait they asked for, in seconds."""

    kind: Kind
    sentence: str
    pause: float | None = None
    status: int | None = None
    """GitHub's, where it is final."""


def refusal_in(answer: GhAnswer) -> Refusal:
    """Read why `answer` is not the one hoped for."""
    if answer.exit_code is None:
        return Refusal(kind=Kind.PASSING, sentence="gh gave no answer in time and was stopped")
    if answer.exit_code == 4:
        return Refusal(kind=Kind.NOT_LOGGED_IN, sentence="gh is not logged in")
    if answer.exit_code < 0:
        return Refusal(kind=Kind.PASSING, sentence=f"gh was killed by signal {-answer.exit_code}")
    if answer.succeeded:
        return Refusal(kind=Kind.PASSING, sentence="gh passed on an answer that is not GitHub's JSON")
    status = answer.status
    if status is None or (status < 400 and answer.exit_code):
        return Refusal(kind=Kind.PASSING, sentence=_last_line(answer.stderr) or "gh failed without a word")
    said = _message(answer)
    sentence = f"{said} (HTTP {status})"
    if status == 401:
        return Refusal(kind=Kind.NOT_LOGGED_IN, sentence=sentence)
    if status in (403, 429) and (pause := _rate_limit(answer, said)) is not None:
        return Refusal(kind=Kind.PASSING, sentence=sentence, pause=pause)
    if status == 422:
        return Refusal(kind=_kind_of_invalid(answer.json, said), sentence=sentence, status=status)
    if status >= 500 or status in _PASSING:
        return Refusal(kind=Kind.PASSING, sentence=sentence, pause=_retry_after(answer))
    return Refusal(kind=Kind.FINAL, sentence=sentence, status=status)


def _kind_of_invalid(body: Any, said: str) -> Kind:
    if any(error.get("field") == "head" and error.get("code") == "invalid" for error in _errors(body)):
        return Kind.NOT_VISIBLE_YET
    # A pull request was looked for after this answer: not found then, it is about to be. A label was made by another.
    if "already exists" in said or "already_exists" in said:
        return Kind.NOT_VISIBLE_YET
    if "draft pull requests are not supported" in said.lower():
        return Kind.NO_DRAFTS
    return Kind.NOTHING_TO_OPEN if "No commits between" in said else Kind.FINAL


def _rate_limit(answer: GhAnswer, said: str) -> float | None:
    """Tell how long a rate limit wants us to wait, or None when the refusal is none."""
    pause = _retry_after(answer)
    if pause is not None:
        return pause
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        return max(1.0, int(reset) - time.time()) if reset.isdigit() else _RATE_LIMIT_PAUSE
    limited = answer.status == 429 or any(words in said for words in _RATE_LIMITED)
    return _RATE_LIMIT_PAUSE if limited else None


def _retry_after(answer: GhAnswer) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None


def _message(answer: GhAnswer) -> str:
    body = answer.json
    if not isinstance(body, dict):
        return _last_line(answer.stderr) or "no message"
    parts = [str(body.get("message") or "no message").strip()]
    for error in _errors(body):
        where = " ".join(str(error[key]) for key in ("field", "code") if error.get(key))
        parts.append(str(error.get("message") or where))
    return "; ".join(" ".join(part.split()) for part in parts if part)[:500]


def _errors(body: Any) -> list[dict[str, Any]]:
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list):
        return []
    return [error if isinstance(error, dict) else {"message": str(error)} for error in errors]


def _last_line(text: str) -> str:
    return text.splitlines()[-1].strip()[:500] if text else ""
