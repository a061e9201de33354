"""What people do on the page, done in a real browser: by mouse, by keyboard, and seen live."""

import re

from playwright.async_api import Page, expect

from agent_core.domain.job import JobMessage, JobStatus, MessageType
from fakes.code_agent import Script
from fakes.stores import FakeMessageLog
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.unit.page_place import Visit
from tests.unit.served import ORG, REPO, SECRET


def job_of(page: Page) -> str:
    return re.split(r"[/?#]", page.url.partition("/ui/jobs/")[2])[0]


async def fill_in(page: Page, prompt: str = "Fix the login bug") -> None:
    await page.get_by_label("Repository").fill(f"{ORG}/{REPO}")
    await page.get_by_label("Branch").fill("fix/login-bug")
    await page.get_by_label("Prompt").fill(prompt)


async def test_a_wrong_token_is_told_and_a_right_one_leads_to_where_one_wanted_to_go(window: Window) -> None:
    window.allowed = ("error: Failed to load resource: the server responded with a status of 401",)
    page = window.page
    await page.goto("/ui/jobs?status=failed")
    await page.get_by_label("Token").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("No caller has this token.")
    await page.get_by_label("Token").fill(SECRET)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(re.compile(r"/ui/jobs\?status=failed$"))
    await page.get_by_role("button", name="Sign out").click()
    await page.goto("/ui/jobs")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_job_is_submitted_seen_live_and_its_diff_read(window: Window, visit: Visit) -> None:
    page = window.page
    edits = {"src/login.ts": "export const fixed = true\n"}
    visit.agent.script("Fix the login bug", Script(says=("I will look.", "It is <b>fixed</b>."), edits=edits))
    visit.agent.hold()
    await window.sign_in()
    await page.get_by_role("link", name="New job").click()
    await fill_in(page)
    await page.get_by_role("button", name="Queue the job").click()
    await expect(page.get_by_role("heading", name="Fix the login bug")).to_be_visible()
    await expect(page.locator("#log")).to_contain_text("I will look.")
    await expect(page.locator("#state .status")).to_have_text("running")
    visit.agent.release()
    await expect(page.locator("#log")).to_contain_text("It is <b>fixed</b>.")
    await expect(page.locator("#state .status")).to_have_text("completed")
    await expect(page.locator("table.diff")).to_contain_text("export const fixed = true")
    await expect(page.get_by_role("link", name="Pull request #1").first).to_be_visible()


async def test_the_overview_shows_what_happens_as_it_happens(window: Window, visit: Visit) -> None:
    page = window.page
    visit.agent.hold()
    await window.sign_in()
    await expect(page.get_by_text("Nothing runs.")).to_be_visible()
    job_id = await visit.new_job(title="Seen by itself")
    await expect(page.locator(f"#run-{job_id}")).to_contain_text("I will write the file.")
    await visit.core.pause("Payroll runs")
    await expect(page.locator("#hold")).to_contain_text("Payroll runs")
    await visit.core.resume()
    await expect(page.locator("#hold")).to_have_count(0)
    visit.agent.release()
    await expect(page.get_by_text("Nothing runs.")).to_be_visible()


async def test_a_running_job_is_cancelled_after_a_question(window: Window, visit: Visit, scene: Scene) -> None:
    page = window.page
    await window.sign_in()
    await page.get_by_role("link", name="Lessons move by an hour in summer").click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#state .status")).to_have_text("running")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#state .status")).to_have_text("cancelled")
    assert (await visit.core.jobs.get(scene.running)).job.status is JobStatus.CANCELLED


async def test_a_follow_up_waits_in_the_chain_of_its_job(window: Window, visit: Visit, scene: Scene) -> None:
    page = window.page
    await window.sign_in()
    await page.goto(f"/ui/jobs/{scene.done}")
    await page.get_by_role("link", name="Follow up").click()
    await page.get_by_label("What next?").fill("Now in dollars, too")
    await page.get_by_role("button", name="Queue the follow-up").click()
    await expect(page.locator("#state")).to_contain_text("Follow-up")
    await expect(page.locator("#facts")).to_contain_text("Sort the quotes by date")
    assert (await visit.core.jobs.get(job_of(page))).job.follow_up_of == scene.done


async def test_kept_work_is_published(window: Window, visit: Visit, scene: Scene) -> None:
    page = window.page
    await window.sign_in()
    await page.goto(f"/ui/jobs/{scene.kept}")
    visit.agent.release()
    await page.get_by_label("Publish as").select_option("draft")
    await page.get_by_role("button", name="Publish").click()
    await expect(page.locator("#state")).to_contain_text("Publication")
    await expect(page.locator("#state .status")).to_have_text("completed")
    await expect(page.get_by_role("link", name=re.compile("Pull request")).first).to_be_visible()


async def test_what_is_wrong_is_told_beside_the_field_and_nothing_typed_is_lost(window: Window, visit: Visit) -> None:
    window.allowed = ("error: Failed to load resource: the server responded with a status of 400",)
    page = window.page
    await window.sign_in()
    await page.goto("/ui/jobs/new")
    await fill_in(page, "  Keep\nthese lines")
    await page.get_by_label("Branch").fill("no..good")
    await page.get_by_text("More options").click()
    await page.get_by_label("Most turns").fill("many")
    await page.get_by_role("button", name="Queue the job").click()
    await expect(page.get_by_label("Most turns")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#maxTurns-problem")).to_have_text("must be a whole number")
    await expect(page.get_by_label("Prompt")).to_have_value("  Keep\nthese lines")
    await page.get_by_label("Most turns").fill("7")
    await page.get_by_role("button", name="Queue the job").click()
    await expect(page.locator("#branchName-problem")).to_be_visible()
    await expect(page.get_by_label("Branch")).to_be_focused()
    assert await window.findings() == []
    await page.get_by_label("Branch").fill("good")
    await page.get_by_role("button", name="Queue the job").click()
    await expect(page.locator("#state")).to_be_visible()
    assert (await visit.core.jobs.get(job_of(page))).job.options.max_turns == 7


async def test_everything_can_be_done_by_keyboard_alone(window: Window, visit: Visit, scene: Scene) -> None:
    page = window.page
    await page.goto("/ui")
    await expect(page.get_by_label("Token")).to_be_focused()
    await page.keyboard.type(SECRET)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    await reach(page, "Jobs")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("calendar")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("1 to 2 of 2")).to_be_visible()
    await reach(page, "Lessons move by an hour in summer")
    await page.keyboard.press("Enter")
    await expect(page.locator("#log")).to_contain_text("clock change")
    await reach(page, "Follow up")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("What next?")).to_be_focused()
    await page.keyboard.type("And in Switzerland?")
    await reach(page, "Queue the follow-up")
    await page.keyboard.press("Enter")
    await expect(page.locator("#state")).to_contain_text("Follow-up")
    assert (await visit.core.jobs.get(job_of(page))).job.prompt == "And in Switzerland?"


async def reach(page: Page, name: str) -> None:
    """Press Tab until the focus is on what has this text."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await page.evaluate("() => document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


async def test_the_output_follows_its_end_until_the_reader_scrolls_up(window: Window, visit: Visit) -> None:
    page = window.page
    visit.agent.hold()
    log = FakeMessageLog(visit.db)

    async def say(*lines: str) -> None:
        said = [JobMessage(type=MessageType.STDOUT, content=line, created_at=visit.clock()) for line in lines]
        await log.append(job_id, said)
        await expect(page.locator("#log")).to_contain_text(lines[-1])

    await window.sign_in()
    job_id = await visit.new_job()
    await visit.agent.reached(job_id)
    await page.goto(f"/ui/jobs/{job_id}")
    await say(*(f"line {number}" for number in range(120)))
    box = page.locator("#log-box")
    bottom = "box => Math.round(box.scrollHeight - box.clientHeight - box.scrollTop)"
    assert await box.evaluate(bottom) <= 1
    await box.evaluate("box => { box.scrollTop = 0 }")
    await expect(page.get_by_role("button", name="To the end")).to_be_visible()
    await say("while reading above")
    assert await box.evaluate("box => box.scrollTop") == 0
    await page.get_by_role("button", name="To the end").click()
    await say("at the end again")
    assert await box.evaluate(bottom) <= 1


async def test_the_pages_work_without_scripts(window: Window, visit: Visit) -> None:
    browser = window.context.browser
    assert browser is not None
    context = await browser.new_context(base_url=str(visit.client.make_url("/")), java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/ui")
    await page.get_by_label("Token").fill(SECRET)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="New job").click()
    await fill_in(page)
    await page.get_by_role("button", name="Queue the job").click()
    await visit.core.jobs.wait(job_of(page))
    await page.wait_for_load_state()  # the page may still be on its way
    await page.reload()
    await expect(page.locator("#log")).to_contain_text("All done.")
    await page.get_by_role("link", name="What it changed").click()
    await expect(page.locator("table.diff")).to_contain_text("hello")
    await context.close()
