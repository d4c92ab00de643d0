#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A regular expression. Does not change once it is made, and may be used by several threads at once.
typedef struct hecate_re2 hecate_re2;

/// A regular expression in RE2's syntax, which is Go's; the caller frees it. Where it is none, NULL, and RE2's reason as a C string
/// in `reason`, cut off at `capacity` bytes. Nothing is logged. `max_memory` bounds the bytes of the compiled expression and of what
/// it keeps while it is used.
hecate_re2 *hecate_re2_new(const char *pattern, size_t length, int64_t max_memory, char *reason, size_t capacity);

/// Frees one; NULL is nothing.
void hecate_re2_free(hecate_re2 *expression);

/// Whether it is found in a text, or is the whole of it; in time that is linear in the text.
int hecate_re2_matches(const hecate_re2 *expression, const char *text, size_t length, int is_whole);

#ifdef __cplusplus
}
#endif
