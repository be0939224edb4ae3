// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/flat_tree.h"

#include <gtest/gtest.h>
#include <libfdt.h>

#include "tests/unit/hal/tree_model.h"

using namespace rumpk::hal;
using namespace hal_test;

namespace {

const char* open_problem(Blob& blob) {
    FlatTree tree;
    const char* problem = tree.open(blob.data(), blob.size());
    if (problem != nullptr) {
        EXPECT_EQ(tree.next(), TreeToken::broken);
    }
    return problem;
}

// The first problem on the way through, nullptr if it comes to the end.
const char* walk_problem(Blob& blob) {
    FlatTree tree;
    if (const char* problem = tree.open(blob.data(), blob.size())) {
        return problem;
    }
    for (;;) {
        TreeToken token = tree.next();
        if (token == TreeToken::end) {
            EXPECT_EQ(tree.next(), TreeToken::end);
            return nullptr;
        }
        if (token == TreeToken::broken) {
            EXPECT_EQ(tree.next(), TreeToken::broken);
            return tree.problem();
        }
    }
}

Blob structure(std::initializer_list<uint32_t> tokens) {
    return Flattener().assemble(words(tokens), text("a"));
}

constexpr uint32_t begin = 1, end_node = 2, property = 3, nop = 4, end = 9;

TEST(FlatTree, SaysWhatLibfdtSays) {
    Blob blob = flatten(virt({0, 1, 5}));
    FlatTree tree;
    ASSERT_EQ(tree.open(blob.data(), blob.size()), nullptr);
    const void* fdt = blob.data();
    ASSERT_EQ(fdt_check_header(fdt), 0);
    int next = 0;
    int properties = 0;
    for (;;) {
        int offset = next;
        uint32_t tag = fdt_next_tag(fdt, offset, &next);
        TreeToken token = tree.next();
        if (tag == FDT_END) {
            EXPECT_EQ(token, TreeToken::end);
            break;
        }
        if (tag == FDT_BEGIN_NODE) {
            ASSERT_EQ(token, TreeToken::node);
            EXPECT_STREQ(tree.name(), fdt_get_name(fdt, offset, nullptr));
        } else if (tag == FDT_END_NODE) {
            ASSERT_EQ(token, TreeToken::node_end);
        } else {
            ASSERT_EQ(tag, uint32_t{FDT_PROP});
            ASSERT_EQ(token, TreeToken::property);
            const char* name = nullptr;
            int length = 0;
            const void* data = fdt_getprop_by_offset(fdt, offset, &name, &length);
            EXPECT_STREQ(tree.name(), name);
            EXPECT_EQ(tree.length(), static_cast<uint32_t>(length));
            EXPECT_EQ(tree.data(), data);
            ++properties;
        }
    }
    EXPECT_GT(properties, 50);
}

TEST(FlatTree, RefusesHeaders) {
    Blob good = flatten(virt());
    EXPECT_EQ(open_problem(good), nullptr);
    EXPECT_EQ(FlatTree::total_size(good.data()), good.size());

    auto with = [](uint32_t word, uint32_t value) {
        Blob blob = flatten(virt());
        blob.set_header(word, value);
        return open_problem(blob);
    };
    namespace h = header_word;
    auto size = static_cast<uint32_t>(good.size());
    EXPECT_STREQ(with(h::magic, 0xd00dfeee), "no device tree there");
    EXPECT_STREQ(with(h::total, size + 1), "impossible size");
    EXPECT_STREQ(with(h::total, 39), "impossible size");
    EXPECT_STREQ(with(h::total, 0xffffffff), "impossible size");
    EXPECT_STREQ(with(h::version, 16), "unknown version");
    EXPECT_STREQ(with(h::last_compatible, 18), "unknown version");
    for (uint32_t word : {h::structure, h::strings, h::reservations}) {
        EXPECT_STREQ(with(word, size + 8), "a block lies outside");
        EXPECT_STREQ(with(word, 0xfffffff8), "a block lies outside");
    }
    for (uint32_t word : {h::structure_size, h::strings_size}) {
        EXPECT_STREQ(with(word, size), "a block lies outside");
        EXPECT_STREQ(with(word, 0xfffffffc), "a block lies outside");
    }
    EXPECT_STREQ(with(h::structure, good.header(h::structure) + 2), "a block lies outside");
    EXPECT_STREQ(with(h::reservations, 44), "a block lies outside");
    EXPECT_STREQ(with(h::strings_size, good.header(h::strings_size) - 1), "a name has no end");
}

TEST(FlatTree, RefusesEveryTruncation) {
    Blob whole = flatten(virt());
    FlatTree tree;
    for (size_t size = 0; size < whole.size(); ++size) {
        Blob cut(Bytes(whole.bytes(), whole.bytes() + size));
        if (size < FlatTree::header_size) {
            EXPECT_STREQ(tree.open(cut.data(), size), "no device tree there");
        } else {
            EXPECT_STREQ(tree.open(cut.data(), size), "impossible size");
            cut.set_header(header_word::total, static_cast<uint32_t>(size));
            EXPECT_NE(walk_problem(cut), nullptr);
        }
    }
}

TEST(FlatTree, WalksStructures) {
    Blob smallest = structure({begin, 0, end_node, end});
    EXPECT_EQ(walk_problem(smallest), nullptr);
    Blob nops = structure({nop, begin, 0, nop, property, 0, 0, nop, end_node, nop, end});
    EXPECT_EQ(walk_problem(nops), nullptr);
}

TEST(FlatTree, RefusesStructures) {
    auto problem = [](std::initializer_list<uint32_t> tokens) {
        Blob blob = structure(tokens);
        return walk_problem(blob);
    };
    EXPECT_STREQ(problem({}), "the structure has no end");
    EXPECT_STREQ(problem({nop, nop}), "the structure has no end");
    EXPECT_STREQ(problem({begin, 0, end_node}), "the structure has no end");
    EXPECT_STREQ(problem({end}), "a node has no end");
    EXPECT_STREQ(problem({begin, 0, end}), "a node has no end");
    EXPECT_STREQ(problem({end_node}), "a node ends that never began");
    EXPECT_STREQ(problem({begin, 0, end_node, end_node}), "a node ends that never began");
    EXPECT_STREQ(problem({begin, 0, end_node, begin, 0, end_node, end}), "more than one root");
    EXPECT_STREQ(problem({begin, 0, 7}), "unknown token");
    EXPECT_STREQ(problem({begin, 0x61616161}), "a name has no end");
    EXPECT_STREQ(problem({property, 0, 0}), "a property outside its node");
    EXPECT_STREQ(problem({begin, 0, begin, 0, end_node, property, 0, 0, end_node, end}),
                 "a property outside its node");
    EXPECT_STREQ(problem({begin, 0, property, 0}), "a property is cut off");
    EXPECT_STREQ(problem({begin, 0, property, 5, 0, 0}), "a property is cut off");
    EXPECT_STREQ(problem({begin, 0, property, 0xffffffff, 0, end_node, end}), "a property is cut off");
    EXPECT_STREQ(problem({begin, 0, property, 0, 2, end_node, end}), "a property's name lies outside");
    EXPECT_STREQ(problem({begin, 0, property, 0, 0xffffffff, end_node, end}),
                 "a property's name lies outside");
}

TEST(FlatTree, NestsAsDeepAsItSays) {
    for (uint32_t depth : {FlatTree::max_depth, FlatTree::max_depth + 1}) {
        Node root{"", {}, {}};
        Node* node = &root;
        for (uint32_t level = 1; level < depth; ++level) {
            node = &node->add("n");
        }
        Blob blob = flatten(root);
        if (depth == FlatTree::max_depth) {
            EXPECT_EQ(walk_problem(blob), nullptr);
        } else {
            EXPECT_STREQ(walk_problem(blob), "nested too deep");
        }
    }
}

TEST(FlatTree, ReadsReservations) {
    Flattener flattener;
    flattener.reservations = {{0x80000000, 0x1000}, {0x123456789abc, 0}};
    Blob blob = flattener.flatten(virt());
    FlatTree tree;
    ASSERT_EQ(tree.open(blob.data(), blob.size()), nullptr);
    AddressRange range;
    ASSERT_TRUE(tree.next_reservation(range));
    EXPECT_EQ(range.base, 0x80000000);
    EXPECT_EQ(range.size, 0x1000);
    ASSERT_TRUE(tree.next_reservation(range));
    EXPECT_EQ(range.base, 0x123456789abc);
    EXPECT_FALSE(tree.next_reservation(range));
    EXPECT_FALSE(tree.next_reservation(range));
    EXPECT_EQ(tree.problem(), nullptr);
}

TEST(FlatTree, RefusesReservations) {
    Flattener flattener;
    flattener.reservations = {{~uint64_t{0}, 2}};
    Blob wraps = flattener.flatten(virt());
    FlatTree tree;
    AddressRange range;
    ASSERT_EQ(tree.open(wraps.data(), wraps.size()), nullptr);
    EXPECT_FALSE(tree.next_reservation(range));
    EXPECT_STREQ(tree.problem(), "a reservation wraps");

    Blob endless = flatten(virt());
    // The last eight bytes: not even one entry.
    endless.set_header(header_word::reservations, (endless.header(header_word::total) - 8) & ~uint32_t{7});
    ASSERT_EQ(tree.open(endless.data(), endless.size()), nullptr);
    EXPECT_FALSE(tree.next_reservation(range));
    EXPECT_STREQ(tree.problem(), "the reservations have no end");
}

} // namespace
