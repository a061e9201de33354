"""`agent-server` as a client of a running server: each command speaks its REST API.

Nothing here imports aiohttp before a command needs it: `--help` and completion should be there at once.
"""

from collections.abc import Sequence

import click

from agent_cli.client import clients, jobs, logs, many, queue, submitting, usage, watch

COMMANDS: Sequence[click.Command] = (
    submitting.submit,
    jobs.jobs,
    jobs.show,
    watch.watch,
    logs.logs,
    many.cancel,
    many.retry,
    submitting.follow_up,
    submitting.publish,
    jobs.diff,
    queue.queue,
    clients.clients,
    usage.usage,
)
