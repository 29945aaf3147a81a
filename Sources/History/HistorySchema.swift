// SPDX-License-Identifier: Apache-2.0

/// The tables of a history, by the version that its file names.
///
/// Lines lie apart from the columns, so that a search reads columns alone. A row's number grows with the time at which it
/// was stored. Source: sqlite.org/pragma.html, "user_version" and "application_id".
enum HistorySchema {
  static let version: Int64 = 1
  /// "oomw".
  static let applicationID: Int64 = 0x6f6f_6d77

  /// What must be set before the first table.
  static let beforeTables = "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;"

  /// Nothing is lost but the last second where the power goes, and nothing is ever broken. The file of what is not in the
  /// database yet keeps no more room than it needs. Source: sqlite.org/wal.html.
  static let settings = """
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304;
    PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;
    """

  static let tables = """
    CREATE TABLE sources (
      id INTEGER PRIMARY KEY, host TEXT NOT NULL, boot_id TEXT NOT NULL, page_size INTEGER,
      UNIQUE (host, boot_id)
    ) STRICT;
    CREATE TABLE events (
      id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, order_ns INTEGER NOT NULL, has_time INTEGER NOT NULL,
      monotonic_ns INTEGER, source_id INTEGER NOT NULL, seq INTEGER NOT NULL, stored_s INTEGER NOT NULL,
      seen_by TEXT, decision_id INTEGER, pid INTEGER, tid INTEGER, start_ns INTEGER, comm TEXT,
      cgroup TEXT, unit TEXT, container_id TEXT, container TEXT, namespace TEXT, pod TEXT, pod_container TEXT, pod_uid TEXT,
      limit_cgroup TEXT, scope TEXT, points INTEGER, held_pages INTEGER, limit_pages INTEGER, detail TEXT
    ) STRICT;
    CREATE UNIQUE INDEX events_order ON events (type, order_ns, seq, source_id);
    CREATE INDEX events_process ON events (source_id, pid, order_ns) WHERE pid IS NOT NULL;
    CREATE TABLE lines (id INTEGER PRIMARY KEY, line BLOB NOT NULL) STRICT;
    CREATE TABLE memory (id INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
    PRAGMA application_id = \(applicationID);
    PRAGMA user_version = \(version);
    """

  static let insert = """
    INSERT OR IGNORE INTO events (type, order_ns, has_time, monotonic_ns, source_id, seq, stored_s, seen_by, decision_id,
      pid, tid, start_ns, comm, cgroup, unit, container_id, container, namespace, pod, pod_container, pod_uid,
      limit_cgroup, scope, points, held_pages, limit_pages, detail)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """
}
