"""git's own words as errors: which trouble passes by itself, and what a person should read."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from agent_adapters.git.process import GitOutcome
from agent_core.domain.errors import RepoStoreError

_NETWORK = re.compile(
    r"could ?n[o']t resolve host|temporary failure in name resolution|name or service not known"
    r"|timed out|timeout|operation too slow|connection (?:refused|reset|closed|aborted)|connection to .* closed"
    r"|failed to connect|network is (?:unreachable|down)|no route to host|broken pipe"
    r"|the remote end hung up|unexpected disconnect|early eof|rpc failed|empty reply from server"
    r"|kex_exchange_identification|tls (?:packet|connection)|ssl_error_syscall|gnutls_handshake"
    r"|returned error: (?:408|429|5\d\d)|internal server error",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"permission denied|authentication failed|could not read (?:username|password)|host key verification failed"
    r"|does not appear to be a git repository|repository not found|repository '[^']*' not found"
    r"|access denied|returned error: 4(?!08|29)\d\d|no space left on device|disk quota exceeded",
    re.IGNORECASE,
)
_HELD_LOCK = re.compile(r"Unable to create '(.+?\.lock)': File exists")
_CREDENTIALS = re.compile(r"(\w+://)[^/@\s'\"]+@")
_NOISE = re.compile(
    r"hint:|remote: *$|Please make sure you have the correct access rights|and the repository exists"
    r"|Another git process seems to be running|an editor opened by|are terminated then try again|may have crashed"
    r"|remove the file manually"
)
LAST_LINES = 5


def without_credentials(text: str) -> str:
    """Take user names and passwords out of the URLs in a text."""
    return _CREDENTIALS.sub(r"\1", text)


def last_lines(text: str) -> str:
    """Return the last lines that tell something, on one line."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    telling = [line for line in lines if line and not _NOISE.match(line)]
    return without_credentials("; ".join(telling[-LAST_LINES:])) or "git gave no reason"


def is_network_trouble(outcome: GitOutcome) -> bool:
    """Say whether the network or the origin's 5xx is to blame, so that another try may do."""
    return bool(_NETWORK.search(outcome.err)) and not _FINAL.search(outcome.err)


def held_locks(outcome: GitOutcome) -> list[str]:
    """Return the lock files that were in git's way."""
    return _HELD_LOCK.findall(outcome.err) if not outcome.ok else []


def failure(sentence: str, outcome: GitOutcome, code: str, remedy: str = "") -> RepoStoreError:
    """Make the error: the sentence says what could not be done; git's own last lines and the remedy follow."""
    told = f"{sentence}: {last_lines(outcome.err)}"
    return RepoStoreError(f"{told} ({remedy})" if remedy else told, code=code, transient=is_network_trouble(outcome))


@contextmanager
def failing(code: str, sentence: str) -> Iterator[None]:
    """Give what fails in the block the step's code: commands that take too long, and the disk."""
    try:
        yield
    except RepoStoreError as error:
        if error.code != RepoStoreError.code:
            raise
        raise RepoStoreError(f"{sentence}: {error}", code=code, transient=error.transient) from error
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise RepoStoreError(f"{sentence}: {error.strerror or error}{place}", code=code) from error
