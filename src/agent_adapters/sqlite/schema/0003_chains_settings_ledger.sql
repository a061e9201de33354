-- What differs from the default settings, as JSON; NULL: nothing. The values of `agent.env` are secrets and stand here in
-- the clear: nobody but the server's user may read this file (mode 0600) or a backup of it.
ALTER TABLE clients ADD COLUMN settings TEXT;

ALTER TABLE jobs ADD COLUMN follow_up_of TEXT;
ALTER TABLE jobs ADD COLUMN first_job_id TEXT;
ALTER TABLE jobs ADD COLUMN kind TEXT NOT NULL DEFAULT 'task';
ALTER TABLE jobs ADD COLUMN options TEXT; -- what differs from the default options, as JSON; NULL: nothing
ALTER TABLE jobs ADD COLUMN worktree_name TEXT; -- NULL: the id
ALTER TABLE jobs ADD COLUMN setup_at TEXT;
ALTER TABLE jobs ADD COLUMN agent_started_at TEXT;
ALTER TABLE jobs ADD COLUMN agent_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN run_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN check_rounds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN check_output TEXT;
ALTER TABLE jobs ADD COLUMN checks_passed_at TEXT;
ALTER TABLE jobs ADD COLUMN held_until TEXT;

-- Of earlier jobs only the last run is known, and of their agents what they said themselves.
UPDATE jobs SET
  worktree_name = id,
  agent_ms = coalesce(duration_ms, 0),
  run_ms = CASE
    WHEN state IN ('completed', 'failed', 'cancelled') AND started_at IS NOT NULL AND completed_at IS NOT NULL
    THEN max(0, CAST(round((julianday(completed_at) - julianday(started_at)) * 86400000) AS INTEGER))
    ELSE 0
  END;

-- From each retry up to the first job of its chain: the one whose own original is not there.
WITH RECURSIVE above (id, ancestor) AS (
  SELECT id, id FROM jobs WHERE original_job_id IS NOT NULL
  UNION ALL
  SELECT above.id, original.id
  FROM above
  JOIN jobs AS job ON job.id = above.ancestor
  JOIN jobs AS original ON original.id = job.original_job_id AND original.seq < job.seq
), first_of (id, first, seq) AS (
  SELECT above.id, job.id, min(job.seq) FROM above JOIN jobs AS job ON job.id = above.ancestor GROUP BY above.id
)
UPDATE jobs SET first_job_id = first_of.first FROM first_of WHERE jobs.id = first_of.id AND first_of.first <> jobs.id;

CREATE INDEX jobs_first_job_id ON jobs (first_job_id) WHERE first_job_id IS NOT NULL;

DROP INDEX jobs_active;
-- All that the queue policy asks for, of the few jobs that are not over: however many are, the queue is read from here.
CREATE INDEX jobs_active ON jobs (
  state, client_id, branch_name, priority, not_before, id, follow_up_of, crashes, worktree_path, agent_started_at,
  kind
) WHERE state IN ('queued', 'preparing', 'working', 'publishing', 'cancelling');

-- Sums of what finished jobs have used. No foreign key: they stay when the client is deleted.
CREATE TABLE ledger (
  day           TEXT NOT NULL, -- on which the jobs ended, in UTC
  client_id     TEXT NOT NULL,
  os_feature_id TEXT,
  model         TEXT,
  jobs          INTEGER NOT NULL,
  completed     INTEGER NOT NULL,
  failed        INTEGER NOT NULL,
  cancelled     INTEGER NOT NULL,
  wall_ms       INTEGER NOT NULL,
  agent_ms      INTEGER NOT NULL,
  num_turns     INTEGER NOT NULL,
  input_tokens  INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cost_usd      REAL NOT NULL
) STRICT;
-- One NULL is as good as another here; a blob is no text that could be meant by a caller.
CREATE UNIQUE INDEX ledger_key ON ledger (day, client_id, coalesce(os_feature_id, x''), coalesce(model, x''));
INSERT INTO ledger
SELECT substr(completed_at, 1, 10), client_id, os_feature_id, model, count(*),
       sum(state = 'completed'), sum(state = 'failed'), sum(state = 'cancelled'), sum(run_ms), sum(agent_ms),
       sum(coalesce(num_turns, 0)), sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0)),
       sum(coalesce(cost_usd, 0.0))
FROM jobs WHERE state IN ('completed', 'failed', 'cancelled') AND completed_at IS NOT NULL
GROUP BY 1, 2, 3, 4;

CREATE TABLE limit_windows (
  name      TEXT PRIMARY KEY NOT NULL,
  used      REAL NOT NULL, -- 1 is all
  resets_at TEXT,
  as_of     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The clients' virtual times, in seconds of agent time per share; the clock stands beside the empty id.
CREATE TABLE accounts (
  client_id TEXT PRIMARY KEY NOT NULL,
  time      REAL NOT NULL
) STRICT, WITHOUT ROWID;
