"""What can go wrong between a client and the service, as rules that pick requests."""

import json
import re
import threading
from collections.abc import Mapping

from attrs import define, field, frozen

_HTML = {"Content-Type": "text/html"}


@frozen(kw_only=True)
class Fault:
    """One trouble: an answer in the place of the true one, or an `action`.

    `hang` and `drop`: no answer, a closed connection, and no effect. `hang_after`, `drop_after`, `truncate`: the
    request takes effect, its answer is withheld, lost or cut in half.
    """

    status: int | None = None
    body: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    action: str = ""


def _says(status: int, message: str, *errors: Mapping[str, str], **headers: str) -> Fault:
    body = {"message": message, "errors": errors, "status": str(status)}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status=status, body=json.dumps(body), headers=names)


PRESETS: Mapping[str, Fault] = {
    "bad_credentials": _says(401, "Bad credentials"),
    "forbidden": _says(403, "Resource not accessible by personal access token"),
    "saml": _says(403, "Resource protected by organization SAML enforcement.", X_GitHub_SSO="required; url=https://x"),
    "secondary_rate_limit": _says(
        403, "You have exceeded a secondary rate limit. Please retry your request again later.", Retry_After="60"
    ),
    "rate_limit": _says(
        403, "API rate limit exceeded for user ID 1.", X_RateLimit_Remaining="0", X_RateLimit_Reset="1999999999"
    ),
    "head_not_visible": _says(
        422, "Validation Failed", {"resource": "PullRequest", "field": "head", "code": "invalid"}
    ),
    "already_exists": _says(
        422,
        "Validation Failed",
        {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for ORG:B."},
    ),
    "server_error": _says(500, "Server Error"),
    "bad_gateway": Fault(status=502, body="<html><body>502 Bad Gateway</body></html>", headers=_HTML),
    "unavailable": Fault(status=503, body="<html>No server is currently available.</html>", headers=_HTML),
    "not_json": Fault(status=200, body="<html>captive portal</html>", headers=_HTML),
    **{action: Fault(action=action) for action in ("hang", "drop", "hang_after", "drop_after", "truncate")},
}


@define(kw_only=True)
class Rule:
    fault: Fault
    method: str | None
    path: str
    times: int


class Faults:
    """Rules in order; the first that matches a request and is not used up is applied."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, preset: str, *, method: str | None = None, path: str = "", times: int = 1) -> None:
        """Let the next `times` requests (-1: all) of this method, their path matching the pattern, end so."""
        self._rules.append(Rule(fault=PRESETS[preset], method=method, path=path, times=times))

    def pick(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.times and rule.method in (None, method) and re.search(rule.path, path):
                    rule.times -= rule.times > 0
                    return rule.fault
        return None
