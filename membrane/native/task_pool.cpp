// SPDX-License-Identifier: Apache-2.0
//
// Memory for the frames of tasks.
#include "nexus/task_frame.h"

#include <algorithm>

namespace nexus::detail {

namespace {

constexpr size_t unit_step = 16;

} // namespace

void FramePool::add(std::span<std::byte> memory) {
    // What is left of the memory before stays usable.
    for (; next_ != end_; next_ += block_size) {
        auto* const block = ::new (next_) Block{};
        block->next = unused_;
        unused_ = block;
    }
    const auto start = reinterpret_cast<uintptr_t>(memory.data());
    const uintptr_t first = (start + block_size - 1) & ~(block_size - 1);
    const uintptr_t last = (start + memory.size()) & ~(block_size - 1);
    if (first < last) {
        next_ = reinterpret_cast<std::byte*>(first);
        end_ = reinterpret_cast<std::byte*>(last);
    }
}

void FramePool::link(Block& block) {
    Block*& head = open_[block.index];
    if (head != nullptr && head->used == 0) {
        Block& empty = *head; // kept because it was the only one
        unlink(empty);
        put_away(empty);
    }
    block.previous = nullptr;
    block.next = head;
    if (head != nullptr) {
        head->previous = &block;
    }
    head = &block;
}

void FramePool::unlink(Block& block) {
    (block.previous != nullptr ? block.previous->next : open_[block.index]) = block.next;
    if (block.next != nullptr) {
        block.next->previous = block.previous;
    }
}

void FramePool::put_away(Block& block) {
    block.next = unused_;
    unused_ = &block;
    --blocks_;
}

// The last resort: a block that is kept for its size and has no frame. It is the only one in its list.
FramePool::Block* FramePool::reclaim() {
    for (Block* block : open_) {
        if (block != nullptr && block->used == 0) {
            unlink(*block);
            put_away(*block);
            return unused_;
        }
    }
    return nullptr;
}

FramePool::Block* FramePool::open(size_t index, size_t unit) {
    Block* block = unused_ != nullptr || next_ != end_ ? unused_ : reclaim();
    if (block != nullptr) {
        unused_ = block->next;
    } else if (next_ != end_) {
        block = ::new (next_) Block{};
        next_ += block_size;
    } else {
        return nullptr;
    }
    *block = {.pool = this,
              .owner = owner_,
              .next = nullptr,
              .previous = nullptr,
              .free = nullptr,
              .unit = static_cast<uint16_t>(unit),
              .used = 0,
              .fresh = static_cast<uint16_t>(room / unit),
              .index = static_cast<uint16_t>(index)};
    ++blocks_;
    link(*block);
    return block;
}

void* FramePool::take(size_t bytes) {
    if (bytes > room) {
        return nullptr;
    }
    const bool shared = bytes <= largest_shared;
    const size_t unit = shared ? (bytes + unit_step - 1) & ~(unit_step - 1) : room;
    const size_t index = shared ? unit / unit_step : sizes;
    Block* block = open_[index];
    if (block == nullptr) {
        block = open(index, unit);
        if (block == nullptr) {
            return nullptr;
        }
    }
    void* frame = block->free;
    if (frame != nullptr) {
        block->free = *static_cast<void**>(frame);
    } else {
        frame = reinterpret_cast<std::byte*>(block) + block_size - block->fresh * size_t{block->unit};
        --block->fresh;
    }
    ++block->used;
    if (block->free == nullptr && block->fresh == 0) {
        unlink(*block);
    }
    ++frames_;
    return frame;
}

void FramePool::give(void* frame) {
    Block& block = *block_of(frame);
    FramePool& pool = *block.pool;
    const bool was_full = block.free == nullptr && block.fresh == 0;
    *static_cast<void**>(frame) = block.free;
    block.free = frame;
    --block.used;
    --pool.frames_;
    if (was_full) {
        pool.link(block);
    }
    // The last one of its size stays open: a task that comes and goes does not set up a block each time.
    if (block.used == 0 && (block.next != nullptr || block.previous != nullptr)) {
        pool.unlink(block);
        pool.put_away(block);
    }
}

} // namespace nexus::detail
