-- The lines of a group in one row: written, read and kept for a fraction of what a row for each line takes.
-- `runs` is a JSON array of what was said at once, [[place in the group, type, milliseconds since 1970, [line, ...]], ...].
-- Groups of older versions have their lines in `message_lines`, until they are deleted.
CREATE TABLE message_blocks (
  last_seq INTEGER PRIMARY KEY,
  runs     BLOB NOT NULL
) STRICT;
CREATE TRIGGER message_groups_deleted_with_block AFTER DELETE ON message_groups BEGIN
  DELETE FROM message_blocks WHERE last_seq = old.last_seq;
END;
DROP VIEW job_messages;
CREATE VIEW job_messages (id, job_id, type, content, created_at) AS
  SELECT CAST(seq AS TEXT), job_id, CASE type WHEN 0 THEN 'stdout' WHEN 1 THEN 'stderr' ELSE 'system' END, content,
         strftime('%Y-%m-%dT%H:%M:%S', at / 1000, 'unixepoch') || printf('.%03dZ', at % 1000)
  FROM (
    SELECT job.id AS job_id, line.seq, line.type, line.at, line.content
    FROM jobs AS job
    JOIN message_groups AS grp ON grp.job_seq = job.seq
    JOIN message_lines AS line ON line.seq BETWEEN grp.first_seq AND grp.last_seq
    UNION ALL
    SELECT job.id, grp.first_seq + json_extract(run.value, '$[0]') + line.key, json_extract(run.value, '$[1]'),
           json_extract(run.value, '$[2]'), line.value
    FROM jobs AS job
    JOIN message_groups AS grp ON grp.job_seq = job.seq
    JOIN message_blocks AS block ON block.last_seq = grp.last_seq
    JOIN json_each(CAST(block.runs AS TEXT)) AS run
    JOIN json_each(run.value, '$[3]') AS line
  );
