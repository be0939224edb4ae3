// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/flat_tree.h"

namespace rumpk::hal {

namespace {

// Devicetree Specification 0.4, 5.2: the header, big-endian words.
enum HeaderWord : uint32_t {
    word_magic = 0,
    word_total_size = 1,
    word_structure_offset = 2,
    word_strings_offset = 3,
    word_reservations_offset = 4,
    word_version = 5,
    word_last_compatible = 6,
    word_strings_size = 8,
    word_structure_size = 9,
};
constexpr uint32_t magic = 0xd00dfeed;
constexpr uint32_t version = 17;

// 5.4.1: tokens of the structure block, as they look in memory.
constexpr uint32_t token_begin_node = __builtin_bswap32(1);
constexpr uint32_t token_end_node = __builtin_bswap32(2);
constexpr uint32_t token_property = __builtin_bswap32(3);
constexpr uint32_t token_nop = __builtin_bswap32(4);
constexpr uint32_t token_end = __builtin_bswap32(9);

constexpr uint32_t token_alignment = 4;
constexpr uint32_t reservation_alignment = 8; // 5.3
constexpr uint32_t reservation_size = 16;

uint32_t word_in_memory(const uint8_t* at) {
    uint32_t value;
    __builtin_memcpy(&value, __builtin_assume_aligned(at, 4), sizeof(value));
    return value;
}

uint32_t word(const void* blob, HeaderWord index) {
    return tree_u32(static_cast<const uint8_t*>(blob) + 4 * index);
}

} // namespace

// Not inlined: without an instruction for it, swapping bytes takes a dozen.
[[gnu::noinline]] uint32_t tree_u32(const uint8_t* at) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "device trees are big endian, machines little");
    return __builtin_bswap32(word_in_memory(at));
}

uint64_t tree_u64(const uint8_t* at) {
    return (uint64_t{tree_u32(at)} << 32) | tree_u32(at + 4);
}

uint32_t FlatTree::total_size(const void* blob) {
    return word(blob, word_magic) == magic ? word(blob, word_total_size) : 0;
}

const char* FlatTree::open(const void* blob, uint64_t readable) {
    *this = FlatTree{};
    if (readable < header_size || word(blob, word_magic) != magic) {
        return problem_ = "no device tree there";
    }
    uint32_t total = word(blob, word_total_size);
    if (total < header_size || total > readable) {
        return problem_ = "impossible size";
    }
    if (word(blob, word_version) < version || word(blob, word_last_compatible) > version) {
        return problem_ = "unknown version";
    }
    uint32_t structure = word(blob, word_structure_offset);
    uint32_t strings = word(blob, word_strings_offset);
    uint32_t reservations = word(blob, word_reservations_offset);
    structure_size_ = word(blob, word_structure_size);
    strings_size_ = word(blob, word_strings_size);
    bool inside = structure <= total && structure_size_ <= total - structure && strings <= total &&
                  strings_size_ <= total - strings && reservations <= total;
    bool aligned = structure % token_alignment == 0 && structure_size_ % token_alignment == 0 &&
                   reservations % reservation_alignment == 0;
    if (!inside || !aligned) {
        return problem_ = "a block lies outside";
    }
    auto bytes = static_cast<const uint8_t*>(blob);
    structure_ = bytes + structure;
    reservations_ = bytes + reservations;
    reservations_size_ = total - reservations;
    strings_ = reinterpret_cast<const char*>(bytes + strings);
    // With a NUL at its very end, every string that begins in the block ends in it.
    if (strings_size_ != 0 && strings_[strings_size_ - 1] != '\0') {
        return problem_ = "a name has no end";
    }
    return nullptr;
}

TreeToken FlatTree::fail(const char* what) {
    if (problem_ == nullptr) {
        problem_ = what;
    }
    return TreeToken::broken;
}

TreeToken FlatTree::next() {
    if (problem_ != nullptr) {
        return TreeToken::broken;
    }
    // Ends: every round takes a word, and the block has an end.
    while (position_ < structure_size_) {
        uint32_t token = word_in_memory(structure_ + position_);
        position_ += token_alignment;
        switch (token) {
        case token_nop:
            continue;
        case token_begin_node:
            return begin_node();
        case token_property:
            return read_property();
        case token_end_node:
            if (depth_ == 0) {
                return fail("a node ends that never began");
            }
            --depth_;
            children_ = true;
            return TreeToken::node_end;
        case token_end:
            if (depth_ != 0 || !begun_) {
                return fail("a node has no end");
            }
            position_ -= token_alignment; // the end stays the end
            return TreeToken::end;
        default:
            return fail("unknown token");
        }
    }
    return fail("the structure has no end");
}

TreeToken FlatTree::begin_node() {
    if (depth_ == 0 && begun_) {
        return fail("more than one root");
    }
    if (depth_ == max_depth) {
        return fail("nested too deep");
    }
    uint32_t end = position_;
    while (end < structure_size_ && structure_[end] != '\0') {
        ++end;
    }
    if (end == structure_size_) {
        return fail("a name has no end");
    }
    name_ = reinterpret_cast<const char*>(structure_ + position_);
    position_ = (end + token_alignment) & ~(token_alignment - 1);
    ++depth_;
    begun_ = true;
    children_ = false;
    return TreeToken::node;
}

TreeToken FlatTree::read_property() {
    if (depth_ == 0 || children_) {
        return fail("a property outside its node");
    }
    constexpr uint32_t head = 8; // 5.4.1: length, offset of the name
    if (structure_size_ - position_ < head) {
        return fail("a property is cut off");
    }
    length_ = tree_u32(structure_ + position_);
    uint32_t name = tree_u32(structure_ + position_ + 4);
    position_ += head;
    // The block's size is a multiple of 4, so what fits fits with its padding.
    if (length_ > structure_size_ - position_) {
        return fail("a property is cut off");
    }
    if (name >= strings_size_) {
        return fail("a property's name lies outside");
    }
    data_ = structure_ + position_;
    name_ = strings_ + name;
    position_ += (length_ + token_alignment - 1) & ~(token_alignment - 1);
    return TreeToken::property;
}

bool FlatTree::next_reservation(AddressRange& range) {
    if (problem_ != nullptr || reservations_ == nullptr) {
        return false;
    }
    if (reservations_size_ < reservation_size) {
        fail("the reservations have no end");
        return false;
    }
    range = {tree_u64(reservations_), tree_u64(reservations_ + 8)};
    reservations_ += reservation_size;
    reservations_size_ -= reservation_size;
    if (range.base == 0 && range.size == 0) {
        reservations_ = nullptr; // the end stays the end
        return false;
    }
    if (range.base + range.size < range.base) {
        fail("a reservation wraps");
        return false;
    }
    return true;
}

} // namespace rumpk::hal
