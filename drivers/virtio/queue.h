// SPDX-License-Identifier: Apache-2.0
//
// A split virtqueue (virtio 1.2, 2.7) of buffers that the device writes. It lies in memory that the device
// writes, too, and so may lie in anything but the size of this code: what was offered is kept apart from it,
// and what the device says is held to that.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "nexus/result.h"

namespace virtio {

// `size`: descriptors, a power of two.
template <uint16_t size>
class Queue {
    // 2.7.5, 2.7.6, 2.7.8: little endian, as all machines here are.
    struct Descriptor {
        uint64_t address;
        uint32_t length;
        uint16_t flags;
        uint16_t next;
    };
    struct UsedElement {
        uint32_t id;
        uint32_t length;
    };
    struct alignas(16) Memory {
        std::array<Descriptor, size> descriptors;
        struct {
            uint16_t flags; // 0: the device interrupts when it has used a buffer
            uint16_t index;
            std::array<uint16_t, size> ring;
        } available;
        alignas(4) struct {
            uint16_t flags;
            uint16_t index;
            std::array<UsedElement, size> ring;
        } used;
    };
    static_assert(size != 0 && (size & (size - 1)) == 0);

  public:
    static constexpr size_t bytes = sizeof(Memory);

    struct Used {
        uint16_t index;
        uint32_t length; // bytes that were written, as many as were offered at most
    };

    // `memory`: 16-byte aligned; zeroed here, so the device does not use it now. `physical`: where the device
    // finds it.
    Queue(std::byte* memory, uint64_t physical)
        : memory_(reinterpret_cast<Memory*>(memory)), physical_(physical) {
        std::memset(memory, 0, bytes);
    }

    [[nodiscard]] uint64_t descriptors() const { return physical_; }
    [[nodiscard]] uint64_t available() const { return physical_ + offsetof(Memory, available); }
    [[nodiscard]] uint64_t used() const { return physical_ + offsetof(Memory, used); }

    // Gives the device a buffer of `length` bytes to write, by a descriptor that it does not have: `index` <
    // size. It looks when it is notified.
    void offer(uint16_t index, uint64_t physical, uint32_t length) {
        constexpr uint16_t device_writes = 2; // 2.7.5
        memory_->descriptors[index] = {physical, length, device_writes, 0};
        offered_[index] = length;
        memory_->available.ring[next_available_ % size] = index;
        ++next_available_;
        ++outstanding_;
        // release: who sees the index sees the descriptor and the ring's entry (2.7.13.3.1).
        std::atomic_ref(memory_->available.index).store(next_available_, std::memory_order_release);
    }

    // The next that it gave back. EAGAIN: none. EIO: what it says is impossible; nothing of it is to be
    // believed, and it is to be reset.
    [[nodiscard]] nexus::Result<Used> take() {
        // acquire: the entry and the buffer are read after the index that covers them (2.7.14).
        const uint16_t index = std::atomic_ref(memory_->used.index).load(std::memory_order_acquire);
        const auto given_back = static_cast<uint16_t>(index - next_used_);
        if (given_back == 0) {
            return nexus::error(nexus::Errno::again);
        }
        // Read once: the device may write it again.
        UsedElement& element = memory_->used.ring[next_used_ % size];
        const uint32_t id = std::atomic_ref(element.id).load(std::memory_order_relaxed);
        const uint32_t length = std::atomic_ref(element.length).load(std::memory_order_relaxed);
        if (given_back > outstanding_ || id >= size || length > offered_[id] || offered_[id] == 0) {
            return nexus::error(nexus::Errno::io);
        }
        offered_[id] = 0;
        --outstanding_;
        ++next_used_;
        return Used{static_cast<uint16_t>(id), length};
    }

  private:
    Memory* memory_;
    uint64_t physical_;
    // The device does not see these.
    std::array<uint32_t, size> offered_{}; // bytes; 0: not offered
    uint16_t outstanding_ = 0;
    uint16_t next_available_ = 0;
    uint16_t next_used_ = 0;
};

} // namespace virtio
