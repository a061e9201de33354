"""How the command finds a server and what it says when that fails."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field

from agent_cli.client import COMMANDS
from tests.unit.cli_client_place import Command, make_command
from tests.unit.served import SECRET


@define
class Stub:
    """A server that answers in turn what it was told to; None: it drops the connection."""

    answers: list[web.Response | None] = field(factory=list)
    heard: list[tuple[str, dict[str, str], bytes]] = field(factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append((request.path_qs, dict(request.headers), await request.read()))
        answer = self.answers.pop(0)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
            return web.Response()
        return answer


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return make_command(monkeypatch, capsys, tmp_path)


@pytest.fixture
async def stub(command: Command) -> AsyncIterator[Stub]:
    stub = Stub()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.answer)
    async with TestServer(app) as server:
        command.at(server.make_url("/"))
        yield stub


def problem(status: int, sentence: str, code: str, **headers: str) -> web.Response:
    return web.json_response({"error": sentence, "code": code}, status=status, headers=headers)


def queued() -> web.Response:
    return web.json_response({"id": "job-1", "position": 1, "status": "queued"}, status=201)


NO_JOBS: Any = {"jobs": [], "total": 0}
SUBMIT = ("submit", "Fix it", "--repo", "acme/shop", "--branch", "fix")


async def test_where_no_server_answers_the_command_asks_whether_it_runs(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    ran = await command("jobs", "--url", url)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"Error: No server answers at {url}: is it running? `agent-server doctor`\n"


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://host", "http://", "http://host:port", "http://me:s3cret@host", "http://a\nb"]
)
async def test_what_is_no_url_is_a_wrong_setting(command: Command, url: str) -> None:
    ran = await command("jobs", "--url", url)
    assert ran.code == 2
    assert "is not the URL of a server" in ran.err
    assert "s3cret" not in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("answer", [{}, [], [1], "x", 1, None, {"jobs": [{}], "total": 1}])
@pytest.mark.parametrize(
    "words",
    ["jobs", "show last", "queue", "clients", "usage", "logs job-1", "cancel job-1", "jobs --client a", "submit"],
)
async def test_a_server_that_is_another_one_is_told_in_one_line(
    command: Command, stub: Stub, words: str, answer: object
) -> None:
    stub.answers = [web.json_response(answer) for _ in range(3)]
    ran = await command(*(SUBMIT if words == "submit" else words.split()))
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "is it an agent-server, of this version?" in ran.err


async def test_events_that_are_none_are_told_in_one_line(command: Command, stub: Stub) -> None:
    for words in (("watch", "job-1"), ("logs", "-f", "job-1")):
        stub.answers = [web.Response(body=b"id: 1\ndata: {\n\n", content_type="text/event-stream")]
        ran = await command(*words)
        assert ran.code == 1
        assert "is it an agent-server, of this version?" in ran.err


async def test_without_a_token_the_command_says_where_it_looked(command: Command) -> None:
    command.monkeypatch.delenv("AGENT_API_SECRET")
    ran = await command("jobs")
    assert ran.code == 2
    assert f"set AGENT_TOKEN (or AGENT_API_SECRET) in the environment or in {command.home / 'env'}" in ran.err


@pytest.mark.parametrize("name", [*(str(command.name) for command in COMMANDS), "queue pause", "clients set"])
async def test_help_needs_neither_a_server_nor_a_token(command: Command, name: str) -> None:
    command.monkeypatch.delenv("AGENT_API_SECRET")
    ran = await command.done(*name.split(), "--help")
    assert ran.out.startswith(f"Usage: agent-server {name}")


async def test_url_and_token_may_stand_in_the_env_file_and_a_named_token_goes_first(
    command: Command, stub: Stub, tmp_path: Path
) -> None:
    stub.answers = [web.json_response(NO_JOBS)]
    env = tmp_path / "env"
    env.touch(0o600)
    env.write_text("AGENT_TOKEN=agt_named\n")
    await command.done("jobs")
    assert stub.heard[0][1]["Authorization"] == "Bearer agt_named"


async def test_a_refused_token_is_told_by_the_name_of_its_setting_and_never_shown(command: Command, stub: Stub) -> None:
    stub.answers = [problem(401, "The token is wrong", "unauthorized")]
    ran = await command("jobs")
    assert ran.code == 1
    assert "does not accept the token in AGENT_API_SECRET" in ran.err
    assert SECRET not in ran.err


async def test_every_other_refusal_is_told_in_the_servers_words_made_plain(command: Command, stub: Stub) -> None:
    stub.answers = [problem(403, "The token may\x1b[2J not do that", "forbidden")]
    ran = await command("queue", "pause")
    assert (ran.code, ran.err) == (1, "Error: The token may not do that\n")


@pytest.mark.parametrize("answer", [web.Response(text="<html>", status=502), web.Response(text="<html>")])
async def test_an_answer_of_something_else_is_told_as_such(command: Command, stub: Stub, answer: web.Response) -> None:
    stub.answers = [answer]
    ran = await command("queue")
    assert ran.code == 1
    assert "no agent-server?" in ran.err


async def test_a_redirect_is_not_followed_for_the_token_is_for_one_server_only(command: Command, stub: Stub) -> None:
    stub.answers = [web.Response(status=307, headers={"Location": "/elsewhere"})]
    assert (await command("queue")).code == 1
    assert len(stub.heard) == 1


async def test_a_submission_that_was_lost_is_sent_once_more_with_the_same_key_and_body(
    command: Command, stub: Stub
) -> None:
    stub.answers = [None, queued()]
    ran = await command.done(*SUBMIT)
    assert ran.out == "job-1\n"
    first, second = stub.heard
    assert first[1]["Idempotency-Key"] == second[1]["Idempotency-Key"]
    assert first[2] == second[2]
    assert "sending the request again" in ran.err


async def test_a_submission_that_is_lost_twice_is_given_up(command: Command, stub: Stub) -> None:
    stub.answers = [None, None]
    ran = await command(*SUBMIT)
    assert (ran.code, ran.out, len(stub.heard)) == (1, "", 2)


async def test_two_submissions_have_two_keys(command: Command, stub: Stub) -> None:
    stub.answers = [queued(), queued()]
    await command.done(*SUBMIT)
    await command.done(*SUBMIT)
    assert len({headers["Idempotency-Key"] for _, headers, _ in stub.heard}) == 2


async def test_a_submission_whose_first_request_is_still_at_work_waits_for_its_answer(
    command: Command, stub: Stub
) -> None:
    busy = {"Retry-After": "0"}
    stub.answers = [None, *(problem(409, "Busy", "idempotency_in_progress", **busy) for _ in range(3)), queued()]
    assert (await command.done(*SUBMIT)).out == "job-1\n"
    assert len(stub.heard) == 5


async def test_a_cancel_that_was_lost_is_not_sent_again(command: Command, stub: Stub) -> None:
    stub.answers = [None]
    ran = await command("cancel", "job-1")
    assert ran.code == 1
    assert len(stub.heard) == 1


async def test_an_id_cannot_lead_to_another_path(command: Command, stub: Stub) -> None:
    stub.answers = [problem(404, "There is no such job", "job_not_found")]
    await command("show", "../queue/pause?x=1")
    assert stub.heard[0][0] == "/jobs/..%2Fqueue%2Fpause%3Fx=1"
