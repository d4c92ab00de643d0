#include "cre2.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>

struct hecate_re2 {
    re2::RE2 expression;

    hecate_re2(const re2::StringPiece &pattern, const re2::RE2::Options &options) : expression(pattern, options) {}
};

// No exception leaves this file: those of the C++ library (no memory) are no match, or a reason.

static void tell(const char *words, char *reason, size_t capacity) {
    if (capacity == 0) return;
    size_t length = std::min(std::strlen(words), capacity - 1);
    std::memcpy(reason, words, length);
    reason[length] = 0;
}

hecate_re2 *hecate_re2_new(const char *pattern, size_t length, int64_t max_memory, char *reason, size_t capacity) {
    try {
        re2::RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(max_memory);
        auto made = std::make_unique<hecate_re2>(re2::StringPiece(pattern, length), options);
        if (made->expression.ok()) return made.release();
        tell(made->expression.error().c_str(), reason, capacity);
    } catch (const std::exception &error) {
        tell(error.what(), reason, capacity);
    }
    return nullptr;
}

void hecate_re2_free(hecate_re2 *expression) { delete expression; }

int hecate_re2_matches(const hecate_re2 *expression, const char *text, size_t length, int is_whole) {
    try {
        auto anchor = is_whole ? re2::RE2::ANCHOR_BOTH : re2::RE2::UNANCHORED;
        return expression->expression.Match(re2::StringPiece(text, length), 0, length, anchor, nullptr, 0);
    } catch (const std::exception &) {
        return 0;
    }
}
