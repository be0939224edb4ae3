// SPDX-License-Identifier: Apache-2.0
//
// What the test programs share: one line a check, and an exit code that says whether all held.
#pragma once

#include <cstdio>

namespace test {

inline int failures = 0;

// Prints `ok name` or `FAILED name`; gives back what it was told.
inline bool check(const char* name, bool held) {
    std::printf("%s %s\n", held ? "ok" : "FAILED", name);
    failures += !held;
    return held;
}

// The same of two numbers, which are shown if they differ.
inline bool equal(const char* name, long long got, long long wanted) {
    if (got != wanted) {
        std::printf("FAILED %s: got %lld, wanted %lld\n", name, got, wanted);
        ++failures;
        return false;
    }
    return check(name, true);
}

// For main's return.
inline int result() {
    return failures == 0 ? 0 : 1;
}

} // namespace test
