"""The page that shows the contract, in a real browser."""

from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser

from agent_http.app import make_app
from agent_http.authority import Authority
from agent_http.docs_page import docs
from fakes.core import make_core
from tests.browser.window import Window
from tests.unit.served import SECRET


@pytest_asyncio.fixture(loop_scope="session")
async def address() -> AsyncIterator[str]:
    core = make_core()
    runner = web.AppRunner(make_app(core, Authority(SECRET), parts=[docs(core)]), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_the_page_shows_the_contract_and_tries_it_out_without_a_request_to_elsewhere(
    address: str, browser: Browser
) -> None:
    context = await browser.new_context(base_url=address)
    context.set_default_timeout(20_000)
    page = await context.new_page()
    window = Window(context, page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await page.goto("/docs")
    await page.locator("#operations-jobs-createJob").wait_for()
    await page.locator(".auth-wrapper .authorize").click()
    await page.locator(".modal-ux input").fill(SECRET)
    await page.locator(".modal-ux .authorize").click()
    await page.locator(".modal-ux .btn-done").click()
    health = page.locator("#operations-system-health")
    await health.locator(".opblock-summary-control").click()
    await health.locator(".try-out__btn").click()
    await health.locator(".execute").click()
    await health.locator(".live-responses-table .response-col_status", has_text="200").first.wait_for()

    assert f"{address}/health" in asked
    assert [url for url in asked if not url.startswith((f"{address}/", "data:"))] == []
    assert window.complaints == []
    assert await page.evaluate("() => localStorage.length + sessionStorage.length") == 0
    await context.close()
