// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

// Takes a variable number of arguments, which Swift calls none of: whatever a damaged or hostile file holds, no statement
// may change the schema's own tables, and no view or trigger of it may call a function. Source: sqlite3_db_config(3).
static inline int csqlite_harden(sqlite3 *database) {
  int status = sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
  return status ? status : sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)0);
}
