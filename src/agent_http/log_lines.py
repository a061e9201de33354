"""A line of the server's log: for people, or as JSON; with what it is about, and without secrets."""

import logging
import re
from copy import copy

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, Processor

from agent_core.domain.secrets import Secrets
from agent_core.use_cases.log_context import log_context

_BEFORE: tuple[Processor, ...] = (
    structlog.stdlib.ExtraAdder(),
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def _with_context(_: object, __: str, line: EventDict) -> EventDict:
    """Add what the task that logs is about; a line that tells it itself knows better."""
    line.pop("message", None)  # another handler that made the record's message leaves it there
    line.update({name: value for name, value in log_context().items() if name not in line})
    return line


class LogLines(logging.Formatter):
    """Makes a line of a record: `console` for people, `json` as one object.

    Both have the time in UTC, level, logger and message, and by name what the line is about: `job_id`, `client_id`,
    `request_id` and whatever the record brings in `extra`. Secrets are replaced in the finished line, so that
    tracebacks are covered too. Of a request that is no HTTP it tells that alone: its bytes may hold half an
    Authorization header.

    What others have written moves no cursor and looks like no line of ours: control characters are escaped, and what
    goes on in another line of the console begins with blanks.
    """

    def __init__(self, form: str, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets
        ends: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
        if form == "json":
            ends += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        else:
            ends.append(
                structlog.dev.ConsoleRenderer(
                    colors=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
                )
            )
        self._lines = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*_BEFORE, _with_context], processors=ends)

    def format(self, record: logging.LogRecord) -> str:
        """Make the line; the context is that of the task that calls."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record = copy(record)
            record.msg, record.args = "refused a request that is no HTTP: %s", (type(error).__name__,)
            record.exc_info = record.exc_text = None
        text = self._secrets.redact(self._lines.format(record))
        return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text).replace("\n", "\n  ")
