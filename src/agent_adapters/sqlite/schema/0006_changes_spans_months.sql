-- Which jobs were added, changed or deleted of late, in order: whoever remembers sets of jobs asks what came after.
CREATE TABLE job_changes (
  place     INTEGER PRIMARY KEY, -- without a gap; the last one is never forgotten
  job_seq   INTEGER NOT NULL,
  of_status INTEGER NOT NULL CHECK (of_status IN (0, 1)) -- 1: of the status alone
) STRICT;
CREATE TRIGGER jobs_changed_on_insert AFTER INSERT ON jobs BEGIN
  INSERT INTO job_changes (job_seq, of_status) VALUES (new.seq, 0);
END;
CREATE TRIGGER jobs_changed_on_update
AFTER UPDATE OF client_id, os_feature_id, created_at, tags, title, prompt, branch_name ON jobs BEGIN
  INSERT INTO job_changes (job_seq, of_status) VALUES (new.seq, 0);
END;
CREATE TRIGGER jobs_changed_on_status AFTER UPDATE OF status ON jobs WHEN old.status <> new.status BEGIN
  INSERT INTO job_changes (job_seq, of_status) VALUES (new.seq, 1);
END;
CREATE TRIGGER jobs_changed_on_delete AFTER DELETE ON jobs BEGIN
  INSERT INTO job_changes (job_seq, of_status) VALUES (old.seq, 0);
END;
CREATE TRIGGER job_changes_forgotten AFTER INSERT ON job_changes WHEN new.place & 1023 = 0 BEGIN
  DELETE FROM job_changes WHERE place <= new.place - 8192;
END;

-- Between which times the jobs were made whose places are in a block of 512. Deleted ones may have been in it.
CREATE TABLE job_spans (
  block    INTEGER PRIMARY KEY, -- seq >> 9
  first_at TEXT NOT NULL,
  last_at  TEXT NOT NULL
) STRICT;
INSERT INTO job_spans
SELECT seq >> 9, min(created_at), max(created_at) FROM jobs INDEXED BY jobs_created_at GROUP BY 1;
CREATE TRIGGER jobs_spanned_on_insert AFTER INSERT ON jobs BEGIN
  INSERT INTO job_spans VALUES (new.seq >> 9, new.created_at, new.created_at) ON CONFLICT DO UPDATE
  SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at);
END;
CREATE TRIGGER jobs_spanned_on_update AFTER UPDATE OF created_at ON jobs BEGIN
  INSERT INTO job_spans VALUES (new.seq >> 9, new.created_at, new.created_at) ON CONFLICT DO UPDATE
  SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at);
END;

-- The days of the ledger in months.
CREATE TABLE ledger_months (
  month         TEXT NOT NULL, -- its first day
  client_id     TEXT NOT NULL,
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
CREATE UNIQUE INDEX ledger_months_key ON ledger_months (month, client_id, coalesce(model, x''));
INSERT INTO ledger_months
SELECT substr(day, 1, 8) || '01', client_id, model, sum(jobs), sum(completed), sum(failed), sum(cancelled), sum(wall_ms),
       sum(agent_ms), sum(num_turns), sum(input_tokens), sum(output_tokens), sum(cost_usd)
FROM ledger_days GROUP BY 1, 2, 3;
