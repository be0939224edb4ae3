// SPDX-License-Identifier: Apache-2.0
//
// The same with Boost.Context and Boost.Fiber.
#include <boost/context/detail/fcontext.hpp>
#include <boost/fiber/all.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>
#include <cfenv>
#include <vector>

#include "bench/fibers/bench.h"

namespace {

namespace context = boost::context::detail;
namespace fibers = boost::fibers;

constexpr std::size_t stack_size = 8192; // less does not hold its own bookkeeping and a call

void returns(context::transfer_t from) {
    while (true) {
        from = context::jump_fcontext(from.fctx, nullptr);
    }
}

double ns_each(uint64_t begun, uint64_t ended, double count) {
    return static_cast<double>(ended - begun) / count;
}

} // namespace

double peer_switch(uint64_t switches, int raised) {
    alignas(64) static char stack[16384];
    std::feclearexcept(FE_ALL_EXCEPT);
    context::transfer_t other{context::make_fcontext(stack + sizeof stack, sizeof stack, returns), nullptr};
    other = context::jump_fcontext(other.fctx, nullptr);
    std::feraiseexcept(raised);
    const uint64_t begun = bench_now();
    for (uint64_t i = 0; i < switches / 2; ++i) {
        other = context::jump_fcontext(other.fctx, nullptr);
    }
    return ns_each(begun, bench_now(), static_cast<double>(switches));
}

double peer_yield(uint32_t count, uint64_t rounds) {
    uint64_t begun = 0;
    uint64_t ended = 0;
    fibers::pooled_fixedsize_stack pool(stack_size);
    std::vector<fibers::fiber> all;
    all.reserve(count);
    for (uint32_t number = 0; number < count; ++number) {
        all.emplace_back(fibers::launch::post, std::allocator_arg, pool, [&, number, rounds] {
            boost::this_fiber::yield();
            if (number == 0) {
                begun = bench_now();
            }
            for (uint64_t i = 0; i < rounds; ++i) {
                boost::this_fiber::yield();
            }
            if (number == 0) {
                ended = bench_now();
            }
        });
    }
    // The main fiber sleeps in join, out of the run queue.
    for (auto one = all.rbegin(); one != all.rend(); ++one) {
        one->join();
    }
    return ns_each(begun, ended, static_cast<double>(count) * static_cast<double>(rounds));
}

double peer_spawn_end(uint64_t count) {
    static fibers::pooled_fixedsize_stack pool(stack_size);
    uint64_t done = 0;
    const uint64_t begun = bench_now();
    for (uint64_t i = 0; i < count; ++i) {
        fibers::fiber(fibers::launch::post, std::allocator_arg, pool, [&] { ++done; }).join();
    }
    const uint64_t ended = bench_now();
    return done == count ? ns_each(begun, ended, static_cast<double>(count)) : -1;
}
