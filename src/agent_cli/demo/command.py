"""`agent-server demo`."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path

import click

LIMITS = {"rehearsal": 60, "claude": 1800}
"""How long a demo may take with each agent, in seconds."""
_LAST_LINES = 20
_REQUEST = "[aiohttp.access]"


@click.command()
@click.option("--agent", type=click.Choice(list(LIMITS)), default="rehearsal", show_default=True, help="Who works.")
def demo(agent: str) -> int:
    """Run one job for real, on this machine alone, and show it.

    Starts a server in a temporary directory with a repository and a callback receiver of its own, posts a job over
    HTTP and checks branch, diff, pull request and callback. The rehearsal agent needs no account and no network;
    claude uses the installed CLI and its login.
    """
    if agent == "claude" and shutil.which("claude") is None:
        raise click.ClickException(
            "claude is not installed: run `npm install -g @anthropic-ai/claude-code`, then `claude` and /login"
        )
    from agent_cli.demo.origin import GitFailed
    from agent_cli.demo.server import ServerFailed
    from agent_cli.demo.story import DemoFailed, tell
    from agent_cli.demo.terminal import Terminal

    with tempfile.TemporaryDirectory(prefix="agent-server-demo-", ignore_cleanup_errors=True) as folder:
        home = Path(folder).resolve()
        output = home / "output"
        try:
            asyncio.run(_limited(tell(agent, Terminal(), home, output), LIMITS[agent]))
        except (DemoFailed, GitFailed, ServerFailed) as problem:
            sentence = str(problem)
        except TimeoutError:
            sentence = f"The demo did not end within {LIMITS[agent]} seconds"
        except asyncio.CancelledError:
            raise click.Abort from None
        else:
            return 0
        for line in _last_lines(output):
            click.echo(line, err=True)
    raise click.ClickException(sentence)


async def _limited(story: Coroutine[None, None, None], seconds: float) -> None:
    """Run the story; like Ctrl-C, SIGTERM and SIGHUP end it and what it started."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if task is not None:
            loop.add_signal_handler(number, task.cancel)
    async with asyncio.timeout(seconds):
        await story


def _last_lines(output: Path) -> list[str]:
    if not output.exists():
        return []
    lines = [line for line in output.read_text(errors="replace").splitlines() if _REQUEST not in line][-_LAST_LINES:]
    return ["", "The server's last lines:", *(f"    {line}" for line in lines)] if lines else []
