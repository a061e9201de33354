"""Pictures of the pages: taken by every run, and put beside the documentation by those that are asked to."""

from pathlib import Path

from playwright.async_api import Page

LARGEST = 150_000
SHOWN = (
    "client-light",
    "clients-light",
    "diff-light",
    "follow-up-light",
    "job-light",
    "job-running-dark",
    "job-running-light",
    "job-running-phone",
    "jobs-light",
    "new-job-light",
    "overview-dark",
    "overview-light",
    "sign-in-light",
    "usage-light",
)
"""Those that the documentation has."""


class Album:
    """Takes pictures into `folder`, and those that the documentation has into `documented`, where it is given."""

    def __init__(self, folder: Path, documented: Path | None) -> None:
        self._folder = folder
        self._documented = documented

    async def add(self, page: Page, name: str) -> None:
        """Take a picture of what the window shows; it must be small enough to be kept."""
        documented = self._documented is not None and name in SHOWN
        folder = self._documented if documented and self._documented is not None else self._folder
        folder.mkdir(parents=True, exist_ok=True)
        picture = folder / f"{name}.png"
        await page.screenshot(path=picture)
        assert picture.stat().st_size < LARGEST, name
