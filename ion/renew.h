// SPDX-License-Identifier: Apache-2.0
//
// A ring whose consumer has died, made ready for one that does not know of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ion/ring.h"

namespace ion {

// By the producer, who knows what the dead one had not released: as format, but `count` messages are kept,
// from position `first` on, and are now the first ones. The successor begins as at a new ring, and the
// producer by resume. Payload bytes of the other slots follow in the same order. No end may be in use. count:
// at most the slots. Nothing that stands in the ring is believed: a kept message's length is clamped. memory:
// as format wants it.
inline void renew(std::span<std::byte> memory, Geometry geometry, uint64_t first, uint32_t count) {
    const uint32_t size = geometry.slot_size();
    auto* const words = reinterpret_cast<uint64_t*>(memory.data() + RUMPK_RING_HEADER_SIZE);
    const uint64_t behind = (static_cast<uint32_t>(first) & (geometry.slots() - 1)) * uint64_t{size};
    std::rotate(words, words + behind / sizeof *words, words + geometry.slots_bytes() / sizeof *words);
    auto* const header = reinterpret_cast<rumpk_ring_header*>(memory.data());
    for (rumpk_ring_line* line : {&header->producer, &header->consumer}) {
        const uint32_t epoch = line->epoch + 1;
        *line = {};
        line->epoch = epoch;
    }
    header->producer.position = count;
    for (uint32_t i = 0; i < geometry.slots(); ++i) {
        auto& slot = *reinterpret_cast<rumpk_slot_header*>(memory.data() + RUMPK_RING_HEADER_SIZE +
                                                           uint64_t{i} * size);
        const rumpk_slot_header kept = {.sequence = i + 1,
                                        .tag = slot.tag,
                                        .length = std::min(slot.length, geometry.capacity()),
                                        .reserved = 0};
        slot = i < count ? kept : rumpk_slot_header{};
    }
}

// Messages that were published and not released.
struct UnderWay {
    uint64_t first; // position of the oldest
    uint32_t count; // the slots at most
};

// A ring of which one end has died and the other lives on, made ready for a successor that resumes: nothing
// moves. By the living end, which must not have caught the dead one lying: `kept` is what it knows. In steps
// of `count` slots from `slot` on, between which it may send or receive; nobody else looks before the last.
// Nothing that stands in the ring is believed, as in renew.
inline void mend(std::span<std::byte> memory, Geometry geometry, UnderWay kept, uint32_t slot,
                 uint32_t count) {
    auto* const header = reinterpret_cast<rumpk_ring_header*>(memory.data());
    header->producer.position = kept.first + kept.count;
    header->consumer.position = kept.first;
    for (rumpk_ring_line* line : {&header->producer, &header->consumer}) {
        line->closed = RUMPK_RING_OPEN;
        line->waiting = 0;
    }
    for (const uint32_t end = std::min(slot + count, geometry.slots()); slot != end; ++slot) {
        const uint64_t ahead = (slot - kept.first) & (geometry.slots() - 1);
        auto& its = *reinterpret_cast<rumpk_slot_header*>(memory.data() + RUMPK_RING_HEADER_SIZE +
                                                          uint64_t{slot} * geometry.slot_size());
        const auto sequence = static_cast<uint32_t>(kept.first + ahead + 1);
        its.sequence = ahead < kept.count ? sequence : sequence - 1; // one that says "not yet"
        its.length = std::min(its.length, geometry.capacity());
    }
}

} // namespace ion
