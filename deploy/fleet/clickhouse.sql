-- SPDX-License-Identifier: Apache-2.0
-- ClickHouse: a table that drops lines that came twice, and finds a host's week without reading the others'.

-- name: create
CREATE TABLE events (
  host LowCardinality(String), boot_id String, stream String, seq UInt64, time DateTime64(9, 'UTC'),
  type LowCardinality(String), scope LowCardinality(String), level LowCardinality(String),
  victim String, `limit` String, after_guard_action String, explanation String
) ENGINE = ReplacingMergeTree ORDER BY (host, boot_id, stream, seq);

-- name: load
INSERT INTO events SELECT * FROM file($files, 'JSONEachRow',
  'host String, boot_id String, stream String, seq UInt64, time DateTime64(9, \'UTC\'), type String, scope String, level String, victim String, `limit` String, after_guard_action String, explanation String')
SETTINGS date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1, input_format_json_read_objects_as_strings = 1;

-- name: top victims of the last seven days
SELECT JSONExtractString(victim, 'comm') AS comm, count() AS kills
FROM events FINAL WHERE type = 'oom_kill' AND time >= parseDateTimeBestEffort($now) - INTERVAL 7 DAY
GROUP BY comm ORDER BY kills DESC, comm LIMIT 10;

-- name: pods that outgrow their limit
SELECT concat(JSONExtractString(victim, 'kubernetes', 'namespace'), '/', JSONExtractString(victim, 'kubernetes', 'pod')) AS pod,
       count() AS kills, max(JSONExtractInt(`limit`, 'limit_pages')) * 4096 AS limit_bytes
FROM events FINAL WHERE type = 'oom_kill' AND scope = 'memcg' AND JSONHas(victim, 'kubernetes')
GROUP BY pod ORDER BY kills DESC, pod LIMIT 10;

-- name: hosts that thrash
SELECT host, count() AS critical
FROM events FINAL WHERE type = 'pressure' AND level = 'critical'
GROUP BY host ORDER BY critical DESC, host LIMIT 10;

-- name: kills in spite of a guard
SELECT host, count() AS kills
FROM events FINAL WHERE type = 'oom_kill' AND after_guard_action != ''
GROUP BY host ORDER BY kills DESC, host LIMIT 10;
