"""Which errors an operation answers: those that its signature brings with it, and those of the use case behind it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from attrs import frozen

from agent_core.domain import errors
from agent_http.authority import Scope
from agent_http.middleware import LATER, STATUS
from agent_http.openapi.shapes import described
from agent_http.request_ids import PROBLEM
from agent_http.route import Route

Json = dict[str, Any]
RETRY_AFTER = "Retry-After"


@frozen
class Refusal:
    """One code that an error may have, and when."""

    status: int
    code: str
    when: str


def _of(error: type[errors.AgentServerError]) -> Refusal:
    status = next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)
    return Refusal(status, error.code, described(error.__doc__).split("\n\n")[0])


INVALID = _of(errors.InvalidValue)
ALWAYS = (
    INVALID,
    Refusal(500, errors.AgentServerError.code, "A defect of the server: its log has the details."),
    Refusal(503, "database_busy", "Another program writes into the store: send this again later."),
    Refusal(503, "database_full", "The disk of the store is full."),
    Refusal(503, "database_error", "The store fails just now."),
)
CLOSED = (
    Refusal(401, "unauthorized", "The token is missing or wrong."),
    Refusal(429, "too_many_requests", "Ten wrong tokens came from this address within a minute."),
)
SCOPED = (Refusal(403, "forbidden", "The token's scope does not allow this."),)
WITH_BODY = (
    Refusal(400, "bad_request", "The body is no JSON object, or was not sent as its headers say."),
    Refusal(408, "body_too_slow", "The body took too long."),
    Refusal(413, "body_too_large", "The body is longer than 1 MiB."),
    Refusal(415, "unsupported_media_type", "The body is not application/json."),
)
REPEATABLE = (_of(errors.KeyInProgress), _of(errors.KeyReused))
SEVERAL_FORMS = (Refusal(406, "not_acceptable", "Accept allows none of the forms that the answer has."),)
IDS: Mapping[str, Refusal] = {"job_id": _of(errors.UnknownJob), "client_id": _of(errors.UnknownClient)}
INTAKE = (_of(errors.QueueFull), _of(errors.ShuttingDown), _of(errors.LowDisk))
GIT_MISSING = Refusal(502, "git_missing", "git is not installed.")
NOT_FINISHED = _of(errors.JobNotFinished)
UNKNOWN_CLIENT = _of(errors.UnknownClient)

OF_USE_CASE: Mapping[str, Sequence[Refusal]] = {
    "create_client": (
        _of(errors.ClientExists),
        Refusal(502, "clone_failed", "The repository could not be cloned; nothing is stored."),
        Refusal(502, "fetch_failed", "The repository could not be fetched; nothing is stored."),
        GIT_MISSING,
    ),
    "update_client": (_of(errors.ClientExists),),
    "delete_client": (
        _of(errors.ClientBusy),
        Refusal(502, "worktree_failed", "The client is deleted, but its repository could not be removed."),
    ),
    "create_job": (UNKNOWN_CLIENT, *INTAKE),
    "cancel_job": (_of(errors.JobFinished),),
    "retry_job": (NOT_FINISHED, *INTAKE),
    "follow_up": INTAKE,
    "publish": (NOT_FINISHED, _of(errors.NothingKept), *INTAKE),
    "cancel_jobs": (UNKNOWN_CLIENT,),
    "retry_jobs": (UNKNOWN_CLIENT, *INTAKE),
    "events": (UNKNOWN_CLIENT,),
    "diff": (
        _of(errors.NoWork),
        Refusal(410, "work_gone", "The work is not in the bare repository any more."),
        Refusal(422, "diff_too_large", "The work is too much to be shown as a diff."),
        Refusal(502, "worktree_failed", "git could not make the diff."),
        GIT_MISSING,
    ),
    "redeliver": (_of(errors.NoCallback),),
}
"""By the name of the route's function: what its use case refuses beside the values it is given."""


def refusals(route: Route) -> Mapping[int, Sequence[Refusal]]:
    """Return what the route may refuse, by status."""
    found: defaultdict[int, list[Refusal]] = defaultdict(list)
    for refusal in _all(route):
        if refusal not in found[refusal.status]:
            found[refusal.status].append(refusal)
    return dict(sorted(found.items()))


def _all(route: Route) -> Iterator[Refusal]:
    yield from ALWAYS
    yield from CLOSED
    if route.scope is not Scope.READ:
        yield from SCOPED
    if route.body is not None:
        yield from WITH_BODY
    if route.repeatable:
        yield from REPEATABLE
    if len(route.forms) > 1:
        yield from SEVERAL_FORMS
    yield from (refusal for name, refusal in IDS.items() if f"{{{name}}}" in route.path)
    yield from OF_USE_CASE.get(route.answer.__name__, ())


def name_of(found: Sequence[Refusal]) -> str:
    """Name the answer by its status and its codes: equal ones are described once."""
    return ".".join([str(found[0].status), *(refusal.code for refusal in found)])


def error_response(found: Sequence[Refusal]) -> Json:
    """Describe the answer: with what codes, when, and in which headers."""
    status, names = found[0].status, [refusal.code for refusal in found]
    codes = {"properties": {"code": {"enum": names}}}
    content = {
        media_type: {"schema": {"allOf": [{"$ref": f"#/components/schemas/{name}"}, codes]}}
        for media_type, name in (("application/json", "Problem"), (PROBLEM, "ProblemDetails"))
    }
    headers: Json = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    if status in LATER:
        headers[RETRY_AFTER] = {"$ref": "#/components/headers/RetryAfter"}
    elif errors.KeyInProgress.code in names:
        headers[RETRY_AFTER] = {"$ref": "#/components/headers/RetryLater"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/Authenticate"}
    lines = [HTTPStatus(status).phrase, "", *(f"- `{refusal.code}`: {refusal.when}" for refusal in found)]
    return {"description": "\n".join(lines), "headers": headers, "content": content}
