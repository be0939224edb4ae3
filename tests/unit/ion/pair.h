// SPDX-License-Identifier: Apache-2.0
//
// Both ends of a ring on one thread, with numbers as messages.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/ion/shared.h"

namespace ion_test {

inline constexpr ion::Geometry eight = ion::Geometry::of(8, 64);

struct Ring {
    explicit Ring(ion::Geometry geometry = eight)
        : memory(geometry), out(memory.base(), geometry), in(memory.base(), geometry) {}

    void push(uint64_t value) { ASSERT_TRUE(out.push(1, bytes_of(value))); }
    void fill(uint64_t from, uint32_t count) {
        for (uint32_t i = 0; i < count; ++i) {
            push(from + i);
        }
    }
    void take(uint64_t value) {
        auto message = in.peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(message->tag, 1u);
        ASSERT_EQ(message->payload.size(), sizeof value);
        EXPECT_EQ(read_as<uint64_t>(message->payload), value);
        ASSERT_TRUE(in.release());
    }

    Shared memory;
    ion::Producer out;
    ion::Consumer in;
};

template <class T>
ion::Errno why(const ion::Result<T>& result) {
    return result ? ion::Errno{0} : result.error();
}

} // namespace ion_test
