// SPDX-License-Identifier: Apache-2.0
// The virtqueue, with a device that keeps the rules and with one that does not.
#include "drivers/virtio/queue.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include <gtest/gtest.h>

namespace {

using nexus::Errno;
using virtio::Queue;

constexpr uint16_t size = 4;
constexpr uint64_t physical = 0x8123'0000;

// What the device sees, by the offsets of the specification (2.7).
class Device {
  public:
    explicit Device(std::byte* memory, const Queue<size>& queue)
        : available_(memory + (queue.available() - physical)), used_(memory + (queue.used() - physical)),
          memory_(memory) {}

    uint16_t available_index() const { return at<uint16_t>(available_, 2); }
    uint16_t available(unsigned entry) const { return at<uint16_t>(available_, 4 + entry % size * 2); }
    uint64_t address(unsigned descriptor) const { return at<uint64_t>(memory_, descriptor * 16); }
    uint32_t length(unsigned descriptor) const { return at<uint32_t>(memory_, descriptor * 16 + 8); }
    uint16_t flags(unsigned descriptor) const { return at<uint16_t>(memory_, descriptor * 16 + 12); }
    void give_back(uint32_t id, uint32_t length) {
        const uint16_t index = used_index();
        put(used_, 4 + index % size * 8u, id);
        put(used_, 4 + index % size * 8u + 4, length);
        set_used_index(static_cast<uint16_t>(index + 1));
    }
    uint16_t used_index() const { return at<uint16_t>(used_, 2); }
    void set_used_index(uint16_t index) { put(used_, 2, index); }

  private:
    template <class T>
    static T at(const std::byte* base, size_t offset) {
        T value;
        std::memcpy(&value, base + offset, sizeof value);
        return value;
    }
    template <class T>
    static void put(std::byte* base, size_t offset, T value) {
        std::memcpy(base + offset, &value, sizeof value);
    }
    std::byte* available_;
    std::byte* used_;
    std::byte* memory_;
};

class QueueTest : public testing::Test {
  protected:
    // Whatever was there before.
    static std::byte* dirty(std::span<std::byte> memory) {
        std::ranges::fill(memory, std::byte{0x5a});
        return memory.data();
    }
    alignas(16) std::array<std::byte, Queue<size>::bytes> memory_;
    Queue<size> queue_{dirty(memory_), physical};
    Device device_{memory_.data(), queue_};

    void expect_lie() {
        const auto taken = queue_.take();
        ASSERT_FALSE(taken);
        EXPECT_EQ(taken.error(), Errno::io);
    }
};

TEST_F(QueueTest, PartsAreWhereTheSpecificationWantsThem) {
    EXPECT_EQ(queue_.descriptors() % 16, 0u);
    EXPECT_EQ(queue_.available() - queue_.descriptors(), size * 16u);
    EXPECT_EQ(queue_.used() % 4, 0u);
    EXPECT_GE(queue_.used() - queue_.available(), 4u + size * 2);
    EXPECT_GE(Queue<size>::bytes, queue_.used() - physical + 4 + size * 8);
}

TEST_F(QueueTest, ABufferGoesAndComesBack) {
    EXPECT_EQ(queue_.take().error(), Errno::again);
    for (uint32_t round = 0; round < 70'000; ++round) { // beyond the end of 16 bits
        const auto index = static_cast<uint16_t>(round % size);
        queue_.offer(index, 0x9000'0000 + round, 100);
        ASSERT_EQ(device_.available_index(), static_cast<uint16_t>(round + 1));
        ASSERT_EQ(device_.available(round), index);
        ASSERT_EQ(device_.address(index), 0x9000'0000 + round);
        ASSERT_EQ(device_.length(index), 100u);
        ASSERT_EQ(device_.flags(index), 2); // the device writes
        device_.give_back(index, round % 101);
        const auto used = queue_.take();
        ASSERT_TRUE(used);
        ASSERT_EQ(used->index, index);
        ASSERT_EQ(used->length, round % 101);
        ASSERT_EQ(queue_.take().error(), Errno::again);
    }
}

TEST_F(QueueTest, InAnyOrder) {
    for (uint16_t i = 0; i < size; ++i) {
        queue_.offer(i, physical, 8u + i);
    }
    for (const uint16_t i : {2, 0, 3, 1}) {
        device_.give_back(i, 8u + i);
    }
    for (const uint16_t i : {2, 0, 3, 1}) {
        EXPECT_EQ(queue_.take()->index, i);
    }
}

TEST_F(QueueTest, MoreThanWasOffered) {
    queue_.offer(0, physical, 8);
    device_.give_back(0, 9);
    expect_lie();
}

TEST_F(QueueTest, ADescriptorThatItDoesNotHave) {
    queue_.offer(0, physical, 8);
    device_.give_back(1, 0);
    expect_lie();
}

TEST_F(QueueTest, ADescriptorThatThereIsNot) {
    queue_.offer(0, physical, 8);
    for (const uint32_t id : {uint32_t{size}, 0x10000u, ~0u}) {
        device_.set_used_index(0);
        device_.give_back(id, 0);
        expect_lie();
    }
}

TEST_F(QueueTest, TheSameTwice) {
    queue_.offer(0, physical, 8);
    queue_.offer(1, physical, 8);
    device_.give_back(0, 8);
    device_.give_back(0, 8);
    EXPECT_TRUE(queue_.take());
    expect_lie();
}

TEST_F(QueueTest, AnIndexThatJumps) {
    queue_.offer(0, physical, 8);
    device_.give_back(0, 8);
    for (const uint16_t index : {2, 3, 0x8000, 0xffff}) {
        device_.set_used_index(index);
        expect_lie();
    }
    device_.set_used_index(1); // it was only looked at
    EXPECT_TRUE(queue_.take());
    device_.set_used_index(0); // back
    expect_lie();
}

TEST_F(QueueTest, WhatItWritesIntoItsOwnPartsIsNotRead) {
    queue_.offer(0, physical, 8);
    std::memset(memory_.data(), 0xff, queue_.used() - physical); // descriptors and the ring of available ones
    device_.give_back(0, 8);
    EXPECT_EQ(queue_.take()->length, 8u);
    queue_.offer(0, physical, 16);
    EXPECT_EQ(device_.available_index(), 2);
    EXPECT_EQ(device_.length(0), 16u);
}

} // namespace
