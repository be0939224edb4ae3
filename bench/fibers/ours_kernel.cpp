// SPDX-License-Identifier: Apache-2.0
//
// Parts of the kernel that no call reaches alone: the HAL table's switch, and the deadline queue.
#include <new>

#include "bench/fibers/bench.h"
#include "core/deadline_queue.h"
#include "core/machine.h"

// plain_switch.S
extern "C" void bench_plain_switch(hal_context* from, const hal_context* to);
extern "C" void bench_plain_make(hal_context* context, void* stack_top, void (*entry)(void*), void* argument);

namespace {

alignas(64) std::byte stack[16384];
hal_context home;
hal_context away;

using Switch = void (*)(hal_context*, const hal_context*);

// Both sides run this one loop, as in the kernel all switches come from one place: returns are predicted by
// the place they were called from.
[[gnu::noinline]] void turns(Switch how, hal_context* mine, const hal_context* other, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
        how(mine, other);
    }
}

[[noreturn]] void returns(void* how) {
    turns(reinterpret_cast<Switch>(how), &away, &home, UINT64_MAX);
    __builtin_trap();
}

double measure(Switch how, uint64_t switches) {
    asm("" : "+r"(how)); // or the compiler makes a loop of its own for each
    const uint64_t begun = bench_now();
    turns(how, &home, &away, switches / 2);
    return static_cast<double>(bench_now() - begun) / static_cast<double>(switches);
}

} // namespace

double ours_switch(uint64_t switches) {
    const Switch how = rumpk::machine().context_switch;
    const rumpk::InterruptsMasked masked;
    rumpk::machine().context_make(&away, stack, sizeof stack, returns, reinterpret_cast<void*>(how));
    return measure(how, switches);
}

double ours_plain_switch(uint64_t switches) {
    const rumpk::InterruptsMasked masked;
    bench_plain_make(&away, stack + sizeof stack, returns, reinterpret_cast<void*>(bench_plain_switch));
    return measure(bench_plain_switch, switches);
}

// --- Deadlines ------------------------------------------------------------------------------------

namespace {

using rumpk::DeadlineNode;
using rumpk::DeadlineQueue;
using rumpk::DeadlineStorage;
using rumpk::Instant;

constexpr uint32_t most = 1'000'000;
constexpr size_t blocks_of_most = DeadlineStorage::blocks_for(most, 1);
DeadlineStorage::Block blocks[blocks_of_most];
DeadlineStorage::Block* block_pointers[DeadlineStorage::pointers_for(blocks_of_most, 1)];
DeadlineNode nodes[most];

double longer(double longest, uint64_t begun) {
    const auto took = static_cast<double>(bench_now() - begun);
    return took > longest ? took : longest;
}

} // namespace

uint64_t ours_deadline_bytes(uint32_t fibers) {
    const size_t count = DeadlineStorage::blocks_for(fibers + 2, rumpk::tier_count); // as boot_cores.cpp
    return count * sizeof(DeadlineStorage::Block) +
           DeadlineStorage::pointers_for(count, rumpk::tier_count) * sizeof(DeadlineStorage::Block*);
}

deadline_figures ours_deadlines(uint32_t pending, const uint64_t* keys, uint32_t operations) {
    if (pending < 2) {
        return {};
    }
    alignas(DeadlineQueue) static std::byte memory[sizeof(DeadlineQueue)];
    auto& queue = *::new (memory) DeadlineQueue;
    DeadlineStorage storage;
    storage.prepare(blocks, block_pointers);
    queue.prepare(storage);
    deadline_figures figures{};
    uint64_t begun = bench_now();
    for (uint32_t i = 0; i < pending; ++i) {
        queue.insert(nodes[i], Instant{keys[i]});
    }
    figures.insert = static_cast<double>(bench_now() - begun) / pending;
    // keys[pending + i]: which one, and its new moment.
    begun = bench_now();
    for (uint32_t i = 0; i < operations; ++i) {
        const uint64_t key = keys[pending + i];
        DeadlineNode& node = nodes[key % pending];
        queue.cancel(node);
        queue.insert(node, Instant{key});
    }
    figures.cancel_insert = static_cast<double>(bench_now() - begun) / operations;
    for (uint32_t i = 0; i < operations; ++i) {
        const uint64_t key = keys[pending + i] / 3;
        DeadlineNode& node = nodes[key % pending];
        const uint64_t before = bench_now();
        queue.cancel(node);
        queue.insert(node, Instant{key});
        figures.worst = longer(figures.worst, before);
    }
    const uint32_t half = pending / 2;
    uint32_t expired = 0;
    begun = bench_now();
    while (expired < half) {
        (void)queue.pop_due(queue.next());
        ++expired;
    }
    figures.expire = static_cast<double>(bench_now() - begun) / expired;
    while (!queue.empty()) {
        const uint64_t before = bench_now();
        (void)queue.pop_due(queue.next());
        figures.worst = longer(figures.worst, before);
    }
    return figures;
}
