"""The server's log."""

import asyncio
import json
import logging
import re
import stat
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.test_utils import TestClient, TestServer

from agent_core.domain.secrets import Secrets
from agent_core.use_cases.log_context import concerning
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


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (path / FILE).read_text().splitlines()]


def test_a_json_line_tells_when_who_what_and_what_it_is_about(tmp_path: Path) -> None:
    with logging_to(tmp_path, "info", Secrets(), "json"):
        with concerning(job_id="job-1", client_id="c1"):
            logging.getLogger("agent.x").warning("ended %d process(es)", 2, extra={"hold": "paused"})
        logging.getLogger("agent.x").info("alone")
    about, alone = lines(tmp_path)
    assert datetime.fromisoformat(str(about.pop("timestamp"))).tzinfo is not None
    assert about == {
        "event": "ended 2 process(es)",
        "level": "warning",
        "logger": "agent.x",
        "job_id": "job-1",
        "client_id": "c1",
        "hold": "paused",
    }
    assert "job_id" not in alone


def test_a_line_that_names_its_job_itself_knows_better(tmp_path: Path) -> None:
    with logging_to(tmp_path, "info", Secrets(), "json"), concerning(job_id="job-1"):
        logging.getLogger("x").info("other", extra={"job_id": "job-2"})
    assert lines(tmp_path)[0]["job_id"] == "job-2"


def test_a_json_line_of_a_failure_has_its_traceback_without_secrets(tmp_path: Path) -> None:
    with logging_to(tmp_path, "info", Secrets(SECRETS), "json"):
        try:
            fail(ValueError(SECRETS[1]))
        except ValueError:
            logging.getLogger("x").exception("failed")
    [line] = lines(tmp_path)
    assert "ValueError: [redacted]" in str(line["exception"])
    assert line["event"] == "failed"


def test_a_thread_s_lines_are_about_what_its_task_is_about(tmp_path: Path) -> None:
    async def in_a_thread() -> None:
        with concerning(job_id="job-7"):
            await asyncio.to_thread(logging.getLogger("x").info, "from the thread")

    with logging_to(tmp_path, "info", Secrets(), "json"):
        asyncio.run(in_a_thread())
    assert [line["job_id"] for line in lines(tmp_path) if line["event"] == "from the thread"] == ["job-7"]


def test_a_line_for_people_has_its_facts_behind_the_message(tmp_path: Path) -> None:
    with logging_to(tmp_path, "info", Secrets()), concerning(job_id="job-1"):
        logging.getLogger("agent.x").info("the agent ended")
    [line] = (tmp_path / FILE).read_text().splitlines()
    assert re.fullmatch(r"\S+Z \[info +\] the agent ended \[agent\.x\] job_id=job-1", line), line


EVIL = "it said \x1b]0;owned\x07\x1b[2J\r\n2025-01-07T12:00:00Z [error] forged \x9b1m \u202e\u2028"


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_others_wrote_moves_no_cursor_and_forges_no_line(form: str, tmp_path: Path) -> None:
    with logging_to(tmp_path, "info", Secrets(), form):
        logging.getLogger("x").warning("git failed: %s", EVIL)
        try:
            fail(ValueError(EVIL))
        except ValueError:
            logging.getLogger("x").exception("failed")
    text = (tmp_path / FILE).read_text()
    assert not set("\x1b\x07\r\x9b\u202e\u2028") & set(text)
    assert "\\u001b[2J" in text
    begins = [line[:4] for line in text.split("\n") if line[:1].strip()]
    assert len(begins) == 2


def test_what_is_stored_is_not_logged_at_any_level(tmp_path: Path) -> None:
    with logging_to(tmp_path, "debug", Secrets()):
        logging.getLogger("aiosqlite").debug("executing %s", "INSERT ... 'a short one'")
    assert (tmp_path / FILE).read_text() == ""
