// SPDX-License-Identifier: Apache-2.0
//
// relacy, and what the programs that run under it share. relacy runs every shared word by the C11
// memory model (old values are read where the orders allow it) and tries interleavings.
#pragma once

#include <gtest/gtest.h>

#include <sstream>

#include "ion/ring.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <relacy/relacy.hpp>
#pragma clang diagnostic pop
// relacy renames the standard's words for programs written against it; ours are not.
#undef memory_order_relaxed
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno

namespace ion_test {

inline rl::memory_order translate(std::memory_order order) {
    switch (order) {
    case std::memory_order::relaxed:
        return rl::mo_relaxed;
    case std::memory_order::acquire:
        return rl::mo_acquire;
    case std::memory_order::release:
        return rl::mo_release;
    case std::memory_order::acq_rel:
        return rl::mo_acq_rel;
    default:
        return rl::mo_seq_cst;
    }
}

template <class Suite>
void check(rl::scheduler_type_e search, unsigned iterations) {
    std::ostringstream said;
    rl::test_params params;
    params.search_type = search;
    params.context_bound = 2;
    params.iteration_count = iterations;
    params.execution_depth_limit = 20000;
    params.output_stream = &said;
    params.progress_stream = &said;
    EXPECT_TRUE(rl::simulate<Suite>(params)) << said.str();
    std::printf("%llu executions\n", static_cast<unsigned long long>(params.stop_iteration));
}

// Heavy barriers as interrupts: who wants one asks each other thread for it and waits; that thread passes a
// full fence before its next access, wherever it is in its program, and acknowledges. One that sleeps or has
// ended passes one when it falls asleep and when it wakes. Words of a model call serve() first.
template <unsigned threads>
class Interrupts {
  public:
    void before() {
        for (unsigned i = 0; i < threads; ++i) {
            asked_[i].store(0, rl::mo_relaxed, $);
            idle_[i].store(0, rl::mo_relaxed, $);
        }
    }

    void serve() {
        const unsigned me = rl::thread_index();
        if (asked_[me].load(rl::mo_relaxed, $) != 0) {
            take(me);
        }
    }

    void heavy() {
        const unsigned me = rl::thread_index();
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
        for (unsigned other = 0; other < threads; ++other) {
            if (other == me) {
                continue;
            }
            asked_[other].fetch_add(1, rl::mo_seq_cst, $);
            while (asked_[other].load(rl::mo_seq_cst, $) != 0 && idle_[other].load(rl::mo_seq_cst, $) == 0) {
                serve(); // two that ask each other
                rl::yield(1, $);
            }
        }
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
    }

    void fall_asleep() {
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
        idle_[rl::thread_index()].store(1, rl::mo_seq_cst, $);
    }
    void wake() {
        const unsigned me = rl::thread_index();
        idle_[me].exchange(0, rl::mo_seq_cst, $);
        take(me);
    }

  private:
    void take(unsigned me) {
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
        asked_[me].exchange(0, rl::mo_seq_cst, $);
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
    }

    rl::atomic<unsigned> asked_[threads];
    rl::atomic<unsigned> idle_[threads];
};

} // namespace ion_test
