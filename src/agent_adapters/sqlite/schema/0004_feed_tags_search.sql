ALTER TABLE jobs ADD COLUMN tags TEXT; -- as JSON; NULL: none
ALTER TABLE jobs ADD COLUMN run_turns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN run_input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN run_output_tokens INTEGER NOT NULL DEFAULT 0;

CREATE INDEX jobs_created_at ON jobs (created_at);

-- Kept by triggers. No foreign key: it would want an index of its own to find what goes with a job.
CREATE TABLE job_tags (
  key     TEXT NOT NULL,
  value   TEXT NOT NULL,
  job_seq INTEGER NOT NULL,
  PRIMARY KEY (key, value, job_seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER jobs_tagged_on_insert AFTER INSERT ON jobs WHEN new.tags IS NOT NULL BEGIN
  INSERT OR IGNORE INTO job_tags SELECT key, value, new.seq FROM json_each(new.tags);
END;
CREATE TRIGGER jobs_tagged_on_update AFTER UPDATE OF tags ON jobs WHEN old.tags IS NOT new.tags BEGIN
  DELETE FROM job_tags WHERE (key, value, job_seq) IN (SELECT key, value, old.seq FROM json_each(old.tags));
  INSERT OR IGNORE INTO job_tags SELECT key, value, new.seq FROM json_each(new.tags);
END;
CREATE TRIGGER jobs_tagged_on_delete AFTER DELETE ON jobs WHEN old.tags IS NOT NULL BEGIN
  DELETE FROM job_tags WHERE (key, value, job_seq) IN (SELECT key, value, old.seq FROM json_each(old.tags));
END;

-- The words of the jobs. Not kept by triggers: SQLite before 3.44 lets none of them write here when it is told not to
-- trust the schema. Without positions (`detail`) and lengths (`columnsize`) it is a fifth of its size.
CREATE VIRTUAL TABLE job_texts USING fts5 (
  title, prompt, branch_name,
  content = 'jobs', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2',
  detail = none, columnsize = 0, prefix = '1 2'
);
INSERT INTO job_texts (job_texts, rank) VALUES ('hashsize', 16777216); -- many jobs at once are indexed in a third of the time
INSERT INTO job_texts (job_texts) VALUES ('rebuild');

-- What happened, but for the messages, which have their places in the same order.
CREATE TABLE feed (
  seq           INTEGER PRIMARY KEY AUTOINCREMENT,
  job_seq       INTEGER REFERENCES jobs (seq) ON DELETE CASCADE, -- NULL: a hold
  at            TEXT NOT NULL,
  -- Of a change of a job's state,
  state         TEXT,
  error         TEXT,
  error_code    TEXT,
  pr_url        TEXT,
  -- of what its agents have used until then,
  num_turns     INTEGER,
  input_tokens  INTEGER,
  output_tokens INTEGER,
  cost_usd      REAL,
  -- or of the hold that stands from then on; all NULL: none.
  kind          TEXT,
  reason        TEXT,
  since         TEXT,
  until         TEXT
) STRICT;
CREATE INDEX feed_job_seq ON feed (job_seq);
CREATE INDEX feed_at ON feed (at);

-- The next place. Both tables are asked, for `sqlite_sequence` does not know yet what the same statement has inserted.
CREATE VIEW feed_next (seq) AS
  SELECT 1 + max(coalesce((SELECT max(seq) FROM feed), 0),
                 coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name IN ('feed', 'message_groups')), 0));

-- So that nothing is stored without its entry. What an agent has used comes before the state that may be the last.
CREATE TRIGGER jobs_noted_on_insert AFTER INSERT ON jobs BEGIN
  INSERT INTO feed (seq, job_seq, at, state, error, error_code, pr_url)
  SELECT seq, new.seq, new.updated_at, new.state, new.error, new.error_code, new.pr_url FROM feed_next;
END;
CREATE TRIGGER jobs_noted_on_update
AFTER UPDATE OF state, num_turns, input_tokens, output_tokens, cost_usd, run_turns, run_input_tokens, run_output_tokens
ON jobs BEGIN
  INSERT INTO feed (seq, job_seq, at, num_turns, input_tokens, output_tokens, cost_usd)
  SELECT seq, new.seq, new.updated_at, coalesce(new.num_turns, 0) + new.run_turns,
         coalesce(new.input_tokens, 0) + new.run_input_tokens, coalesce(new.output_tokens, 0) + new.run_output_tokens,
         coalesce(new.cost_usd, 0.0)
  FROM feed_next
  WHERE coalesce(new.num_turns, 0) + new.run_turns <> coalesce(old.num_turns, 0) + old.run_turns
     OR coalesce(new.input_tokens, 0) + new.run_input_tokens <> coalesce(old.input_tokens, 0) + old.run_input_tokens
     OR coalesce(new.output_tokens, 0) + new.run_output_tokens <> coalesce(old.output_tokens, 0) + old.run_output_tokens
     OR coalesce(new.cost_usd, 0.0) <> coalesce(old.cost_usd, 0.0);
  INSERT INTO feed (seq, job_seq, at, state, error, error_code, pr_url)
  SELECT seq, new.seq, new.updated_at, new.state, new.error, new.error_code, new.pr_url
  FROM feed_next WHERE new.state <> old.state;
END;
