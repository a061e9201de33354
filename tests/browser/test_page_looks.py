"""How the pages look: pictures of each, nothing that axe finds serious, nothing wider than a phone."""

from typing import Literal

import pytest

from tests.browser.album import Album
from tests.browser.scene import Scene
from tests.browser.window import Window

PAGES = {
    "overview": "",
    "jobs": "/jobs",
    "job": "/jobs/{done}",
    "job-running": "/jobs/{running}",
    "job-failed": "/jobs/{failed}",
    "new-job": "/jobs/new",
    "follow-up": "/jobs/{done}/follow-up",
    "diff": "/jobs/{done}/diff",
    "log": "/jobs/{done}/log",
}
OTHERS = {"clients": "/clients", "client": "/clients/{client}", "usage": "/usage"}
"""Looked at by tests of their own: here their pictures are taken."""


async def shown(window: Window, scene: Scene, name: str) -> None:
    path = {**PAGES, **OTHERS}[name].format(**{field: getattr(scene, field) for field in Scene.__annotations__})
    await window.page.goto(f"/ui{path}")
    if name == "job-running":
        await window.page.get_by_text("Live", exact=True).wait_for()
    if name == "job":
        await window.page.locator("table.diff").first.wait_for()


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_each_page_is_accessible_and_has_its_picture_taken(
    window: Window, scene: Scene, album: Album, colours: Literal["light", "dark"]
) -> None:
    await window.page.emulate_media(color_scheme=colours, reduced_motion="reduce")
    await window.page.goto("/ui/sign-in")
    found = {"sign-in": await window.findings()}
    await album.add(window.page, f"sign-in-{colours}")
    await window.sign_in()
    for name in PAGES:
        await shown(window, scene, name)
        found[name] = await window.findings()
        await album.add(window.page, f"{name}-{colours}")
    for name in OTHERS if colours == "light" else ():
        await shown(window, scene, name)
        await album.add(window.page, f"{name}-{colours}")
    assert {name: problems for name, problems in found.items() if problems} == {}


async def test_no_page_scrolls_sideways_on_a_phone(window: Window, scene: Scene, album: Album) -> None:
    await window.page.set_viewport_size({"width": 360, "height": 740})
    await window.sign_in()
    wide = {}
    for name in PAGES:
        await shown(window, scene, name)
        wide[name] = await window.overflow()
        if name in ("overview", "job-running"):
            await album.add(window.page, f"{name}-phone")
    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}
