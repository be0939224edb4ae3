// SPDX-License-Identifier: Apache-2.0
//
// The parts of tasks against naive models: memory for frames, the list of who is ready, the heap of
// deadlines.
#include <algorithm>
#include <cstring>
#include <deque>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "nexus/task.h"

namespace {

using nexus::detail::FramePool;
using nexus::detail::PromiseBase;
using nexus::detail::ReadyList;
using nexus::detail::State;
using nexus::detail::TimedHeap;

struct Pool {
    explicit Pool(size_t bytes) : memory(bytes) { pool.add(memory); }
    std::vector<std::byte> memory;
    nexus::tasks* const owner = reinterpret_cast<nexus::tasks*>(0x1000); // never touched
    FramePool pool{*owner};
};

TEST(FramePool, gives_every_size_until_it_is_full_and_again) {
    Pool p(9 * FramePool::block_size);
    for (const size_t bytes : {size_t{1}, size_t{96}, size_t{97}, size_t{2016}, size_t{2017}, size_t{4048}}) {
        std::vector<void*> frames;
        while (void* const frame = p.pool.take(bytes)) {
            EXPECT_EQ(reinterpret_cast<uintptr_t>(frame) % 16, 0u);
            EXPECT_EQ(&FramePool::owner_of(frame), p.owner);
            std::memset(frame, 0xff, bytes);
            frames.push_back(frame);
        }
        const size_t unit = bytes <= 2016 ? (bytes + 15) / 16 * 16 : 4048;
        EXPECT_EQ(frames.size(), p.pool.bytes() / FramePool::block_size * (4048 / unit)) << bytes;
        EXPECT_GE(p.pool.bytes(), 8 * FramePool::block_size);
        for (void* const frame : frames) {
            FramePool::give(frame);
        }
        EXPECT_EQ(p.pool.frames(), 0u);
    }
    EXPECT_EQ(p.pool.take(4049), nullptr);
}

TEST(FramePool, random_frames_never_overlap) {
    Pool p(64 * FramePool::block_size);
    std::vector<std::byte> more(40 * FramePool::block_size);
    std::mt19937 random(1);
    std::map<std::byte*, size_t> taken;
    size_t refused = 0;
    for (int step = 0; step < 300'000; ++step) {
        if (step == 150'000) {
            p.pool.add(more);
        }
        // Waves, so that blocks of one size become blocks of another.
        const bool filling = step / 5000 % 2 == 0;
        if (random() % 4 < (filling ? 3U : 1U)) {
            const size_t bytes = 1 + random() % (step / 20'000 % 3 == 0 ? 200 : 4048);
            auto* const frame = static_cast<std::byte*>(p.pool.take(bytes));
            if (frame == nullptr) {
                ++refused;
                continue;
            }
            const auto after = taken.lower_bound(frame);
            ASSERT_TRUE(after == taken.end() || frame + bytes <= after->first);
            ASSERT_TRUE(after == taken.begin() ||
                        std::prev(after)->first + std::prev(after)->second <= frame);
            std::memset(frame, step, bytes);
            taken[frame] = bytes;
        } else if (!taken.empty()) {
            auto one = taken.lower_bound(p.memory.data() + random() % p.memory.size());
            one = one == taken.end() ? taken.begin() : one;
            FramePool::give(one->first);
            taken.erase(one);
        }
        ASSERT_EQ(p.pool.frames(), taken.size());
    }
    EXPECT_GT(refused, 0u);
    for (const auto& [frame, bytes] : taken) {
        FramePool::give(frame);
    }
    EXPECT_EQ(p.pool.frames(), 0u);
}

TEST(ReadyList, as_a_queue) {
    std::mt19937 random(7);
    for (const size_t count : {size_t{1}, size_t{2}, size_t{3}, size_t{20}}) {
        ReadyList list;
        std::vector<PromiseBase> promises(count);
        std::deque<PromiseBase*> queue;
        for (int step = 0; step < 50'000; ++step) {
            PromiseBase& one = promises[random() % count];
            if (one.state == State::ready) {
                if (random() % 4 == 0) {
                    list.remove(one);
                    std::erase(queue, &one);
                }
            } else if (random() % 2 == 0) {
                list.push(one);
                queue.push_back(&one);
            } else { // it runs, and ends its turn
                queue.push_back(&one);
                ASSERT_EQ(&list.rotate(one), queue.front());
                queue.pop_front();
            }
            if (random() % 3 == 0 && !queue.empty()) {
                ASSERT_EQ(&list.pop(), queue.front());
                queue.pop_front();
            }
            ASSERT_EQ(list.empty(), queue.empty());
            for (const PromiseBase& each : promises) {
                ASSERT_EQ(each.state == State::ready, std::ranges::find(queue, &each) != queue.end()) << step;
            }
        }
        while (!list.empty()) { // or their destructors would look for an executor
            (void)list.pop();
        }
    }
}

TEST(TimedHeap, as_a_sorted_list) {
    constexpr size_t count = 700;
    std::vector<PromiseBase> nodes(count);
    std::set<std::pair<std::pair<uint64_t, uint64_t>, PromiseBase*>> model;
    std::map<PromiseBase*, std::pair<uint64_t, uint64_t>> keys;
    TimedHeap heap;
    std::mt19937 random(2);
    uint64_t order = 0;
    for (int step = 0; step < 400'000; ++step) {
        PromiseBase& node = nodes[random() % (step / 50'000 % 2 == 0 ? count : 5)];
        if (keys.contains(&node)) {
            heap.remove(node);
            model.erase({keys[&node], &node});
            keys.erase(&node);
        } else {
            const uint64_t when = random() % 50;
            heap.insert(node, when);
            keys[&node] = {when, order++};
            model.insert({keys[&node], &node});
        }
        if (random() % 8 == 0 && heap.first() != nullptr) {
            PromiseBase& first = *heap.first();
            heap.remove(first);
            model.erase({keys[&first], &first});
            keys.erase(&first);
        }
        ASSERT_EQ(heap.size(), model.size());
        ASSERT_EQ(heap.first(), model.empty() ? nullptr : model.begin()->second) << step;
    }
    while (heap.first() != nullptr) {
        ASSERT_EQ(heap.first(), model.begin()->second);
        model.erase(model.begin());
        heap.remove(*heap.first());
    }
    EXPECT_TRUE(model.empty());
}

} // namespace
