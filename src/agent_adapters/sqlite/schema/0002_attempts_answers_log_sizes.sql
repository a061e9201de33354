-- Every attempt of a callback, oldest first: [{"at": "...", "status": 503, "error": "..."}].
ALTER TABLE outbox ADD COLUMN history TEXT NOT NULL DEFAULT '[]';
ALTER TABLE outbox DROP COLUMN last_status;
ALTER TABLE outbox DROP COLUMN last_error;

-- How many bytes the agent has said in this job until the end of the group; more than allowed: the log is closed.
ALTER TABLE message_groups ADD COLUMN job_bytes INTEGER NOT NULL DEFAULT 0;

CREATE TABLE answers (
  key         TEXT PRIMARY KEY NOT NULL,
  fingerprint TEXT NOT NULL,
  content     BLOB NOT NULL,
  created_at  TEXT NOT NULL
) STRICT;
CREATE INDEX answers_created_at ON answers (created_at);
