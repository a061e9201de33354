"""Whether the server has its directories and its port, and who starts it."""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from agent_cli.doctor.asking import aside
from agent_cli.doctor.finding import Finding, error, ok, warning
from agent_cli.doctor.patient import Patient
from agent_cli.service.command import told_of_service
from agent_cli.service.definition import ServiceFailed


async def directories(patient: Patient) -> Sequence[Finding]:
    """Tell whether each can be written to, or made."""
    from agent_http.server import directories as all_of

    return await aside(lambda: [_directory(*both) for both in all_of(patient.settings)])


async def port(patient: Patient) -> Sequence[Finding]:
    """Tell whether the port is free, or held by a server that takes our token."""
    host, number = patient.settings.host, patient.settings.port
    if number == 0:
        return [ok("port", "any free one")]
    try:
        await aside(lambda: _bind(host, number))
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            return [await _held(patient, number)]
        remedy = (
            "set PORT to one above 1023" if problem.errno == errno.EACCES else "set AGENT_HOST to one of this machine"
        )
        return [error("port", f"{number} of {host} cannot be listened on ({problem.strerror})", remedy)]
    return [ok("port", f"{number} of {host} is free")]


async def service(patient: Patient) -> Sequence[Finding]:
    """Tell whether the server starts by itself."""
    try:
        told = await aside(lambda: told_of_service(patient.shell))
    except ServiceFailed as problem:
        return [ok("service", f"none: {problem.message}")]
    if not told["installed"]:
        return [ok("service", "not installed; agent-server service install starts the server at each login")]
    if told["running"]:
        return [ok("service", f"runs by {told['path']}")]
    return [warning("service", f"{told['path']} is there, but {told['state']}", "agent-server service install")]


def _directory(variable: str, directory: Path) -> Finding:
    nearest = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        return error(variable, f"{nearest} is no directory", f"move it away, or set {variable}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return error(variable, f"{nearest} cannot be written to by this user", f"chown it, or set {variable}")
    if nearest != directory:
        return ok(variable, f"{directory} will be made")
    return ok(variable, str(directory))


def _bind(host: str, number: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


async def _held(patient: Patient, number: int) -> Finding:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(patient.settings.host, patient.settings.host)  # noqa: S104
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}"
    headers = {"Authorization": f"Bearer {patient.settings.api_secret}"}
    alive, known = b"", 0
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/healthz", allow_redirects=False) as answer:
                alive = await answer.content.read(16)
            if alive == b"ok\n":  # nobody else is told the secret
                async with session.get(f"{url}/health", headers=headers, allow_redirects=False) as answer:
                    known = answer.status
    if known == 200:
        return ok("port", f"an agent-server answers at {url}")
    if alive == b"stopping\n":
        return warning("port", f"the agent-server at {url} is stopping", "wait for its end")
    if known == 401:
        message = f"the server at {url} does not take this AGENT_API_SECRET"
        return warning("port", message, "set the one that it was started with, or restart it")
    return error("port", f"{number} is held by another program", f"lsof -nP -iTCP:{number} -sTCP:LISTEN, or set PORT")
