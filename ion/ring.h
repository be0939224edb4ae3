// SPDX-License-Identifier: Apache-2.0
//
// ION rings (founding decision K4): single producer, single consumer, pre-allocated. The layout is
// abi/ring.h; docs/rings.md draws it; ion/PROOF.md argues each memory ordering.
//
//      ion::format(memory, geometry);              once, by whoever made the memory
//
//      ion::Producer out(base, geometry);          ion::Consumer in(base, geometry);
//      auto slot = out.claim();                    auto message = in.peek();
//      ... fill slot->payload ...                  ... use message->tag, message->payload ...
//      out.publish(tag, length);                   in.release();
//      if (out.peer_waiting()) { ring the bell }   if (in.peer_waiting()) { ring the bell }
//
// To wait:  end.arm();  look again (claim or peek says EAGAIN still);  sleep;  end.disarm().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ion/consumer.h"
#include "ion/producer.h"

namespace ion {

// Makes an empty, open ring in memory that may hold anything; both epochs move on from what stands
// there. No end may be in use. Payload bytes are left as they are. EINVAL: memory is not 64-byte
// aligned or shorter than geometry.bytes().
[[nodiscard]] inline Result<void> format(std::span<std::byte> memory, Geometry geometry) {
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    if (memory.size() < geometry.bytes() || address % RUMPK_RING_LINE_SIZE != 0) {
        return error(Errno::inval);
    }
    auto* header = reinterpret_cast<rumpk_ring_header*>(memory.data());
    for (rumpk_ring_line* line : {&header->producer, &header->consumer}) {
        const uint32_t epoch = line->epoch + 1;
        *line = {};
        line->epoch = epoch;
    }
    // Sequence 0 is what no slot of the first lap commits with.
    for (uint32_t i = 0; i < geometry.slots(); ++i) {
        std::byte* slot =
            memory.data() + RUMPK_RING_HEADER_SIZE + static_cast<uint64_t>(i) * geometry.slot_size();
        *reinterpret_cast<rumpk_slot_header*>(slot) = rumpk_slot_header{};
    }
    return {};
}

// The same for messages that are all alike, between parties that trust each other: what each slot says of its
// message stands there from now on, and neither writes nor reads it again (produce_alike, consume_alike).
// EINVAL also: more bytes than fit.
[[nodiscard]] inline Result<void> format_alike(std::span<std::byte> memory, Geometry geometry, uint32_t tag,
                                               uint32_t length) {
    if (length > geometry.capacity()) {
        return error(Errno::inval);
    }
    if (auto made = format(memory, geometry); !made) {
        return made;
    }
    for (uint32_t i = 0; i < geometry.slots(); ++i) {
        auto& slot = *reinterpret_cast<rumpk_slot_header*>(memory.data() + RUMPK_RING_HEADER_SIZE +
                                                           uint64_t{i} * geometry.slot_size());
        slot.tag = tag;
        slot.length = length;
    }
    return {};
}

} // namespace ion
