"""The server's log."""

import logging
import stat
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.test_utils import TestClient, TestServer

from agent_core.domain.secrets import Secrets
from agent_http.logs import FILE, AccessLog, logging_to

SECRETS = ("the-api-secret", "the-webhook-secret")


def fail(error: Exception) -> None:
    raise error


def test_no_line_holds_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(tmp_path / "logs", "info", Secrets(SECRETS)):
        logging.getLogger("x").info("got %s", SECRETS[0])
        try:
            fail(ValueError(SECRETS[1]))
        except ValueError:
            logging.getLogger("x").exception("failed")
    for text in ((tmp_path / "logs" / FILE).read_text(), capsys.readouterr().err):
        assert "got [redacted]" in text
        assert "ValueError: [redacted]" in text
        assert not any(secret in text for secret in SECRETS)


def test_the_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    with logging_to(tmp_path / "logs", "info", Secrets(SECRETS)):
        logging.getLogger("x").info("hello")
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "logs" / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("info", 2), ("warn", 1), ("error", 0)])
def test_the_level_says_what_is_logged(tmp_path: Path, level: str, lines: int) -> None:
    with logging_to(tmp_path, level, Secrets()):
        log = logging.getLogger("x")
        log.debug("d")
        log.info("i")
        log.warning("w")
    assert len((tmp_path / FILE).read_text().splitlines()) == lines


def test_what_is_no_http_is_told_in_one_line_without_its_bytes(tmp_path: Path) -> None:
    with logging_to(tmp_path, "info", Secrets()):
        try:
            fail(BadHttpMessage("got: b'Authorization: Bearer half-a-tok'"))
        except BadHttpMessage:
            logging.getLogger("aiohttp.server").exception("Error handling request from %s", "::1")
    [line] = (tmp_path / FILE).read_text().splitlines()
    assert "half-a-tok" not in line
    assert "no HTTP" in line


async def test_the_access_log_has_neither_query_nor_headers(caplog: pytest.LogCaptureFixture) -> None:
    async def here(_: web.Request) -> web.Response:
        return web.Response()

    caplog.set_level(logging.INFO)
    app = web.Application()
    app.router.add_get("/{any}", here)
    server = TestServer(app)
    await server.start_server(access_log_class=AccessLog)
    async with (
        TestClient(server) as client,
        client.get("/a%0Ab?token=in-the-query", headers={"Authorization": "Bearer in-a-header"}) as response,
    ):
        assert response.status == 200
    [line] = [record.getMessage() for record in caplog.records if record.name == "aiohttp.access"]
    assert "GET /a%0Ab 200" in line
    assert "in-" not in line
