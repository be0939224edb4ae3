// SPDX-License-Identifier: Apache-2.0
//
// The unveil table: spelling of paths, longest prefix at component borders, the
// lock; and against a model that compares lists of components.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/unveil.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;

constexpr uint64_t r = RUMPK_RIGHT_READ;
constexpr uint64_t w = RUMPK_RIGHT_WRITE;
constexpr uint64_t x = RUMPK_RIGHT_EXEC;
constexpr uint64_t c = RUMPK_RIGHT_CREATE;

// All steps of one path in a row.
struct Unveil : UnveilTable {
    Result<void> add(std::string_view path, uint64_t rights) {
        const auto turn = begin();
        if (!turn) {
            return error(turn.error());
        }
        if (path.size() > RUMPK_PATH_MAX) {
            return error(Errno::toobig); // the call's to find out
        }
        for (size_t at = 0; at < path.size(); at += 7) {
            put(*turn, at, path.substr(at, 7));
        }
        return finish(*turn, path.size(), find(path.size()), rights);
    }
};

Errno why(const Result<void>& result) {
    return result ? Errno{0} : result.error();
}

Errno why(const Result<Rights>& result) {
    return result ? Errno{0} : result.error();
}

TEST(Path, OneSpelling) {
    for (const std::string path : {"/", "/a", "/a/b", "/.a", "/..a", "/a.", "/...", "/a b/ c", "/\x80\xff"}) {
        EXPECT_TRUE(check_path(path)) << path;
    }
    for (const std::string path : {"", "a", "a/b", "./a", "//", "//a", "/a//b", "/a/", "/.", "/..", "/./a",
                                   "/../a", "/a/.", "/a/..", "/a/./b", "/a/../b"}) {
        EXPECT_EQ(why(check_path(path)), Errno::inval) << path;
    }
    EXPECT_EQ(why(check_path(std::string_view("/a\0b", 4))), Errno::inval);
    EXPECT_EQ(why(check_path(std::string_view("\0", 1))), Errno::inval);
}

TEST(Path, Length) {
    const std::string longest = "/" + std::string(RUMPK_PATH_MAX - 1, 'a');
    EXPECT_TRUE(check_path(longest));
    EXPECT_EQ(why(check_path(longest + "a")), Errno::toobig);
}

TEST(UnveilTable, EverythingIsVisibleUntilTheFirstAdd) {
    Unveil table;
    EXPECT_TRUE(table.check("/anything", right_read | right_create));
    EXPECT_EQ(table.rights("/x")->bits(), r | w | x | c);
    ASSERT_TRUE(table.add("/data", r));
    EXPECT_EQ(why(table.check("/anything", right_read)), Errno::noent);
    EXPECT_TRUE(table.check("/data", right_read));
}

TEST(UnveilTable, LockedWithoutAnAddNothingIsVisible) {
    Unveil table;
    ASSERT_TRUE(table.lock());
    EXPECT_EQ(why(table.check("/anything", right_read)), Errno::noent);
}

TEST(UnveilTable, LongestPrefixAtComponentBorders) {
    Unveil table;
    ASSERT_TRUE(table.add("/data", r));
    ASSERT_TRUE(table.add("/data/log", r | w | c));
    ASSERT_TRUE(table.add("/data/log/old", r));
    EXPECT_EQ(table.rights("/data")->bits(), r);
    EXPECT_EQ(table.rights("/data/lo")->bits(), r);
    EXPECT_EQ(table.rights("/data/logs")->bits(), r);
    EXPECT_EQ(table.rights("/data/log")->bits(), r | w | c);
    EXPECT_EQ(table.rights("/data/log/x/y")->bits(), r | w | c);
    EXPECT_EQ(table.rights("/data/log/old")->bits(), r);
    EXPECT_EQ(table.rights("/data/log/older")->bits(), r | w | c);
    EXPECT_EQ(why(table.rights("/dat")), Errno::noent);
    EXPECT_EQ(why(table.rights("/database")), Errno::noent);
    EXPECT_EQ(why(table.rights("/")), Errno::noent);
    EXPECT_EQ(why(table.check("/data", right_write)), Errno::perm);
    EXPECT_EQ(why(table.check("/data/log/", right_read)), Errno::inval);
    EXPECT_EQ(why(table.check("/data/../etc", right_read)), Errno::inval);
}

TEST(UnveilTable, TheRootShowsEverything) {
    Unveil table;
    ASSERT_TRUE(table.add("/", r));
    ASSERT_TRUE(table.add("/secret", 0));
    EXPECT_EQ(table.rights("/")->bits(), r);
    EXPECT_EQ(table.rights("/a/b")->bits(), r);
    EXPECT_EQ(why(table.rights("/secret/key")), Errno::noent);
    EXPECT_EQ(table.rights("/secrets")->bits(), r);
}

TEST(UnveilTable, RightsOfAPathOnlyShrink) {
    Unveil table;
    ASSERT_TRUE(table.add("/a", r | w));
    EXPECT_EQ(why(table.add("/a", r | x)), Errno::perm);
    EXPECT_EQ(table.rights("/a")->bits(), r | w);
    EXPECT_TRUE(table.add("/a", r));
    EXPECT_EQ(table.rights("/a")->bits(), r);
    EXPECT_EQ(why(table.add("/a", r | w)), Errno::perm);
    EXPECT_EQ(why(table.add("/a", 16)), Errno::inval);
    EXPECT_EQ(why(table.add("/a", 1ULL << 32 | r)), Errno::inval);
}

TEST(UnveilTable, LockIsForEver) {
    Unveil table;
    ASSERT_TRUE(table.add("/a", r));
    EXPECT_FALSE(table.locked());
    EXPECT_TRUE(table.lock());
    EXPECT_TRUE(table.locked());
    EXPECT_EQ(why(table.lock()), Errno::perm);
    EXPECT_EQ(why(table.add("/a", r)), Errno::perm);
    EXPECT_EQ(why(table.add("/b", r)), Errno::perm);
    EXPECT_EQ(why(table.add("not a path", r)), Errno::perm);
    EXPECT_EQ(table.rights("/a")->bits(), r);
    EXPECT_EQ(why(table.rights("/b")), Errno::noent);
}

// A fiber is interrupted after every step by another that adds a path of its own, and then goes on.
TEST(UnveilTable, WhoIsInterruptedBeginsAgain) {
    for (int interrupted_after = 0; interrupted_after < 3; ++interrupted_after) {
        Unveil table;
        const std::string_view path = "/one/path";
        const auto turn = table.begin();
        ASSERT_TRUE(turn);
        const auto interrupt = [&](int step) {
            if (step == interrupted_after) {
                EXPECT_TRUE(table.add("/another", r | w));
            }
        };
        interrupt(0);
        table.put(*turn, 0, path);
        interrupt(1);
        const auto found = table.find(path.size());
        interrupt(2);
        EXPECT_EQ(why(table.finish(*turn, path.size(), found, r)), Errno::again);
        EXPECT_EQ(table.rights("/another")->bits(), r | w); // and nothing of the other's
        EXPECT_EQ(why(table.rights("/one/path")), Errno::noent);
        EXPECT_TRUE(table.add(path, r));
        EXPECT_TRUE(table.add("/another", w)); // still the one it was
        EXPECT_EQ(table.rights("/one/path")->bits(), r);
    }
}

TEST(UnveilTable, LockedInTheMiddle) {
    Unveil table;
    const auto turn = table.begin();
    table.put(*turn, 0, std::string_view("/a"));
    ASSERT_TRUE(table.lock());
    EXPECT_EQ(why(table.finish(*turn, 2, table.find(2), r)), Errno::again);
    EXPECT_EQ(why(table.add("/a", r)), Errno::perm);
}

TEST(UnveilTable, TakesThirtyTwoPaths) {
    Unveil table;
    const std::string longest(RUMPK_PATH_MAX - 3, 'p');
    for (unsigned i = 0; i < RUMPK_UNVEIL_MAX; ++i) {
        ASSERT_TRUE(table.add("/" + longest + std::to_string(10 + i), r)) << i;
    }
    EXPECT_EQ(why(table.add("/one/more", r)), Errno::toobig);
    EXPECT_TRUE(table.add("/" + longest + "10", 0));
    EXPECT_TRUE(table.check("/" + longest + "41", right_read));
}

// A path as its components; "/" has none.
std::vector<std::string> parts(const std::string& path) {
    std::vector<std::string> found;
    for (size_t at = 1; at < path.size();) {
        const size_t end = std::min(path.find('/', at), path.size());
        found.push_back(path.substr(at, end - at));
        at = end + 1;
    }
    return found;
}

std::optional<uint64_t> expected_rights(const std::map<std::vector<std::string>, uint64_t>& model,
                                        std::vector<std::string> path) {
    for (;;) {
        if (const auto found = model.find(path); found != model.end()) {
            return found->second != 0 ? std::optional(found->second) : std::nullopt;
        }
        if (path.empty()) {
            return std::nullopt;
        }
        path.pop_back();
    }
}

std::string random_path(core_test::Random& random) {
    std::string path;
    for (uint64_t depth = random.below(4); depth > 0; --depth) {
        path += std::string("/") + "ab"[random.below(2)];
        if (random.one_in(3)) {
            path += 'a';
        }
    }
    return path.empty() ? "/" : path;
}

TEST(UnveilTable, AgreesWithAModelOfComponents) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    core_test::Random random(seed);
    for (int run = 0; run < 3'000; ++run) {
        Unveil table;
        std::map<std::vector<std::string>, uint64_t> model;
        for (int step = 0; step < 20; ++step) {
            const std::string path = random_path(random);
            const uint64_t rights = random.below(16);
            const auto there = model.find(parts(path));
            const bool grows = there != model.end() && (rights & ~there->second) != 0;
            ASSERT_EQ(why(table.add(path, rights)), grows ? Errno::perm : Errno{0}) << path;
            if (!grows) {
                model[parts(path)] = rights;
            }
        }
        for (int look = 0; look < 50; ++look) {
            const std::string path = random_path(random);
            const auto expected = expected_rights(model, parts(path));
            const auto held = table.rights(path);
            ASSERT_EQ(held.has_value(), expected.has_value()) << path;
            if (expected) {
                ASSERT_EQ(held->bits(), *expected) << path;
            }
        }
    }
}

} // namespace
