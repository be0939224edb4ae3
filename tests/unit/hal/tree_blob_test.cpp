// SPDX-License-Identifier: Apache-2.0
//
// Blobs that are no device tree, or only claim to be one.
#include <chrono>

#include <gtest/gtest.h>

#include "hal/devicetree/machine_tree.h"
#include "tests/unit/hal/tree_model.h"

using namespace rumpk::hal;
using namespace hal_test;

namespace {

constexpr const char* damaged = "it is cut off or damaged";
constexpr uint32_t begin = 1, end_node = 2, property = 3, nop = 4, end = 9;

const char* problem_of(Blob& blob) {
    MachineTree machine;
    return read_machine_tree(blob.data(), blob.size(), 0, machine).what;
}

const char* with_header(uint32_t word, uint32_t value) {
    Blob blob = flatten(virt());
    blob.set_header(word, value);
    return problem_of(blob);
}

const char* with_structure(std::initializer_list<uint32_t> tokens) {
    Blob blob = Flattener().assemble(words(tokens), text("a"));
    return problem_of(blob);
}

TEST(TreeBlob, SaysHowLongItIs) {
    Blob blob = flatten(virt());
    EXPECT_EQ(machine_tree_size(blob.data()), blob.size());
    EXPECT_EQ(problem_of(blob), nullptr);
    blob.set_header(header_word::magic, 0xd00dfeee);
    EXPECT_EQ(machine_tree_size(blob.data()), 0u);
}

TEST(TreeBlob, RefusesHeaders) {
    namespace h = header_word;
    Blob good = flatten(virt());
    auto size = static_cast<uint32_t>(good.size());
    EXPECT_STREQ(with_header(h::magic, 0xd00dfeee), "no device tree there");
    // libfdt's mark of a tree that is still being written.
    EXPECT_STREQ(with_header(h::magic, ~0xd00dfeedu), "no device tree there");
    EXPECT_STREQ(with_header(h::version, 16), "unknown version");
    EXPECT_STREQ(with_header(h::last_compatible, 18), "unknown version");
    for (uint32_t total : {size + 1, 39u, 0u, 0x80000000u, 0xffffffffu}) {
        EXPECT_STREQ(with_header(h::total, total), damaged);
    }
    for (uint32_t word : {h::structure, h::strings, h::reservations}) {
        EXPECT_STREQ(with_header(word, size + 8), damaged);
        EXPECT_STREQ(with_header(word, 0xfffffff8), damaged);
        EXPECT_STREQ(with_header(word, 0), damaged);
    }
    for (uint32_t word : {h::structure_size, h::strings_size}) {
        EXPECT_STREQ(with_header(word, size), damaged);
        EXPECT_STREQ(with_header(word, 0xfffffffc), damaged);
        EXPECT_STREQ(with_header(word, 0), damaged);
    }
    EXPECT_STREQ(with_header(h::structure, good.header(h::structure) + 2), damaged);
    EXPECT_STREQ(with_header(h::reservations, 44), damaged);
    EXPECT_STREQ(with_header(h::strings_size, good.header(h::strings_size) - 1), damaged);
    // The last eight bytes: not even one entry.
    EXPECT_STREQ(with_header(h::reservations, (size - 8) & ~7u), damaged);
}

TEST(TreeBlob, RefusesStructures) {
    EXPECT_STREQ(with_structure({}), damaged);
    EXPECT_STREQ(with_structure({nop, nop}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, end_node}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, end}), damaged);
    EXPECT_STREQ(with_structure({end_node}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, end_node, end_node}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, end_node, begin, 0, end_node, end}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, 7}), damaged);
    EXPECT_STREQ(with_structure({begin, 0x61616161}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, property, 0}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, property, 5, 0, 0}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, property, 0xffffffff, 0, end_node, end}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, property, 0, 2, end_node, end}), damaged);
    EXPECT_STREQ(with_structure({begin, 0, property, 0, 0xffffffff, end_node, end}), damaged);
    const char* outside = "a property outside its node";
    EXPECT_STREQ(with_structure({property, 0, 0, begin, 0, end_node, end}), outside);
    EXPECT_STREQ(with_structure({begin, 0, begin, 0, end_node, property, 0, 0, end_node, end}), outside);
    // Whole, but empty.
    EXPECT_STREQ(with_structure({end}), "no memory");
    EXPECT_STREQ(with_structure({nop, begin, 0, nop, property, 0, 0, nop, end_node, end}), "no memory");
}

TEST(TreeBlob, NestsAsDeepAsItSays) {
    constexpr uint32_t deepest = 16;
    for (uint32_t depth : {deepest, deepest + 1}) {
        Node root{"", {}, {}};
        Node* node = &root;
        for (uint32_t level = 1; level < depth; ++level) {
            node = &node->add("n");
        }
        Blob blob = flatten(root);
        EXPECT_STREQ(problem_of(blob), depth == deepest ? "no memory" : "nested too deep");
    }
}

TEST(TreeBlob, ReadsReservations) {
    Flattener flattener;
    flattener.reservations = {{0x80000000, 0x1000}, {0x123456789000, 0x2000}};
    Blob blob = flattener.flatten(virt());
    MachineTree machine;
    ASSERT_FALSE(read_machine_tree(blob.data(), blob.size(), 0, machine));
    ASSERT_EQ(machine.reserved.size(), 3u); // and one node
    EXPECT_EQ(machine.reserved[0].base, 0x80000000);
    EXPECT_EQ(machine.reserved[1].size, 0x2000);

    flattener.reservations = {{~uint64_t{0}, 2}};
    Blob wraps = flattener.flatten(virt());
    EXPECT_STREQ(problem_of(wraps), "a reservation wraps");
}

// `count` properties of one node, each with the longest of the names in `strings`.
Blob many_properties(uint32_t count, const Bytes& strings) {
    Bytes structure = words({begin, 0});
    for (uint32_t index = 0; index < count; ++index) {
        for (uint32_t word : {property, 0u, 0u}) {
            put_u32(structure, word);
        }
    }
    put_u32(structure, end_node);
    put_u32(structure, end);
    return Flattener().assemble(structure, strings);
}

// Whoever looks for a name's end at each visit takes the product of both lengths: hours on the machine.
TEST(TreeBlob, LongNamesAreRefusedAtOnce) {
    Blob longest = many_properties(1, text(std::string(63, 'a')));
    EXPECT_STREQ(problem_of(longest), "no memory");
    Blob longer = many_properties(1, text(std::string(64, 'a')));
    EXPECT_STREQ(problem_of(longer), damaged);

    constexpr uint32_t half = 16 << 20;
    Blob hostile = many_properties(half / 12, text(std::string(half, 'a')));
    auto begun = std::chrono::steady_clock::now();
    EXPECT_STREQ(problem_of(hostile), damaged);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
}

} // namespace
