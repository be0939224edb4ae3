// SPDX-License-Identifier: Apache-2.0
//
// How an endpoint touches shared memory, and which barriers its parking pays.
// Both are template parameters, so that tests and model checkers run the very
// same ring code over a memory of their own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ion {

// Shared words as the machine has them. A word is read or written whole and once; the order is
// always named by the caller (ion/PROOF.md lists each with what it pairs with).
struct AtomicWords {
    template <class T>
    [[gnu::always_inline]] static inline T load(const T& word, std::memory_order order) {
        static_assert(std::atomic_ref<T>::is_always_lock_free);
        // The builtin, for where the compiler aims at size it leaves the library's function out of line,
        // with the order as one more argument.
        return __atomic_load_n(&word, static_cast<int>(order));
    }

    template <class T>
    [[gnu::always_inline]] static inline void store(T& word, T value, std::memory_order order) {
        static_assert(std::atomic_ref<T>::is_always_lock_free);
        __atomic_store_n(&word, value, static_cast<int>(order));
    }

    // Two words of one slot, next to each other, that a release behind them publishes. Constants go out in
    // one write of plain memory, like a payload, where the machine has one for such an address; others would
    // first have to be put together.
    [[gnu::always_inline]] static inline void store_two(uint32_t& first, uint32_t one, uint32_t other) {
        if (__builtin_constant_p(one) && __builtin_constant_p(other)) {
            const uint32_t both[] = {one, other};
            __builtin_memcpy(&first, both, sizeof both);
        } else {
            store(first, one, std::memory_order_relaxed);
            store((&first)[1], other, std::memory_order_relaxed);
        }
    }

    // Writes `to` where `from` stands; false: it does not. Only buffers have it (ion/slab.h): they have more
    // than one writer.
    template <class T>
    [[gnu::always_inline]] static inline bool replace(T& word, T from, T to) {
        static_assert(std::atomic_ref<T>::is_always_lock_free);
        return std::atomic_ref<T>(word).compare_exchange_strong(from, to, std::memory_order_acq_rel,
                                                                std::memory_order_relaxed);
    }
};

// Asking for cache lines that lie far away, mostly with another core, and going on meanwhile. A hint, no
// access: it reads nothing, orders nothing, may name any address. Where no processor is aimed at that can be
// asked for a line to be written (RUMPK_ASKS_FOR_LINES, of the architecture's flags), nothing is asked, and
// nothing computed.
#ifdef RUMPK_ASKS_FOR_LINES
inline constexpr bool asks_for_lines = true;
#else
inline constexpr bool asks_for_lines = false;
#endif
inline constexpr uint32_t line_asked_for = 64;
// A ring larger than this finds its next slots in no nearest cache.
inline constexpr uint64_t beyond_a_cache = uint64_t{160} << 10;

// Lines that are going to be written.
[[gnu::always_inline]] inline void ask_to_write(const std::byte* at, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i += line_asked_for) {
        __builtin_prefetch(at + i, 1);
    }
}
// Lines behind the first, that are going to be read.
[[gnu::always_inline]] inline void ask_for_the_rest(const std::byte* at, uint32_t bytes) {
    for (uint32_t i = line_asked_for; i < bytes; i += line_asked_for) {
        __builtin_prefetch(at + i);
    }
}

// Parking is Dekker's pattern: each side writes its word (the sleeper `waiting`, the worker a sequence
// or position) and then reads the other's. One of them must see the other's write, or a wake-up is
// lost. `light` stands between the worker's write and read, once a publish; `heavy` between the
// sleeper's, once a park. A policy makes the two together into a full barrier on both sides.

// `one_core`: the ends cannot run at the same time. `rest`: how many breaths a consumer takes at most before
// it looks again when it has just caught up with a producer in full flow (BasicConsumer::rest).

// Both ends run on one core, which never reorders against itself: the compiler alone is held back.
struct SameCore {
    static constexpr bool one_core = true;
    static constexpr uint32_t rest = 0;
    void relax() const {}

    [[gnu::always_inline]] void light() const { std::atomic_signal_fence(std::memory_order_seq_cst); }
    [[gnu::always_inline]] void heavy() const { std::atomic_signal_fence(std::memory_order_seq_cst); }
};

// The ends run on two cores, and the sleeper pays for both: `barrier()` returns after every other
// core has passed a full memory barrier (kernel: an acknowledged IPI; Linux: membarrier, PRIVATE_EXPEDITED).
template <class Barrier>
struct CrossCore {
    static constexpr bool one_core = false;
    static constexpr uint32_t rest = 128;
    [[no_unique_address]] Barrier barrier{};

    [[gnu::always_inline]] void light() const { std::atomic_signal_fence(std::memory_order_seq_cst); }
    void heavy() const { barrier(); }
    // One breath: what the machine has to tell that a core waits for another, if the caller gave it.
    void relax() const {
        if constexpr (requires(const Barrier& b) { b.relax(); }) {
            barrier.relax();
        } else {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    }
};

// The ends run on two cores and nobody can make the other pass a barrier: each pays its own.
struct Symmetric {
    static constexpr bool one_core = false;
    static constexpr uint32_t rest = 0;
    void relax() const {}

    [[gnu::always_inline]] void light() const { std::atomic_thread_fence(std::memory_order_seq_cst); }
    [[gnu::always_inline]] void heavy() const { std::atomic_thread_fence(std::memory_order_seq_cst); }
};

} // namespace ion
