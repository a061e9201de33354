CREATE TABLE clients (
  id                   TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  os_client_id         TEXT UNIQUE,
  name                 TEXT NOT NULL,
  github_org           TEXT NOT NULL,
  github_repo          TEXT NOT NULL,
  default_branch       TEXT NOT NULL DEFAULT 'main',
  default_branch_known INTEGER NOT NULL DEFAULT 0 CHECK (default_branch_known IN (0, 1)),
  directory            TEXT NOT NULL,
  created_at           TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at           TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX idx_clients_os_client_id ON clients (os_client_id);
CREATE INDEX idx_clients_github ON clients (github_org, github_repo);
CREATE UNIQUE INDEX clients_repository ON clients (lower(github_org), lower(github_repo));
CREATE UNIQUE INDEX clients_directory ON clients (lower(directory));

-- AUTOINCREMENT: a place in the queue is never given twice, even when the newest job was deleted.
CREATE TABLE jobs (
  seq               INTEGER PRIMARY KEY AUTOINCREMENT,
  id                TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
  client_id         TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  status            TEXT NOT NULL DEFAULT 'queued'
                    CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
  state             TEXT NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'preparing', 'working', 'publishing', 'cancelling',
                                     'completed', 'failed', 'cancelled')),
  revision          INTEGER NOT NULL DEFAULT 0,
  priority          INTEGER NOT NULL DEFAULT 0,
  crashes           INTEGER NOT NULL DEFAULT 0,
  branch_name       TEXT NOT NULL,
  title             TEXT,
  os_feature_id     TEXT,
  os_callback_url   TEXT,
  original_job_id   TEXT,
  worktree_path     TEXT,
  pid               INTEGER,
  session_id        TEXT,
  not_before        TEXT,
  started_at        TEXT,
  agent_finished_at TEXT,
  completed_at      TEXT,
  exit_code         INTEGER,
  model             TEXT,
  num_turns         INTEGER,
  input_tokens      INTEGER,
  output_tokens     INTEGER,
  cost_usd          REAL,
  duration_ms       INTEGER,
  commit_sha        TEXT,
  pr_url            TEXT,
  pr_number         INTEGER,
  files_changed     INTEGER,
  kept_ref          TEXT,
  created_at        TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at        TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  error_code        TEXT,
  error             TEXT,
  -- The long texts come last, so that the columns before them are read without their overflow pages.
  result_text       TEXT,
  prompt            TEXT NOT NULL
) STRICT;
CREATE INDEX idx_jobs_status ON jobs (status);
CREATE INDEX idx_jobs_client_id ON jobs (client_id);
CREATE INDEX idx_jobs_os_feature_id ON jobs (os_feature_id);
CREATE INDEX jobs_client_status ON jobs (client_id, status);
-- All that the queue policy asks for, of the few jobs that are not over: however many are, the queue is read from here.
CREATE INDEX jobs_active ON jobs (state, client_id, branch_name, priority, not_before, id)
  WHERE state IN ('queued', 'preparing', 'working', 'publishing', 'cancelling');

-- Kept by triggers, so that counting does not read every job there ever was.
CREATE TABLE job_counts (
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  state     TEXT NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (client_id, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER jobs_counted_on_insert AFTER INSERT ON jobs BEGIN
  INSERT INTO job_counts VALUES (new.client_id, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER jobs_counted_on_update AFTER UPDATE OF client_id, state ON jobs
WHEN (old.client_id, old.state) <> (new.client_id, new.state) BEGIN
  UPDATE job_counts SET n = n - 1 WHERE client_id = old.client_id AND state = old.state;
  INSERT INTO job_counts VALUES (new.client_id, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER jobs_counted_on_delete AFTER DELETE ON jobs BEGIN
  UPDATE job_counts SET n = n - 1 WHERE client_id = old.client_id AND state = old.state;
END;

-- Messages come in groups of one job, so the job is written once per group, and a line costs some 20 bytes beside its
-- content. `job_messages` shows them with the columns they are known by.
CREATE TABLE message_groups (
  last_seq  INTEGER PRIMARY KEY AUTOINCREMENT,
  first_seq INTEGER NOT NULL,
  job_seq   INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_job_messages_job_id ON message_groups (job_seq);
CREATE TABLE message_lines (
  seq     INTEGER PRIMARY KEY,
  type    INTEGER NOT NULL CHECK (type IN (0, 1, 2)), -- stdout, stderr, system
  at      INTEGER NOT NULL,                           -- milliseconds since 1970, UTC
  content TEXT NOT NULL
) STRICT;
CREATE TRIGGER message_groups_deleted AFTER DELETE ON message_groups BEGIN
  DELETE FROM message_lines WHERE seq BETWEEN old.first_seq AND old.last_seq;
END;
CREATE VIEW job_messages (id, job_id, type, content, created_at) AS
  SELECT CAST(line.seq AS TEXT), job.id,
         CASE line.type WHEN 0 THEN 'stdout' WHEN 1 THEN 'stderr' ELSE 'system' END,
         line.content,
         strftime('%Y-%m-%dT%H:%M:%S', line.at / 1000, 'unixepoch') || printf('.%03dZ', line.at % 1000)
  FROM jobs AS job
  JOIN message_groups AS grp ON grp.job_seq = job.seq
  JOIN message_lines AS line ON line.seq BETWEEN grp.first_seq AND grp.last_seq;

CREATE TABLE outbox (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  job_id      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  url         TEXT NOT NULL,
  event       TEXT NOT NULL,
  body        BLOB NOT NULL,
  created_at  TEXT NOT NULL,
  next_at     TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts    INTEGER NOT NULL,
  last_status INTEGER,
  last_error  TEXT
) STRICT;
CREATE INDEX outbox_job ON outbox (job_id);
CREATE INDEX outbox_pending ON outbox (next_at) WHERE state = 'pending';

CREATE TABLE holds (
  kind   TEXT PRIMARY KEY NOT NULL,
  reason TEXT NOT NULL,
  since  TEXT NOT NULL,
  until  TEXT
) STRICT, WITHOUT ROWID;
