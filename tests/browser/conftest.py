"""A real browser for the tests of the page; they are skipped where there is none.

All of them share one browser and one event loop. What a page logs as an error, and every request that leaves the
server, fails the test that was at it.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.album import Album
from tests.browser.scene import Scene, furnish, numbered
from tests.browser.window import Window
from tests.unit.page_place import Visit, visiting

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ON_A_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
IMAGES = Path(__file__).parents[2] / "docs" / "images"
"""Where the pictures of the pages go with UPDATE_SCREENSHOTS=1; else they go to a directory of the test run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every test of this directory in the loop that the browser lives in."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    """Where pictures go."""
    wanted = os.environ.get("UPDATE_SCREENSHOTS") == "1"
    return Album(tmp_path_factory.mktemp("images"), IMAGES if wanted else None)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and await asyncio.to_thread(ON_A_MAC.exists):
        found = str(ON_A_MAC)
    if found is None:
        pytest.skip("no chromium or chrome was found")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit() -> AsyncIterator[Visit]:
    """An empty server."""
    async with visiting(new_id=numbered()) as visit:
        yield visit
        visit.agent.release()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(visit: Visit) -> Scene:
    """A server in the middle of a working day."""
    return await furnish(visit)


@pytest_asyncio.fixture(loop_scope="session")
async def window(browser: Browser, visit: Visit) -> AsyncIterator[Window]:
    """A browser's window, not signed in yet."""
    context = await browser.new_context(
        base_url=str(visit.client.make_url("/")),
        viewport={"width": 1080, "height": 760},
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.set_default_timeout(10_000)
    window = Window(context, await context.new_page())
    yield window
    await context.close()
    assert window.complaints == []
