-- How many jobs of a client have a status, by blocks of 4096 places: so a page far down is found without going through
-- all the jobs before it.
CREATE TABLE job_blocks (
  block     INTEGER NOT NULL, -- seq >> 12
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  status    TEXT NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (block, client_id, status)
) STRICT, WITHOUT ROWID;
INSERT INTO job_blocks
SELECT seq >> 12, client_id, status, count(*) FROM jobs INDEXED BY jobs_client_status GROUP BY 1, 2, 3;
CREATE TRIGGER jobs_placed_on_insert AFTER INSERT ON jobs BEGIN
  INSERT INTO job_blocks VALUES (new.seq >> 12, new.client_id, new.status, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER jobs_placed_on_update AFTER UPDATE OF client_id, status ON jobs
WHEN (old.client_id, old.status) <> (new.client_id, new.status) BEGIN
  UPDATE job_blocks SET n = n - 1
  WHERE (block, client_id, status) = (old.seq >> 12, old.client_id, old.status);
  INSERT INTO job_blocks VALUES (new.seq >> 12, new.client_id, new.status, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER jobs_placed_on_delete AFTER DELETE ON jobs BEGIN
  UPDATE job_blocks SET n = n - 1
  WHERE (block, client_id, status) = (old.seq >> 12, old.client_id, old.status);
END;

-- In which blocks of 4096 places of the feed there is something of a client, or of a hold (the empty id): so what is
-- read of one client does not go through all that others have said. A block may have been forgotten meanwhile.
CREATE TABLE feed_blocks (
  client_id TEXT NOT NULL,
  block     INTEGER NOT NULL, -- seq >> 12; of a group of messages, of its last one
  PRIMARY KEY (client_id, block)
) STRICT, WITHOUT ROWID;
INSERT INTO feed_blocks
SELECT DISTINCT job.client_id, grp.last_seq >> 12
FROM jobs AS job INDEXED BY idx_jobs_client_id CROSS JOIN message_groups AS grp ON grp.job_seq = job.seq;
INSERT OR IGNORE INTO feed_blocks
SELECT DISTINCT coalesce(job.client_id, ''), feed.seq >> 12 FROM feed LEFT JOIN jobs AS job ON job.seq = feed.job_seq;
CREATE TRIGGER feed_placed_on_insert AFTER INSERT ON feed BEGIN
  INSERT INTO feed_blocks VALUES (coalesce((SELECT client_id FROM jobs WHERE seq = new.job_seq), ''), new.seq >> 12)
  ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER message_groups_placed_on_insert AFTER INSERT ON message_groups BEGIN
  INSERT INTO feed_blocks SELECT client_id, new.last_seq >> 12 FROM jobs WHERE seq = new.job_seq
  ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER clients_left_the_feed AFTER DELETE ON clients BEGIN
  DELETE FROM feed_blocks WHERE client_id = old.id;
END;

-- The ledger without its features: a year of it is a few lines a day.
CREATE TABLE ledger_days (
  day           TEXT NOT NULL,
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
CREATE UNIQUE INDEX ledger_days_key ON ledger_days (day, client_id, coalesce(model, x''));
INSERT INTO ledger_days
SELECT day, client_id, model, sum(jobs), sum(completed), sum(failed), sum(cancelled), sum(wall_ms), sum(agent_ms),
       sum(num_turns), sum(input_tokens), sum(output_tokens), sum(cost_usd)
FROM ledger GROUP BY day, client_id, model;
