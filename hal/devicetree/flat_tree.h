// SPDX-License-Identifier: Apache-2.0
//
// The tokens of a flattened device tree (Devicetree Specification 0.4, chapter
// 5), one pass, no allocation, no recursion. The blob is hostile input: nothing
// outside [blob, blob + readable) is ever read, whatever it says of itself.
//
// Why not libfdt: docs/decisions/reading.md. It is the oracle of the tests and of
// the fuzz target.
#pragma once

#include "hal/devicetree/range.h"

namespace rumpk::hal {

enum class TreeToken : uint8_t {
    node,     // a node begins: name()
    property, // name(), data(), length(); always before the node's children
    node_end, // the innermost open node ends
    end,      // the root has ended and nothing is left
    broken    // problem() says why; every later next() says so again
};

class FlatTree {
  public:
    // Deepest nesting that is read; a deeper tree is broken.
    static constexpr uint32_t max_depth = 16;
    // Bytes of the header (5.2).
    static constexpr uint32_t header_size = 40;

    // The header's total size, or 0 if this is no device tree. Reads header_size bytes.
    // @param blob 8-byte aligned
    static uint32_t total_size(const void* blob);

    // @param blob      8-byte aligned
    // @param readable  bytes that may be read there
    // @return nullptr, or what is wrong with the header
    const char* open(const void* blob, uint64_t readable);

    TreeToken next();

    // Of the last token: NUL-terminated, inside the blob.
    const char* name() const { return name_; }
    // A property's value: 4-byte aligned, length() bytes inside the blob.
    const uint8_t* data() const { return data_; }
    uint32_t length() const { return length_; }
    // Nodes that are open now; the root's properties come at depth 1.
    uint32_t depth() const { return depth_; }
    const char* problem() const { return problem_; }

    // The memory reservation block (5.3), entry by entry. False: no more, or it is broken: see problem().
    bool next_reservation(AddressRange& range);

  private:
    TreeToken fail(const char* what);
    TreeToken begin_node();
    TreeToken read_property();

    const uint8_t* structure_ = nullptr;
    const uint8_t* reservations_ = nullptr;
    const char* strings_ = nullptr;
    uint32_t structure_size_ = 0;
    uint32_t reservations_size_ = 0; // what is left of them
    uint32_t strings_size_ = 0;
    uint32_t position_ = 0; // in the structure block, a multiple of 4, never above structure_size_
    uint32_t depth_ = 0;
    bool begun_ = false;    // the root has begun
    bool children_ = false; // the innermost open node already had a child: no property may follow
    const char* name_ = "";
    const uint8_t* data_ = nullptr;
    uint32_t length_ = 0;
    const char* problem_ = nullptr;
};

// Big-endian words of a property.
// @param at 4-byte aligned
uint32_t tree_u32(const uint8_t* at);
uint64_t tree_u64(const uint8_t* at);

} // namespace rumpk::hal
