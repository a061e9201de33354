"""Fills the server's database with a history: finished jobs, their messages and their callbacks, made inside SQLite.

It knows this server's schema; for another server's there is --seed-cmd.
"""

import sqlite3
import time
from pathlib import Path

from benchmarks.sample import Json

CLIENTS = 8
PROMPT = "Implement the Quotes tab on the Site detail view. Follow the patterns of the Notes tab; add tests. " * 4
BULK = "journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "foreign_keys=OFF", "temp_store=MEMORY"
# It is put up again at the end, and what these triggers would do for each job is done for all at once. The feed tells
# nothing of a history: it would have been forgotten.
IN_THE_WAY = """
SELECT type, name, sql FROM sqlite_master
WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('jobs', 'message_groups', 'outbox', 'ledger')
   OR type = 'trigger' AND name IN ('jobs_noted_on_insert', 'jobs_tagged_on_insert', 'jobs_changed_on_insert')
"""
LAST_JOB = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'jobs'"
LAST_PLACE = "SELECT seq - 1 FROM feed_next"
JOBS = """
WITH RECURSIVE
  n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :jobs - 1),
  m AS (SELECT i, CASE WHEN i % 50 = 0 THEN 'cancelled' WHEN i % 12 = 0 THEN 'failed' ELSE 'completed' END AS s,
               strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || (:year - i * :year / :jobs + 3600) || ' seconds') AS t
        FROM n)
INSERT INTO jobs (seq, client_id, status, state, revision, prompt, branch_name, title, os_feature_id, os_callback_url,
                  worktree_path, pid, started_at, agent_finished_at, completed_at, exit_code, model, num_turns,
                  agent_ms, run_ms, input_tokens, output_tokens, cost_usd, result_text, error_code, error, pr_url,
                  pr_number, files_changed, tags, created_at, updated_at)
SELECT :first_job + i, printf('seedclient%02d', i % :clients), s, s, 6, :prompt, 'feature/seed-' || i,
       'Seed job ' || i, lower(hex(randomblob(16))), 'https://os.example/hooks/' || i,
       '/srv/worktrees/seed/job-' || i, 1000 + i % 30000, t, t, t, iif(s = 'failed', 1, 0), 'rig', 9,
       480000, 500000, 90000, 4000, 0.25, substr(:prompt, 200), iif(s = 'failed', 'agent_failed', NULL),
       iif(s = 'failed', 'The agent exited with code 1', NULL),
       iif(s = 'completed', 'https://github.com/rig/seed/pull/' || i, NULL), iif(s = 'completed', i, NULL),
       iif(s = 'completed', i % 20, NULL), json_object('stage', 'seed', 'batch', 'b' || i / 100), t, t
FROM m
"""
TAGS = """
INSERT INTO job_tags SELECT tag.key, tag.value, jobs.seq FROM jobs, json_each(jobs.tags) AS tag
WHERE jobs.seq >= :first_job ORDER BY 1, 2, 3
"""
WORDS = """
INSERT INTO job_texts (rowid, title, prompt, branch_name)
SELECT seq, title, prompt, branch_name FROM jobs WHERE seq >= :first_job
"""
LEDGER = """
INSERT INTO ledger
SELECT substr(completed_at, 1, 10), client_id, os_feature_id, model, count(*), sum(state = 'completed'),
       sum(state = 'failed'), sum(state = 'cancelled'), sum(run_ms), sum(agent_ms), sum(num_turns), sum(input_tokens),
       sum(output_tokens), sum(cost_usd)
FROM jobs WHERE seq >= :first_job GROUP BY 1, 2, 3, 4
"""
DAYS = (
    "DELETE FROM ledger_days",
    """
INSERT INTO ledger_days
SELECT day, client_id, model, sum(jobs), sum(completed), sum(failed), sum(cancelled), sum(wall_ms), sum(agent_ms),
       sum(num_turns), sum(input_tokens), sum(output_tokens), sum(cost_usd)
FROM ledger GROUP BY 1, 2, 3
""",
)
MONTHS = (
    "DELETE FROM ledger_months",
    """
INSERT INTO ledger_months
SELECT substr(day, 1, 8) || '01', client_id, model, sum(jobs), sum(completed), sum(failed), sum(cancelled),
       sum(wall_ms), sum(agent_ms), sum(num_turns), sum(input_tokens), sum(output_tokens), sum(cost_usd)
FROM ledger_days GROUP BY 1, 2, 3
""",
)
GROUPS = """
INSERT INTO message_groups (first_seq, last_seq, job_seq)
SELECT :first_line + (seq - :first_job) * :each, :first_line + (seq - :first_job + 1) * :each - 1, seq
FROM jobs WHERE seq >= :first_job
"""
LINES = """
WITH RECURSIVE p(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM p WHERE x < :each - 1)
INSERT INTO message_blocks (last_seq, runs)
SELECT g.last_seq, CAST(json_group_array(json_array(x, iif(x % 20 = 19, 1, 0), 1700000000000 + g.first_seq + x,
       json_array('Step ' || x || ': read src/components/site/detail.tsx and edited the tab list as asked'))) AS BLOB)
FROM message_groups AS g CROSS JOIN p WHERE g.first_seq >= :first_line
GROUP BY g.last_seq
"""
CALLBACKS = """
INSERT INTO outbox (id, job_id, url, event, body, created_at, next_at, state, attempts)
SELECT 'msg_' || id, id, os_callback_url, 'job.' || status, CAST(:body AS BLOB), completed_at, completed_at,
       'delivered', 1
FROM jobs WHERE seq >= :first_job
"""


def seed(database: Path, jobs: int, messages: int) -> Json:
    """Add so many finished jobs, spread over a year, each with its share of the messages. The server must not run."""
    begin, before = time.monotonic(), database.stat().st_size
    db = sqlite3.connect(database, isolation_level=None)
    (mode,) = db.execute("PRAGMA journal_mode").fetchone()
    for pragma in BULK:
        db.execute("PRAGMA " + pragma)
    in_the_way = db.execute(IN_THE_WAY).fetchall()
    for kind, name, _ in in_the_way:
        db.execute(f'DROP {kind} "{name}"')
    last_job, last_line = (db.execute(asked).fetchone()[0] for asked in (LAST_JOB, LAST_PLACE))
    values = {
        "jobs": jobs,
        "each": messages // jobs,
        "first_job": last_job + 1,
        "first_line": last_line + 1,
        "year": 365 * 86400,
        "clients": CLIENTS,
        "prompt": PROMPT,
        "body": PROMPT,
    }
    db.execute("BEGIN")
    for i in range(CLIENTS):
        db.execute(
            "INSERT OR IGNORE INTO clients (id, name, github_org, github_repo, directory) VALUES (?, ?, 'rig', ?, ?)",
            (f"seedclient{i:02d}", f"Seed client {i}", f"seed{i}", f"seed{i}.git"),
        )
    said = (GROUPS, LINES) if messages >= jobs else ()
    for statement in (JOBS, TAGS, WORDS, LEDGER, *DAYS, *MONTHS, *said, CALLBACKS):
        db.execute(statement, values)
    db.execute("COMMIT")
    for *_, sql in in_the_way:
        db.execute(sql)
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"PRAGMA journal_mode={mode}")
    asked = ("SELECT count(*) FROM jobs", "SELECT sum(last_seq - first_seq + 1) FROM message_groups")
    counts = [db.execute(question).fetchone()[0] or 0 for question in asked]
    db.close()
    return {
        "jobs": counts[0],
        "messages": counts[1],
        "seconds": round(time.monotonic() - begin, 1),
        "bytes_per_job": round((database.stat().st_size - before) / jobs),
    }
