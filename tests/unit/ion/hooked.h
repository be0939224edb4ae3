// SPDX-License-Identifier: Apache-2.0
//
// Shared words that call somebody before each access: an adversary who changes them, or a scheduler
// who stops the end there, perhaps for ever. The ring code is the one that ships.
#pragma once

#include "ion/ring.h"

namespace ion_test {

class Hook {
  public:
    virtual void before_access() = 0;

  protected:
    ~Hook() = default;
};

struct HookedWords {
    static inline Hook* hook = nullptr;

    static void step() {
        if (hook != nullptr) {
            hook->before_access();
        }
    }

    template <class T>
    static T load(const T& word, std::memory_order order) {
        step();
        return ion::AtomicWords::load(word, order);
    }

    template <class T>
    static void store(T& word, T value, std::memory_order order) {
        step();
        ion::AtomicWords::store(word, value, order);
    }
    template <class T>
    static bool replace(T& word, T from, T to) {
        step();
        return ion::AtomicWords::replace(word, from, to);
    }
    static void store_two(uint32_t& first, uint32_t one, uint32_t other) {
        store(first, one, std::memory_order_relaxed);
        store((&first)[1], other, std::memory_order_relaxed);
    }
};

using HookedProducer = ion::BasicProducer<ion::SameCore, HookedWords>;
using HookedConsumer = ion::BasicConsumer<ion::SameCore, HookedWords>;

// The ends as they are on two cores: bells are wished for in the other's line, positions told late.
using HookedAcrossProducer = ion::BasicProducer<ion::Symmetric, HookedWords>;
using HookedAcrossConsumer = ion::BasicConsumer<ion::Symmetric, HookedWords>;

} // namespace ion_test
