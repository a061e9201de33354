"""The pages of clients in a browser."""

from collections.abc import Mapping
from typing import Literal

import pytest

from agent_core.use_cases.clients import ClientChange, ClientRequest
from tests.browser.window import Window
from tests.unit.page_place import Visit
from tests.unit.served import ORG, REPO

SECRET_VALUE = "s3cr3t-value-of-npm"
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "agent": {"env": {"NPM_TOKEN": SECRET_VALUE}, "instructions": "Write tests first.\nBe brief."},
    "workspace": {"setup": ("npm ci", "one\ntwo")},
}


async def a_client(visit: Visit) -> str:
    wanted = ClientRequest(name="French", github_org=ORG, github_repo=REPO)
    client_id = (await visit.core.clients.create(wanted)).client.id
    await visit.core.clients.update(client_id, ClientChange(settings=SETTINGS))
    return client_id


async def test_a_client_is_made_set_up_and_deleted(window: Window, visit: Visit) -> None:
    page = window.page
    await window.sign_in()
    await page.goto("/ui/clients")
    await page.get_by_role("link", name="New client").click()
    await page.get_by_label("Name", exact=True).fill("French")
    await page.get_by_label("GitHub organisation").fill(ORG)
    await page.get_by_label("GitHub repository").fill(REPO)
    await page.get_by_role("button", name="Make it").click()
    await page.get_by_text("its repository is cloned").wait_for()
    await page.get_by_label("Model").fill("opus")
    await page.get_by_label("Checks 1").fill("npm test\nnpm run lint")
    await page.get_by_label("Variable 1, name").fill("NPM_TOKEN")
    await page.get_by_label("Variable 1, value").fill(SECRET_VALUE)
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Saved.").wait_for()
    [stored] = await visit.core.clients.all()
    settings = stored.client.settings
    assert (settings.agent.model, settings.workspace.checks) == ("opus", ("npm test\nnpm run lint",))
    assert settings.agent.env == {"NPM_TOKEN": SECRET_VALUE}
    assert SECRET_VALUE not in await page.content()
    await page.get_by_label("Its name, to be sure").fill("French")
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_text("The client was deleted").wait_for()
    assert await visit.core.clients.all() == []


async def test_what_is_wrong_is_told_beside_it_and_what_was_typed_stays(window: Window, visit: Visit) -> None:
    client_id = await a_client(visit)
    page = window.page
    window.allowed = ("error: Failed to load resource: the server responded with a status of 400",)
    await window.sign_in()
    await page.goto(f"/ui/clients/{client_id}")
    await page.get_by_label("Most turns").fill("many")
    await page.get_by_label("Share").fill("0")
    await page.get_by_label("Instructions").fill("Rewritten\nin two lines")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Nothing was saved: 2 fields are not right.").wait_for()
    turns = page.get_by_label("Most turns")
    assert await turns.input_value() == "many"
    assert "must be a whole number" in str(await turns.evaluate("found => found.nextElementSibling.textContent"))
    assert await page.get_by_label("Instructions").input_value() == "Rewritten\nin two lines"
    assert await window.findings() == []
    await turns.fill("12")
    await page.get_by_label("Share").fill("2")
    await page.keyboard.press("Enter")
    await page.get_by_text("Saved.").wait_for()
    settings = (await visit.core.clients.get(client_id)).client.settings
    assert (settings.agent.max_turns, settings.queue.share) == (12, 2)
    assert settings.agent.instructions == "Rewritten\nin two lines"
    assert settings.workspace.setup == ("npm ci", "one\ntwo")
    assert settings.agent.env == {"NPM_TOKEN": SECRET_VALUE}


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_the_pages_are_accessible_and_fit_a_phone(
    window: Window, visit: Visit, colours: Literal["light", "dark"]
) -> None:
    client_id = await a_client(visit)
    await window.page.emulate_media(color_scheme=colours)
    await window.sign_in()
    for path in ("/clients", f"/clients/{client_id}", "/clients/new", "/clients?deleted=all"):
        for width in (1180, 360):
            await window.page.set_viewport_size({"width": width, "height": 740})
            await window.page.goto(f"/ui{path}")
            assert await window.findings() == []
            assert await window.overflow() == 0
