// SPDX-License-Identifier: Apache-2.0
// A ring of bytes from one thread to another. Positions count bytes and never wrap.
#ifndef RUMPK_HAL_MACHINE_HOST_BYTE_RING_H
#define RUMPK_HAL_MACHINE_HOST_BYTE_RING_H

#include <atomic>
#include <stdint.h>
#include <string.h>

namespace rumpk::hal {

struct Bytes {
    uint8_t* at;
    uint64_t size;
};

template <uint64_t Size>
class ByteRing {
    static_assert((Size & (Size - 1)) == 0);

  public:
    // Producer: where the next bytes go, as far as they lie in one piece; size 0: full.
    [[nodiscard]] Bytes room() {
        uint64_t tail = tail_.load(std::memory_order_relaxed);
        // Acquire pairs with drop: without it new bytes could overwrite some that are still read.
        uint64_t free = Size - (tail - head_.load(std::memory_order_acquire));
        return piece(tail, free);
    }
    void fill(uint64_t count) {
        // Release pairs with content's acquire: the bytes are there before the position says so.
        tail_.store(tail_.load(std::memory_order_relaxed) + count, std::memory_order_release);
    }
    // Copies what fits in; returns how much.
    uint64_t put(const uint8_t* from, uint64_t count) {
        uint64_t done = 0;
        for (Bytes next = room(); done < count && next.size > 0; next = room()) {
            uint64_t part = next.size < count - done ? next.size : count - done;
            memcpy(next.at, from + done, part);
            fill(part);
            done += part;
        }
        return done;
    }

    // Consumer: the oldest bytes, as far as they lie in one piece; size 0: empty.
    [[nodiscard]] Bytes content() {
        uint64_t head = head_.load(std::memory_order_relaxed);
        return piece(head, tail_.load(std::memory_order_acquire) - head);
    }
    void drop(uint64_t count) {
        head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release);
    }
    // Copies what is there, at most `count`; returns how much.
    uint64_t take(uint8_t* to, uint64_t count) {
        uint64_t done = 0;
        for (Bytes next = content(); done < count && next.size > 0; next = content()) {
            uint64_t part = next.size < count - done ? next.size : count - done;
            memcpy(to + done, next.at, part);
            drop(part);
            done += part;
        }
        return done;
    }

    // Either side.
    [[nodiscard]] bool empty() const {
        return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
    }
    // Producer: bytes put since the beginning.
    [[nodiscard]] uint64_t position() const { return tail_.load(std::memory_order_relaxed); }

  private:
    Bytes piece(uint64_t position, uint64_t available) {
        uint64_t offset = position & (Size - 1);
        uint64_t to_end = Size - offset;
        return {bytes_ + offset, available < to_end ? available : to_end};
    }

    alignas(64) std::atomic<uint64_t> tail_ = 0; // the producer's line
    alignas(64) std::atomic<uint64_t> head_ = 0; // the consumer's
    alignas(64) uint8_t bytes_[Size] = {};
};

// "Call me": one side sets it when it came up short, looks once more, and goes away; the
// other side, having made progress, takes it and calls. Sequentially consistent on both
// sides, and each looks after it wrote: were one of the looks to pass the write before it,
// both could find nothing and nobody would call.
class Request {
  public:
    void set() {
        set_.store(1, std::memory_order_seq_cst);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    void withdraw() { set_.store(0, std::memory_order_relaxed); }
    [[nodiscard]] bool take() {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return set_.load(std::memory_order_relaxed) != 0 && set_.exchange(0, std::memory_order_seq_cst) != 0;
    }
    [[nodiscard]] std::atomic<uint32_t>& word() { return set_; }

  private:
    std::atomic<uint32_t> set_ = 0;
};

} // namespace rumpk::hal

#endif
