#pragma once

#include <sqlite3.h>

// SQLITE_TRANSIENT is a macro that Swift does not see: SQLite copies what is bound. A NULL would be bound as NULL, so what is empty
// has an address too.

/// Binds a text of so many bytes, which may hold zeros.
static inline int hecate_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, sqlite3_uint64 count) {
    return sqlite3_bind_text64(statement, index, count == 0 ? "" : text, count, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/// Binds so many bytes.
static inline int hecate_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_blob64(statement, index, count == 0 ? "" : bytes, count, SQLITE_TRANSIENT);
}
