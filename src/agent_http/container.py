"""The container: which adapter stands at which port, as the settings say."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any, ClassVar

from dependency_injector import containers, providers
from prometheus_client import CollectorRegistry

from agent_adapters.claude import ClaudeCodeAgent
from agent_adapters.command import CommandCodeAgent
from agent_adapters.git import GitRepoStore, GitWorkReader
from agent_adapters.github import GhPRHost
from agent_adapters.job_logs import JobLogFiles
from agent_adapters.old_job_logs import OldJobLogs
from agent_adapters.processes import SERVER_MARK, child_environment, end_leftovers
from agent_adapters.rehearsal import REHEARSAL_COMMAND, LocalPRHost
from agent_adapters.sqlite import (
    Database,
    SqliteAnswers,
    SqliteClientRepo,
    SqliteFeed,
    SqliteHoldRepo,
    SqliteJobRepo,
    SqliteLedger,
    SqliteMessageLog,
    SqliteOutbox,
)
from agent_adapters.webhook import AddressPolicy, SignatureFormat, SignedWebhook, Signer, callback_url_problem
from agent_adapters.workspace import LocalWorkspace
from agent_core.app import AgentCore
from agent_core.domain.secrets import Secrets
from agent_core.use_cases.config import CoreConfig
from agent_http.app import make_app
from agent_http.authority import Authority
from agent_http.crash_point import crash_point
from agent_http.docs_page import docs
from agent_http.free_bytes import FreeBytes
from agent_http.metrics import CountedNotifier, metrics
from agent_http.page import make_page
from agent_http.parts import below
from agent_http.settings import Settings
from agent_http.token_file import TokenFile
from agent_http.wrong_tokens import WrongTokens

log = logging.getLogger(__name__)


def server_id(database: Path) -> str:
    """Name the server by its database: its next start has the same name."""
    return hashlib.sha256(str(database.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def marked(environ: Mapping[str, str], name: str) -> Mapping[str, str]:
    """Mark the environment of the server's own children, so that the next start finds those that outlived it.

    A git that was late would write into the worktree of the run that goes on there.
    """
    return {**environ, SERVER_MARK: name}


@asynccontextmanager
async def without_leftovers(name: str, scratch: Path) -> AsyncIterator[None]:
    """End and remove what a former run of this server left behind, before the first job starts."""
    ended = await end_leftovers(name)
    if ended:
        log.warning("ended %d process(es) that a former server left behind", len(ended))
    await asyncio.to_thread(rmtree, scratch, ignore_errors=True)
    yield


class Container(containers.DeclarativeContainer):
    """One server. Every constructor is synchronous; the application enters and leaves the lifetimes."""

    settings = providers.Dependency(instance_of=Settings)
    environ = providers.Dependency(instance_of=Mapping)  # type: ignore[type-abstract]
    secrets = providers.Dependency(instance_of=Secrets)
    address = providers.Dependency(instance_of=tuple)
    """Host and port that the server listens on."""
    _set = settings.provided

    name = providers.Singleton(server_id, _set.db)
    marked_environ = providers.Singleton(marked, environ, name)
    database = providers.Singleton(Database, _set.db)
    _of_every_agent: ClassVar[Mapping[str, Any]] = {
        "pass_env": _set.pass_env,
        "server_id": name,
        "scratch": _set.scratch_dir,
        "job_timeout": _set.job_timeout.total_seconds.call(),
        "silence_timeout": _set.silence_timeout.total_seconds.call(),
    }
    _of_claude: ClassVar[Mapping[str, Any]] = {
        **_of_every_agent,
        "permission_mode": _set.permission_mode,
        "allowed_tools": _set.allowed_tools,
        "repo_trust": _set.repo_trust,
        "model": _set.model,
        "max_turns": _set.max_turns,
        "extra_args": _set.claude_args,
        "result_grace": _set.result_grace.total_seconds.call(),
    }
    agent = providers.Selector(
        _set.code_agent,
        claude=providers.Singleton(ClaudeCodeAgent, environ, **_of_claude),
        rehearsal=providers.Singleton(
            ClaudeCodeAgent, environ, command=REHEARSAL_COMMAND, soonest_reset=0.0, **_of_claude
        ),
        command=providers.Singleton(
            CommandCodeAgent,
            environ,
            template=_set.command,
            resume_template=_set.command_resume,
            **_of_every_agent,
        ),
    )
    workspace = providers.Singleton(
        LocalWorkspace,
        _set.client_files_dir,
        providers.Singleton(child_environment, environ, _set.pass_env, server_id=name),
    )
    repos = providers.Singleton(
        GitRepoStore,
        _set.repos_dir,
        _set.worktrees_dir,
        _set.private_dir,
        _set.git_remote,
        _set.git_author,
        environ=marked_environ,
    )
    prs = providers.Selector(
        _set.pr_host,
        github=providers.Singleton(GhPRHost, environ=marked_environ),
        local=providers.Singleton(LocalPRHost, _set.pulls_dir, _set.git_remote),
    )
    callback_policy = providers.Singleton(
        AddressPolicy,
        allow_private=_set.on_loopback,
        allowed_networks=_set.callback_allowed_networks,
        allow_http=_set.callback_allow_http,
        own=address,
    )
    registry = providers.Singleton(CollectorRegistry)
    notifier = providers.Singleton(
        CountedNotifier,
        providers.Singleton(
            SignedWebhook,
            providers.Singleton(
                Signer,
                _set.webhook_secret,
                _set.webhook_secret_old,
                providers.Factory(SignatureFormat, _set.webhook_signature_format),
            ),
            callback_policy,
        ),
        registry,
    )
    message_log = providers.Singleton(SqliteMessageLog, database, _set.message_bytes)
    free_disk = providers.Singleton(
        FreeBytes, providers.List(_set.worktrees_dir, _set.repos_dir, _set.db.parent), _set.min_free_disk
    )
    core = providers.Singleton(
        AgentCore,
        jobs=providers.Singleton(SqliteJobRepo, database),
        messages=providers.Singleton(JobLogFiles, message_log, _set.job_logs_dir),
        clients=providers.Singleton(SqliteClientRepo, database),
        outbox=providers.Singleton(SqliteOutbox, database),
        holds=providers.Singleton(SqliteHoldRepo, database),
        answers=providers.Singleton(SqliteAnswers, database),
        old_messages=providers.List(message_log, providers.Singleton(OldJobLogs, _set.job_logs_dir)),
        ledger=providers.Singleton(SqliteLedger, database),
        feed=providers.Singleton(SqliteFeed, database),
        repos=repos,
        reader=providers.Singleton(GitWorkReader, repos.provided.clones),
        workspace=workspace,
        agent=agent,
        prs=prs,
        notifier=notifier,
        config=providers.Singleton(
            CoreConfig,
            max_concurrent=_set.max_concurrent_jobs,
            max_queued=_set.max_queued_jobs,
            limit_reserve=_set.limit_reserve,
            min_free_disk=_set.min_free_disk,
            shutdown_timeout=_set.shutdown_timeout,
            message_age=_set.message_age,
        ),
        free_disk=free_disk,
        secrets=secrets,
        max_file_size=_set.max_file_size,
        url_problem=providers.Singleton(partial, callback_url_problem, policy=callback_policy),
        reached=providers.Singleton(crash_point, environ),
    )
    authority = providers.Singleton(Authority, _set.api_secret, providers.Singleton(TokenFile, _set.tokens_file))
    wrong_tokens = providers.Singleton(WrongTokens)
    page = providers.Singleton(
        make_page, core, authority, _set.api_secret, free_disk=free_disk, wrong_tokens=wrong_tokens
    )
    app = providers.Singleton(
        make_app,
        core,
        authority,
        parts=providers.List(
            providers.Singleton(metrics, core, registry),
            providers.Singleton(docs, core),
            providers.Singleton(below, "/ui", page),
        ),
        wrong_tokens=wrong_tokens,
        resources=providers.List(database, providers.Singleton(without_leftovers, name, _set.scratch_dir)),
    )
