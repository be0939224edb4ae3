// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/membrane/fake_kernel.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "start/process.h"

namespace nexus::detail {

constinit Process process{}; // start.cpp's, which has the real _start beside it

} // namespace nexus::detail

namespace test {

namespace {

FakeKernel* kernel = nullptr;

constexpr auto geometry = ion::Geometry::of(slots, slot_size);
constexpr size_t ring_bytes = (geometry.bytes() + 63) / 64 * 64;

// Fixed: the program has the address compiled in.
rumpk_systable& table() {
    static void* const page =
        mmap(reinterpret_cast<void*>(RUMPK_SYSTABLE_ADDRESS), 4096, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page != reinterpret_cast<void*>(RUMPK_SYSTABLE_ADDRESS)) {
        std::abort();
    }
    return *static_cast<rumpk_systable*>(page);
}

int64_t unexpected(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    ADD_FAILURE() << "a call that the test did not expect";
    return -RUMPK_ENOSYS;
}

int64_t yield(uint64_t wait, uint64_t bell, uint64_t deadline, uint64_t flags, uint64_t peers,
              uint64_t count) {
    const auto* ids = reinterpret_cast<const uint64_t*>(peers);
    Yield call{wait, bell, deadline, flags, std::vector(ids, ids + count)};
    if ((flags & RUMPK_YIELD_NOWAIT) != 0) {
        kernel->bells.push_back(call);
        return wait != 0 ? -RUMPK_EAGAIN : 0;
    }
    if (!kernel->on_wait) {
        ADD_FAILURE() << "a wait that the test did not expect";
        std::abort(); // it would wait for ever
    }
    return kernel->on_wait(call);
}

int64_t read(uint64_t descriptor, uint64_t buffer, uint64_t length, uint64_t, uint64_t, uint64_t) {
    EXPECT_EQ(descriptor, RUMPK_FD_INPUT);
    return kernel->on_read(std::span(reinterpret_cast<char*>(buffer), length));
}

int64_t write(uint64_t descriptor, uint64_t bytes, uint64_t length, uint64_t, uint64_t, uint64_t) {
    EXPECT_EQ(descriptor, RUMPK_FD_OUTPUT);
    kernel->written.append(reinterpret_cast<const char*>(bytes), length);
    return static_cast<int64_t>(length);
}

int64_t spawn(uint64_t args, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return kernel->on_spawn(*reinterpret_cast<const rumpk_spawn_args*>(args));
}

int64_t kill(uint64_t fiber, uint64_t reason, uint64_t, uint64_t, uint64_t, uint64_t) {
    return kernel->on_kill(fiber, reason);
}

int64_t random(uint64_t buffer, uint64_t length, uint64_t, uint64_t, uint64_t, uint64_t) {
    EXPECT_EQ(length % sizeof *kernel->drawn, 0u);
    if (!kernel->drawn) {
        return -RUMPK_EAGAIN;
    }
    std::ranges::fill(std::span(reinterpret_cast<uint64_t*>(buffer), length / sizeof(uint64_t)),
                      *kernel->drawn);
    return static_cast<int64_t>(length);
}

int64_t time(uint64_t clock, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    if (kernel->on_time) {
        kernel->on_time();
    }
    return clock == RUMPK_CLOCK_MONOTONIC ? kernel->now : -RUMPK_ENODEV;
}

int64_t give(uint64_t buffer, uint64_t length, const void* bytes, size_t size) {
    std::copy_n(static_cast<const std::byte*>(bytes), std::min<size_t>(length, size),
                reinterpret_cast<std::byte*>(buffer));
    return static_cast<int64_t>(size);
}

int64_t meta(uint64_t operation, uint64_t buffer, uint64_t length, uint64_t index, uint64_t, uint64_t) {
    ++kernel->meta_calls;
    if (operation == RUMPK_META_SELF) {
        rumpk_meta_self self{};
        self.size = sizeof self;
        self.fiber = kernel->self;
        self.home_tier = RUMPK_TIER_GRAVITY;
        return give(buffer, length, &self, sizeof self);
    }
    if (operation == RUMPK_META_FIBER) {
        if (index != 0 && !kernel->is_alive(index)) {
            return -RUMPK_ESRCH;
        }
        rumpk_meta_fiber fiber{};
        fiber.size = sizeof fiber;
        fiber.tier = kernel->tier;
        std::copy_n(kernel->first_fiber_name.begin(),
                    std::min(kernel->first_fiber_name.size(), sizeof fiber.name), fiber.name);
        return give(buffer, length, &fiber, sizeof fiber);
    }
    if (operation == RUMPK_META_ARGS) {
        return give(buffer, length, kernel->arguments.data(), kernel->arguments.size());
    }
    return -RUMPK_ENOSYS;
}

} // namespace

FakeKernel::FakeKernel() : memory_(2 * ring_bytes + 63) {
    kernel = this;
    rumpk_systable& shown = table();
    shown = {};
    for (uint64_t& call : shown.call) {
        call = reinterpret_cast<uintptr_t>(unexpected);
    }
    shown.call[RUMPK_CALL_READ] = reinterpret_cast<uintptr_t>(read);
    shown.call[RUMPK_CALL_WRITE] = reinterpret_cast<uintptr_t>(write);
    shown.call[RUMPK_CALL_YIELD] = reinterpret_cast<uintptr_t>(yield);
    shown.call[RUMPK_CALL_SPAWN] = reinterpret_cast<uintptr_t>(spawn);
    shown.call[RUMPK_CALL_KILL] = reinterpret_cast<uintptr_t>(kill);
    shown.call[RUMPK_CALL_RANDOM] = reinterpret_cast<uintptr_t>(random);
    shown.call[RUMPK_CALL_TIME] = reinterpret_cast<uintptr_t>(time);
    shown.call[RUMPK_CALL_META] = reinterpret_cast<uintptr_t>(meta);

    const auto start = (reinterpret_cast<uintptr_t>(memory_.data()) + 63) & ~uintptr_t{63};
    auto* const base = reinterpret_cast<std::byte*>(start);
    EXPECT_TRUE(ion::format({base, geometry.bytes()}, geometry));
    EXPECT_TRUE(ion::format({base + ring_bytes, geometry.bytes()}, geometry));
    rx_.emplace(base, geometry);
    tx_.emplace(base + ring_bytes, geometry);
    shown.ring[RUMPK_RING_RX] = {start, slots, slot_size};
    shown.ring[RUMPK_RING_TX] = {start + ring_bytes, slots, slot_size};
    nexus::detail::process = {};
    nexus::detail::process.self.fiber_slots = fiber_slots;
}

FakeKernel::~FakeKernel() {
    kernel = nullptr;
}

void FakeKernel::hide_rings() {
    table().ring[RUMPK_RING_RX].base = 0;
    table().ring[RUMPK_RING_TX].base = 0;
}

std::vector<std::string> FakeKernel::drain() {
    std::vector<std::string> messages;
    while (const auto message = tx_->peek()) {
        const auto* text = reinterpret_cast<const char*>(message->payload.data());
        const char* stream = message->tag == RUMPK_TX_STDOUT   ? "o:"
                             : message->tag == RUMPK_TX_STDERR ? "e:"
                                                               : "?:";
        messages.push_back(stream + std::string(text, message->payload.size()));
        EXPECT_TRUE(tx_->release());
    }
    return messages;
}

void FakeKernel::feed(std::string_view text) {
    ASSERT_TRUE(rx_->push(RUMPK_RX_DATA, std::as_bytes(std::span(text))));
}

void FakeKernel::end_input() {
    ASSERT_TRUE(rx_->push(RUMPK_RX_END, {}));
}

} // namespace test
