-- SPDX-License-Identifier: Apache-2.0
-- DuckDB over the NDJSON of any number of hosts. A line that came twice is kept once.

-- name: load
CREATE TABLE events AS
SELECT host, boot_id, stream, seq, any_value(time) AS time, any_value(type) AS type, any_value(scope) AS scope,
       any_value(level) AS level, any_value(victim) AS victim, any_value("limit") AS "limit",
       any_value(after_guard_action) AS after_guard_action, any_value(explanation) AS explanation
FROM read_json($files, format = 'newline_delimited', maximum_object_size = 4194304, columns = {
  host: 'VARCHAR', boot_id: 'VARCHAR', stream: 'VARCHAR', seq: 'UBIGINT', time: 'TIMESTAMP', type: 'VARCHAR',
  scope: 'VARCHAR', level: 'VARCHAR', victim: 'JSON', "limit": 'JSON', after_guard_action: 'JSON', explanation: 'VARCHAR'})
GROUP BY host, boot_id, stream, seq;

-- name: top victims of the last seven days
SELECT victim->>'comm' AS comm, count(*) AS kills
FROM events WHERE type = 'oom_kill' AND time >= $now::TIMESTAMP - INTERVAL 7 DAY
GROUP BY comm ORDER BY kills DESC, comm LIMIT 10;

-- name: pods that outgrow their limit
SELECT (victim->'kubernetes'->>'namespace') || '/' || (victim->'kubernetes'->>'pod') AS pod, count(*) AS kills,
       max(("limit"->>'limit_pages')::BIGINT) * 4096 AS limit_bytes
FROM events WHERE type = 'oom_kill' AND scope = 'memcg' AND (victim->'kubernetes') IS NOT NULL
GROUP BY pod ORDER BY kills DESC, pod LIMIT 10;

-- name: hosts that thrash
SELECT host, count(*) AS critical
FROM events WHERE type = 'pressure' AND level = 'critical'
GROUP BY host ORDER BY critical DESC, host LIMIT 10;

-- name: kills in spite of a guard
SELECT host, count(*) AS kills
FROM events WHERE type = 'oom_kill' AND after_guard_action IS NOT NULL
GROUP BY host ORDER BY kills DESC, host LIMIT 10;
