-- SPDX-License-Identifier: Apache-2.0
-- PostgreSQL: the line as it is, with what is searched for in columns. A line that came twice is kept once.

-- name: create
CREATE TABLE events (
  host text, boot_id text, stream text, seq bigint, time timestamptz, type text, line jsonb,
  PRIMARY KEY (host, boot_id, stream, seq)
);
CREATE INDEX ON events (type, time);
-- The line itself: no byte of JSON is \x01 or \x02.
CREATE UNLOGGED TABLE incoming (line jsonb);

-- name: load
\copy incoming from $files csv quote e'\x01' delimiter e'\x02'
INSERT INTO events
SELECT line->>'host', line->>'boot_id', line->>'stream', (line->>'seq')::bigint, (line->>'time')::timestamptz, line->>'type', line
FROM incoming ON CONFLICT DO NOTHING;
TRUNCATE incoming;

-- name: top victims of the last seven days
SELECT line->'victim'->>'comm' AS comm, count(*) AS kills
FROM events WHERE type = 'oom_kill' AND time >= $now::timestamptz - interval '7 days'
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10;

-- name: pods that outgrow their limit
SELECT (line->'victim'->'kubernetes'->>'namespace') || '/' || (line->'victim'->'kubernetes'->>'pod') AS pod, count(*) AS kills,
       max((line->'limit'->>'limit_pages')::bigint) * 4096 AS limit_bytes
FROM events WHERE type = 'oom_kill' AND line->>'scope' = 'memcg' AND line->'victim' ? 'kubernetes'
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10;

-- name: hosts that thrash
SELECT host, count(*) AS critical
FROM events WHERE type = 'pressure' AND line->>'level' = 'critical'
GROUP BY host ORDER BY 2 DESC, 1 LIMIT 10;

-- name: kills in spite of a guard
SELECT host, count(*) AS kills
FROM events WHERE type = 'oom_kill' AND line ? 'after_guard_action'
GROUP BY host ORDER BY 2 DESC, 1 LIMIT 10;
