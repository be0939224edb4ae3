// SPDX-License-Identifier: Apache-2.0
//
// The races: what two threads, or one, do with a contestant.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "bench/rings/contestants.h"
#include "bench/rings/duel.h"

namespace bench {

// The receiver checks what it got, so that no contestant is quick by losing something.
inline void require(bool holds, const char* who) {
    if (!holds) {
        std::fprintf(stderr, "rings: %s lost or changed messages\n", who);
        std::exit(1);
    }
}

// All slots were used once before it counts: what a contestant's memory costs when it is touched for the
// first time is the host's.
template <class Ring>
void warm(Ring& ring, uint32_t capacity) {
    uint64_t ignored = 0;
    for (uint32_t i = 0; i < capacity; ++i) {
        (void)ring.push(i);
        (void)ring.pop(ignored);
    }
}

// Each side counts in variables of its own and hands them over at the end. Next to each other on the stack of
// whoever began the race they would be one cache line, which goes to and fro with every message.

// ns a message, from the first push to the last pop.
template <class Ring, size_t Bytes, bool Batch>
Sample throughput(Duel& duel, uint32_t capacity, uint64_t messages) {
    std::optional<Ring> ring;
    uint64_t sum = 0;
    const auto send = [&] {
        for (uint64_t p = 0; p < messages;) {
            if constexpr (Batch) {
                const uint64_t left = messages - p;
                const uint32_t most = left < batch_size ? static_cast<uint32_t>(left) : batch_size;
                const uint32_t count = ring->push_many(p, most);
                p += count;
                if (count == 0) {
                    relax();
                }
            } else {
                if (ring->push(p)) {
                    ++p;
                } else {
                    relax();
                }
            }
        }
    };
    const auto receive = [&] {
        uint64_t counted = 0;
        for (uint64_t p = 0; p < messages;) {
            if constexpr (Batch) {
                const uint32_t count = ring->pop_many(counted, batch_size);
                p += count;
                if (count == 0) {
                    relax();
                }
            } else {
                if (ring->pop(counted)) {
                    ++p;
                } else {
                    relax();
                }
            }
        }
        sum = counted;
    };
    const auto prepare = [&] {
        ring.emplace(capacity);
        warm(*ring, capacity);
        sum = 0;
    };
    Sample sample = duel.run(prepare, receive, send);
    require(sum == total<Bytes>(messages), Ring::name);
    sample.ns /= static_cast<double>(messages);
    return sample;
}

// ns from a push on one ring to the pop of the answer from another.
template <class Ring, size_t Bytes>
Sample round_trip(Duel& duel, uint32_t capacity, uint64_t trips) {
    std::optional<Ring> there;
    std::optional<Ring> back;
    uint64_t sum = 0;
    const auto mine = [&] {
        uint64_t counted = 0;
        for (uint64_t p = 0; p < trips; ++p) {
            (void)there->push(p);
            while (!back->pop(counted)) {
            }
        }
        sum = counted;
    };
    uint64_t other_sum = 0;
    const auto other = [&] {
        uint64_t counted = 0;
        for (uint64_t p = 0; p < trips; ++p) {
            while (!there->pop(counted)) {
            }
            (void)back->push(p);
        }
        other_sum = counted;
    };
    Sample sample = duel.run(
        [&] {
            there.emplace(capacity);
            back.emplace(capacity);
            warm(*there, capacity);
            warm(*back, capacity);
            sum = other_sum = 0;
        },
        mine, other);
    require(sum == total<Bytes>(trips) && other_sum == sum, Ring::name);
    sample.ns /= static_cast<double>(trips);
    return sample;
}

// ns of a push and a pop on one core.
template <class Ring, size_t Bytes>
double same_core(uint32_t capacity, uint64_t messages) {
    const auto made = std::make_unique<Ring>(capacity); // some hold their slots: too large for a stack
    Ring& ring = *made;
    uint64_t sum = 0;
    warm(ring, capacity);
    const uint64_t begun = now_ns();
    for (uint64_t p = 0; p < messages; ++p) {
        if (!ring.push(p) || !ring.pop(sum)) {
            break;
        }
    }
    const uint64_t ended = now_ns();
    require(sum == total<Bytes>(messages), Ring::name);
    return static_cast<double>(ended - begun) / static_cast<double>(messages);
}

// ns there and back where each side sleeps until the other has rung. A sleep is a switch the sleeper
// asked for; it does not count as a disturbance.
template <class Way>
Sample waited_trip(Duel& duel, uint64_t trips) {
    std::optional<Way> there;
    std::optional<Way> back;
    uint64_t sum = 0;
    uint64_t other_sum = 0;
    Sample sample = duel.run(
        [&] {
            there.emplace(8u);
            back.emplace(8u);
        },
        [&] {
            for (uint64_t p = 0; p < trips; ++p) {
                (void)there->push(p);
                (void)back->pop(sum);
            }
        },
        [&] {
            for (uint64_t p = 0; p < trips; ++p) {
                (void)there->pop(other_sum);
                (void)back->push(p);
            }
        });
    sample.ns /= static_cast<double>(trips);
    return sample;
}

// The same between two threads of one processor.
template <class Way>
Sample one_core_trip(const Neighbours& neighbours, uint64_t trips) {
    Way there(8);
    Way back(8);
    uint64_t sum = 0;
    uint64_t other_sum = 0;
    const double ns = neighbours.run(
        [&] {
            for (uint64_t p = 0; p < trips; ++p) {
                (void)there.push(p);
                (void)back.pop(sum);
            }
        },
        [&] {
            for (uint64_t p = 0; p < trips; ++p) {
                (void)there.pop(other_sum);
                (void)back.push(p);
            }
        });
    return {ns / static_cast<double>(trips), 0, 0, 0, true};
}

} // namespace bench
