"""The server process: from its settings to its last breath."""

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from agent_adapters.sqlite import DatabaseError
from agent_core.app import AgentCore
from agent_core.domain.secrets import Secrets
from agent_http.app import leave_core
from agent_http.container import Container
from agent_http.credentials import known_secrets, start_warnings
from agent_http.logs import AccessLog, logging_to
from agent_http.settings import Settings, SettingsError, read_settings

log = logging.getLogger(__name__)

EXIT_TROUBLE = 1
EXIT_SETTINGS = 2
EXIT_CORRUPT = 3
KEEPALIVE = 30.0
LAST_REQUESTS = 5.0
"""How long requests under way may take when everything else has stopped."""
OPEN_FILES = 10_240
"""macOS starts programs with 256, which idle connections use up, and allows so many at most."""
GIVEN_BACK = {-3: 1 << 20, -1: 256 << 10}
"""glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD: from so many bytes on, a free block of memory, and what is free at the
end of a thread's memory, are given back."""
SET_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
"""A clock before that was never set."""


class CannotServe(Exception):
    """The server cannot start; says why."""


def serve(environ: Mapping[str, str]) -> int:
    """Run the server until SIGTERM or SIGINT and return the exit code: 0, or 1, 2, 3 with the reason on stderr."""
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        print("agent-server cannot start as it is set:", *error.problems, sep="\n  ", file=sys.stderr)
        return EXIT_SETTINGS
    secrets = Secrets(known_secrets(settings, environ))
    try:
        _allow_open_files()
        _make_directories(settings)
        with (
            _bound(settings.host, settings.port) as listener,
            logging_to(settings.logs_dir, settings.log_level, secrets, settings.log_format),
        ):
            _wait_for_children_without_threads()
            _give_memory_back()
            asyncio.run(_run(settings, environ, secrets, listener))
    except DatabaseError as error:
        print(f"agent-server: {error}", file=sys.stderr)
        return EXIT_CORRUPT if error.code == "database_corrupt" else EXIT_TROUBLE
    except CannotServe as error:
        print(f"agent-server: {error}", file=sys.stderr)
        return EXIT_TROUBLE
    return 0


async def _run(settings: Settings, environ: Mapping[str, str], secrets: Secrets, listener: socket.socket) -> None:
    for warning in (*start_warnings(settings, environ), *clock_warnings(datetime.now(UTC))):
        log.warning("%s", warning)
    address = listener.getsockname()[:2]
    container = Container(settings=settings, environ=environ, secrets=secrets, address=address)
    core, app = container.core(), container.app()
    stop = _stop_on_signals(core)
    runner = web.AppRunner(app, access_log_class=AccessLog, keepalive_timeout=KEEPALIVE, shutdown_timeout=LAST_REQUESTS)
    try:
        await runner.setup()
        site = web.SockSite(runner, listener)
        # What is there now is there for good: each later collection that went through it would stop the loop for 50 ms.
        gc.freeze()
        with _told(f"port {settings.port} of {settings.host} cannot be listened on"):
            await site.start()
        print(f"Listening on {site.name}", flush=True)
        _tell_supervisor(environ, "READY=1")
        await stop.wait()
        _tell_supervisor(environ, "STOPPING=1")
        await leave_core(app)
    finally:
        await runner.cleanup()
    log.info("stopped")


def _wait_for_children_without_threads() -> None:
    """Have Python 3.11 do by itself what later ones do: it would start a thread for each child process."""
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        with suppress(OSError):  # the kernel is older than the C library
            os.close(os.pidfd_open(os.getpid()))
            asyncio.set_child_watcher(asyncio.PidfdChildWatcher())


def _give_memory_back() -> None:
    """Keep glibc, if it is that, from raising its thresholds with each large block that is freed.

    Each of a dozen threads would keep 2 MB: that of the table of Python's interned strings, which it once made anew,
    or of the lists of branches that it has read.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, size in GIVEN_BACK.items():
            mallopt(name, size)


def _stop_on_signals(core: AgentCore) -> asyncio.Event:
    """The first signal begins the shutdown, the next one cuts it short."""
    stop = asyncio.Event()
    hurrying: set[asyncio.Task[None]] = set()

    def stop_or_hurry() -> None:
        if stop.is_set():
            log.warning("a second signal: interrupting the running jobs, which are queued again")
            hurrying.add(asyncio.create_task(core.hurry()))
        else:
            log.info("stopping: no new jobs; waiting for the running ones")
            core.stop_taking_jobs()
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_or_hurry)
    return stop


def clock_warnings(now: datetime) -> Sequence[str]:
    """Say it when the system's clock cannot be right."""
    if now >= SET_SINCE:
        return ()
    return [f"the system's clock says {now:%Y-%m-%d}: receivers refuse callbacks that were signed at a wrong time"]


def _tell_supervisor(environ: Mapping[str, str], state: str) -> None:
    """Tell systemd, or who speaks as it does; "@" begins the name of a socket that is no file."""
    if name := environ.get("NOTIFY_SOCKET"):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            supervisor.settimeout(1)
            supervisor.sendto(state.encode(), f"\0{name[1:]}" if name.startswith("@") else name)


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _bound(host: str, port: int) -> socket.socket:
    """Take the address before anything is started: a port in use is found out while it costs nothing."""
    with _told(f"AGENT_HOST={host} is no address to listen on"):
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _told(f"port {port} of {host} cannot be listened on; stop what has it, or set PORT"):
            listener.bind(address)
    except CannotServe:
        listener.close()
        raise
    return listener


def directories(settings: Settings) -> Sequence[tuple[str, Path]]:
    """Return the directories that the server makes, each with its variable."""
    return (
        ("AGENT_HOME", settings.home),
        ("AGENT_LOGS_DIR", settings.logs_dir),
        ("REPOS_DIR", settings.repos_dir),
        ("WORKTREES_DIR", settings.worktrees_dir),
        ("AGENT_CLIENT_FILES_DIR", settings.client_files_dir),
    )


def _make_directories(settings: Settings) -> None:
    for variable, directory in directories(settings):
        with _told(f"{variable}: the directory {directory} cannot be made"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def _told(sentence: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotServe(f"{sentence} ({error.strerror})") from error
