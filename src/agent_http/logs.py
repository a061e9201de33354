"""The server's own log: on the terminal and in a rotating file, without the secrets in any line."""

import logging
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from agent_core.domain.secrets import Secrets
from agent_http.log_lines import LogLines
from agent_http.request_ids import HEADER

FILE = "server.log"
MAX_BYTES = 10 * 1024 * 1024
KEPT_FILES = 5


@contextmanager
def logging_to(directory: Path, level: str, secrets: Secrets, form: str = "console") -> Iterator[None]:
    """Log into `directory` and onto the terminal. A thread of its own writes: a slow disk does not stop the loop."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = _PrivateFile(
        directory / FILE, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8", errors="replace"
    )
    targets: list[logging.Handler] = [logging.StreamHandler(), file]
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    source = QueueHandler(lines)
    source.setFormatter(LogLines(form, secrets))
    listener = QueueListener(lines, *targets)
    root = logging.getLogger()
    before = root.level
    root.setLevel({"warn": "WARNING"}.get(level, level.upper()))
    root.addHandler(source)
    logging.getLogger("aiosqlite").setLevel(logging.INFO)  # below that it tells every value that is stored
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(source)
        root.setLevel(before)
        listener.stop()
        for target in targets:
            target.close()


class _PrivateFile(RotatingFileHandler):
    """For its owner alone, also after each rotation."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).touch(mode=0o600)
        return super()._open()


class AccessLog(AbstractAccessLogger):
    """One line a request: no query, no header, and the path as it was sent, so that it cannot break the line."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        path = request.rel_url.raw_path[:200]
        what = (request.remote, request.method, path, response.status, time * 1000)
        about = {"request_id": response.headers.get(HEADER, "-")}
        self.logger.info("%s %s %s %d %.0f ms", *what, extra=about)

    @property
    def enabled(self) -> bool:
        """Whether anybody reads it."""
        return self.logger.isEnabledFor(logging.INFO)
