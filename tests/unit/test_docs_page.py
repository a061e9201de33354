"""The document and the page that shows it, as they are served."""

import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from agent_http.docs_page import FILES, PLACE, add_docs

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Prüfung"}}
PATHS = ("/openapi.json", *FILES)
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = web.Application()
    add_docs(app, lambda: DOCUMENT)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_the_document_is_served(client: Client) -> None:
    response = await client.get("/openapi.json")
    assert response.content_type == "application/json"
    assert json.loads(await response.read()) == DOCUMENT


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_is_the_same_packed_and_plain(client: Client, path: str) -> None:
    plain = await client.get(path, headers={"Accept-Encoding": "identity"}, auto_decompress=False)
    packed = await client.get(path, headers={"Accept-Encoding": "gzip"}, auto_decompress=False)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert gzip.decompress(await packed.read()) == await plain.read()


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_that_one_has_is_not_sent_again(client: Client, path: str) -> None:
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_may_load_nothing_but_the_servers_own_files(client: Client, path: str) -> None:
    policy = (await client.get(path)).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)


def test_the_page_has_no_script_of_its_own_and_names_only_files_that_there_are() -> None:
    page = (PLACE / "index.html").read_text()
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {f"/{name}" for name in named} - {"/openapi.json"} == FILES.keys() - {"/docs"}
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == ["", ""]


def test_the_files_of_others_are_those_that_the_note_tells() -> None:
    told = dict(
        line.split()[::-1] for line in (PLACE / "README.md").read_text().splitlines() if re.match("[0-9a-f]{64} ", line)
    )
    for name, digest in told.items():
        if not name.endswith(".tgz"):
            packed = PLACE / f"{name}.gz"
            content = gzip.decompress(packed.read_bytes()) if packed.exists() else (PLACE / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest, name
