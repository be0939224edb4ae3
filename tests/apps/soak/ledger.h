// SPDX-License-Identifier: Apache-2.0
//
// What became of every life in every slot. Whoever decides a life's fate says so first, in one step, in the
// slot's word: the one who kills it, or itself when it returns; the other one finds it decided. So whatever
// the kernel does to a fiber without being told, or does not do although told, does not add up.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace soak {

using Count = std::atomic<uint64_t>;
constexpr auto relaxed = std::memory_order_relaxed;

constexpr size_t most = 10001; // slots, the first fiber's included, as cell.toml says

enum class Fate : uint64_t {
    none = 0, // the slot has had no life
    alive,
    returned,
    sentenced, // somebody was about to kill it, and may himself have been killed meanwhile
    killed,    // kill has said so
};

// Counted as they are noticed; all have to stay 0.
struct Wrongs {
    Count vanished = 0;   // ended, and nobody had ended it
    Count unheard_of = 0; // a life that nobody had seen begin
    Count undead = 0;     // ran although it had been killed
    Count robbed = 0;     // its slot was given to another, or its stack written to
    Count early = 0;      // woke before its deadline
    Count refused = 0;    // a call with an error that it may not have
    Count told_twice = 0; // an end
    Count told_wrong = 0; // an end that was another one
};
inline Wrongs wrong;

constexpr uint32_t slot_of(uint64_t id) {
    return static_cast<uint32_t>(id);
}
constexpr uint64_t generation_of(uint64_t id_or_word) {
    return id_or_word >> 32;
}

// The word: the generation, as in an id; how many of the slot's lives have returned; the fate of the last.
constexpr uint64_t fate_bits = 3;
constexpr Fate fate_of(uint64_t word) {
    return static_cast<Fate>(word & ((1U << fate_bits) - 1));
}
constexpr uint64_t returned_of(uint64_t word) {
    return (word & UINT32_MAX) >> fate_bits;
}
constexpr uint64_t word_of(uint64_t generation, uint64_t returned, Fate fate) {
    return generation << 32 | returned << fate_bits | static_cast<uint64_t>(fate);
}
constexpr uint64_t with(uint64_t word, Fate fate) {
    return word_of(generation_of(word), returned_of(word) + (fate == Fate::returned), fate);
}

struct Slot {
    Count word = 0;
    std::atomic<uint32_t> wakes = 0; // bells that its fibers took, and beginnings; never less than before
    std::atomic<uint32_t> owed = 0;  // what `wakes` has to come to, if the fiber lives: it was rung
    uint32_t told = 0;               // generation of the last end that the kernel told of; the first fiber's
};
inline std::array<Slot, most> slots{};

constexpr uint64_t id_in(uint32_t slot, uint64_t word) {
    return generation_of(word) << 32 | slot;
}

// By the fiber and by its spawner: whoever comes first.
[[gnu::noinline]] inline void enroll(uint64_t id) {
    Count& word = slots[slot_of(id)].word;
    uint64_t before = word.load(relaxed);
    do {
        if (generation_of(before) >= generation_of(id)) {
            return;
        }
    } while (!word.compare_exchange_weak(before, word_of(generation_of(id), returned_of(before), Fate::alive),
                                         relaxed));
    if (generation_of(before) + 1 != generation_of(id)) {
        wrong.unheard_of.fetch_add(1, relaxed);
    } else if (fate_of(before) == Fate::alive) {
        wrong.vanished.fetch_add(1, relaxed);
    }
}

// May the fiber return? It does so then. Else somebody is about to kill it.
[[gnu::noinline]] inline bool decide_to_return(uint64_t id) {
    Count& word = slots[slot_of(id)].word;
    uint64_t before = word.load(relaxed);
    while (generation_of(before) == generation_of(id) && fate_of(before) == Fate::alive) {
        if (word.compare_exchange_weak(before, with(before, Fate::returned), relaxed)) {
            return true;
        }
    }
    return false;
}

// Whom to kill in this slot. 0: nobody. Who was sentenced by one that did not come to do it is nobody's.
[[gnu::noinline]] inline uint64_t sentence(uint32_t slot) {
    Count& word = slots[slot].word;
    uint64_t before = word.load(relaxed);
    while (fate_of(before) == Fate::alive) {
        if (word.compare_exchange_weak(before, with(before, Fate::sentenced), relaxed)) {
            return id_in(slot, before);
        }
    }
    return fate_of(before) == Fate::sentenced ? id_in(slot, before) : 0;
}

// It has been killed.
[[gnu::noinline]] inline void confirm(uint64_t id) {
    Count& word = slots[slot_of(id)].word;
    uint64_t before = word.load(relaxed);
    while (generation_of(before) == generation_of(id) && fate_of(before) == Fate::sentenced &&
           !word.compare_exchange_weak(before, with(before, Fate::killed), relaxed)) {
    }
}

// By the fiber: may it be running?
[[gnu::noinline]] inline void check_alive(uint64_t id) {
    const uint64_t word = slots[slot_of(id)].word.load(relaxed);
    if (generation_of(word) != generation_of(id)) {
        wrong.robbed.fetch_add(1, relaxed);
    } else if (fate_of(word) == Fate::killed || fate_of(word) == Fate::returned) {
        wrong.undead.fetch_add(1, relaxed);
    }
}

// The reason to kill a slot's fibers for: each gets its own, so that nobody is told another one's end.
constexpr uint32_t reason_for(uint32_t slot) {
    return 1 + slot % 255;
}

// The kernel tells that a fiber has ended. By the first fiber.
inline void told_of_end(uint64_t id, int64_t code) {
    if (slot_of(id) >= most) {
        wrong.told_wrong.fetch_add(1, relaxed);
        return;
    }
    Slot& slot = slots[slot_of(id)];
    if (generation_of(id) <= slot.told) {
        wrong.told_twice.fetch_add(1, relaxed);
    }
    slot.told = static_cast<uint32_t>(generation_of(id));
    const uint64_t word = slot.word.load(relaxed);
    const Fate fate = fate_of(word);
    const bool was_killed = code == -static_cast<int64_t>(reason_for(slot_of(id)));
    const bool fits =
        generation_of(word) > generation_of(id) || // a later life: too late to compare
        (generation_of(word) == generation_of(id) &&
         (was_killed ? fate == Fate::sentenced || fate == Fate::killed : fate == Fate::returned));
    if (!fits || (code != 0 && !was_killed)) {
        wrong.told_wrong.fetch_add(1, relaxed);
    }
}

} // namespace soak
