// SPDX-License-Identifier: Apache-2.0
//
// The frozen ABI: every size, offset and constant, from C and from C++, against numbers written down
// apart from the headers; and that none of the headers' names is missing there.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <span>
#include <sstream>
#include <string>

#include "abi/broadcast.h"
#include "abi/call.h"
#include "abi/console.h"
#include "abi/errno.h"
#include "abi/hal.h"
#include "abi/image.h"
#include "abi/ring.h"
#include "abi/systable.h"
#include "tests/unit/abi/seen.h"

namespace {

constexpr fact facts_in_cpp[] = {
#include "tests/unit/abi/facts.h"
};

void check(std::span<const fact> facts) {
    for (const fact& f : facts) {
        EXPECT_EQ(f.want, f.seen) << f.owner << "." << f.name;
        EXPECT_EQ(f.want_more, f.seen_more) << f.owner << "." << f.name << " (size or alignment)";
    }
}

TEST(Abi, NumbersInC) {
    ASSERT_EQ(facts_in_c_count, std::size(facts_in_cpp));
    check({facts_in_c, facts_in_c_count});
}

TEST(Abi, NumbersInCpp) {
    check(facts_in_cpp);
}

// Bytes between fields would hold whatever the stack held, and tell it to the other side.
TEST(Abi, NoPadding) {
    uint64_t end = 0;
    const fact* open = nullptr;
    for (const fact& f : facts_in_cpp) {
        if (f.kind == FACT_FIELD) {
            ASSERT_NE(open, nullptr);
            ASSERT_STREQ(f.owner, open->name);
            EXPECT_EQ(f.seen, end) << "a gap before " << f.owner << "." << f.name;
            end = f.seen + f.seen_more;
            continue;
        }
        if (open != nullptr) {
            EXPECT_EQ(open->seen, end) << "a gap at the end of " << open->name;
        }
        open = f.kind == FACT_STRUCT ? &f : nullptr;
        end = 0;
    }
}

// The two lines of a ring's header, its slots and what a slot holds keep off each other's cache lines.
TEST(Abi, RingLines) {
    EXPECT_EQ(sizeof(rumpk_ring_line), 64u);
    EXPECT_EQ(offsetof(rumpk_ring_header, consumer) % 64, 0u);
    EXPECT_EQ(RUMPK_RING_HEADER_SIZE % 64, 0u);
    EXPECT_EQ(RUMPK_SLOT_HEADER_SIZE % 16, 0u);
}

std::string without_comments(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return std::regex_replace(text.str(), std::regex(R"(/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)"), "");
}

std::set<std::string> all(const std::string& text, const char* pattern) {
    std::set<std::string> names;
    const std::regex wanted(pattern);
    for (auto it = std::sregex_iterator(text.begin(), text.end(), wanted); it != std::sregex_iterator();
         ++it) {
        names.insert((*it)[1]);
    }
    return names;
}

TEST(Abi, NothingIsLeftOut) {
    std::set<std::string> known;
    for (const fact& f : facts_in_cpp) {
        known.insert(f.name);
    }
    size_t names = 0;
    for (const char* header : {"errno", "systable", "call", "ring", "broadcast", "console", "image"}) {
        const std::string text = without_comments(std::string(RUMPK_SOURCE_DIR) + "/abi/" + header + ".h");
        ASSERT_FALSE(text.empty()) << header;
        for (const char* pattern :
             {R"(#define[ ]+(RUMPK_\w+)[ \\]+[^\s\\])",          // constants; no guards, no macros
              R"([\{,]\s*(RUMPK_\w+)\s*(?:=[^,\}]*)?(?=[,\}]))", // enumerators
              R"(struct (rumpk_\w+) \{)", R"(\n    (?:struct )?\w+ (\w+)(?:\[\w+\])?;)"}) { // fields
            for (const std::string& name : all(text, pattern)) {
                ++names;
                EXPECT_TRUE(known.contains(name))
                    << "abi/" << header << ".h: " << name << " is not in tests/unit/abi/facts.h";
            }
        }
    }
    EXPECT_GT(names, 200u) << "the patterns no longer find the headers' names";
}

} // namespace
