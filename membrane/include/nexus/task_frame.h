// SPDX-License-Identifier: Apache-2.0
//
// What <nexus/task.h> is made of: memory for coroutine frames, the part of a frame that the executor
// knows, and its heap of deadlines. Programs include <nexus/task.h>.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

namespace nexus {
class tasks;
}

namespace nexus::detail {

// Memory for frames, cut into blocks of a page; a block holds frames of one size, rounded up to 16 bytes.
// Taking and giving back are O(1). A block whose frames are all back serves any size again.
class FramePool {
  public:
    static constexpr size_t block_size = 4096;

    explicit FramePool(tasks& owner) : owner_(&owner) {}
    FramePool(const FramePool&) = delete;
    FramePool& operator=(const FramePool&) = delete;

    // The whole blocks in it, for as long as the pool lives.
    void add(std::span<std::byte> memory);

    // 16-byte aligned. nullptr: no block left, or larger than a block's room.
    [[nodiscard]] void* take(size_t bytes);
    // What take gave, of whichever pool.
    static void give(void* frame);

    // Whose pool it is that this address lies in.
    [[nodiscard]] static tasks& owner_of(const void* in_a_frame) { return *block_of(in_a_frame)->owner; }

    [[nodiscard]] size_t frames() const { return frames_; }
    [[nodiscard]] size_t bytes() const { return blocks_ * block_size; }

  private:
    struct alignas(16) Block {
        FramePool* pool;
        tasks* owner; // the pool's: one load less for each resumption
        Block* next;  // in open_, while it has room; or in unused_
        Block* previous;
        void* free;     // frames given back, each pointing to the next
        uint16_t unit;  // bytes a frame
        uint16_t used;  // frames taken and not given back
        uint16_t fresh; // frames never taken yet, at the block's end
        uint16_t index; // of open_
    };
    static constexpr size_t room = block_size - sizeof(Block);
    // Sizes of which a block holds two or more have a list each; a larger frame has a block of its own.
    static constexpr size_t largest_shared = room / 2 / 16 * 16;
    static constexpr size_t sizes = largest_shared / 16 + 1;

    [[nodiscard]] static Block* block_of(const void* address) {
        return reinterpret_cast<Block*>(reinterpret_cast<uintptr_t>(address) & ~(block_size - 1));
    }
    [[nodiscard]] Block* open(size_t index, size_t unit);
    [[nodiscard]] Block* reclaim();
    void link(Block& block);
    void unlink(Block& block);
    void put_away(Block& block);

    tasks* owner_;
    Block* unused_ = nullptr; // blocks without a frame
    std::byte* end_ = nullptr;
    std::byte* next_ = nullptr; // of the memory added last: blocks never used yet
    size_t frames_ = 0;
    size_t blocks_ = 0; // in use
    Block* open_[sizes + 1] = {};
};

// Which of its owner's pointers mean what depends on what a coroutine is doing; it does one thing at a time.
struct Links {
    Links* next = nullptr;     // ready: neighbours in the list; timed: the children in the heap
    Links* previous = nullptr; // awaiting a task: its Owner
    Links* parent = nullptr;
};

struct PromiseBase;

// Holds a frame and destroys it with itself.
struct Owner {
    PromiseBase* promise = nullptr;

    Owner() = default;
    explicit Owner(PromiseBase* owned) : promise(owned) {}
    Owner(Owner&& other) noexcept : promise(other.promise) { other.promise = nullptr; }
    Owner& operator=(Owner&& other) noexcept {
        PromiseBase* const mine = promise;
        promise = other.promise;
        other.promise = mine;
        return *this;
    }
    ~Owner() {
        if (promise != nullptr) {
            destroy();
        }
    }
    // The frame and everything it awaits, the innermost first and without recursion along the chain.
    void destroy();
};

// Tasks that were started together; see when_all, when_any and tasks::run.
struct Group {
    PromiseBase* waiter = nullptr; // nullptr: the executor's loop, which looks at `ended`
    PromiseBase* winner = nullptr; // the last that ended
    uint32_t left = 0;             // resumes the waiter when so many more have ended
};

enum class State : uint8_t { idle, ready, timed };
enum class Kin : uint8_t { owned, awaited, grouped, root };

// The executor's part of a promise, at the beginning of every one.
struct PromiseBase : Links {
    union {
        PromiseBase* awaiting = nullptr; // Kin::awaited
        Group* group;                    // Kin::grouped
        PromiseBase* next_root;          // Kin::root
    };
    PromiseBase* previous_root = nullptr;
    uint64_t when = 0;  // its deadline, ns, while timed
    uint32_t order = 0; // of two with one deadline the earlier comes first
    State state = State::idle;
    Kin kin = Kin::owned;
    bool awaits = false;  // a task: `previous` is its Owner
    bool expired = false; // its last deadline ended its wait

    PromiseBase() = default;
    PromiseBase(const PromiseBase&) = delete;
    PromiseBase& operator=(const PromiseBase&) = delete;
    ~PromiseBase();

    [[nodiscard]] tasks& executor() const { return FramePool::owner_of(this); }
    // Every promise begins with its base, and none is aligned to more than 16 bytes (asserted there): so
    // they stand at one distance from their frames.
    [[nodiscard]] std::coroutine_handle<> handle() {
        return std::coroutine_handle<PromiseBase>::from_promise(*this);
    }
    [[nodiscard]] Owner*& owner_awaited() { return reinterpret_cast<Owner*&>(previous); }
};

// The coroutines that are ready: first in, first out. The first stands by itself: of two that take turns
// nothing else is written.
class ReadyList {
  public:
    ReadyList() { others_.next = others_.previous = &others_; }

    [[nodiscard]] bool empty() const { return first_ == nullptr; }
    void push(PromiseBase& promise) {
        promise.state = State::ready;
        if (first_ == nullptr) {
            first_ = &promise;
        } else {
            append(promise);
        }
    }
    [[nodiscard]] PromiseBase& pop() {
        PromiseBase& promise = *first_;
        promise.state = State::idle;
        advance();
        return promise;
    }
    void remove(PromiseBase& promise) {
        promise.state = State::idle;
        if (&promise == first_) {
            advance();
        } else {
            unlink(promise);
        }
    }
    // push and pop in one, of one that runs: itself, if there is no other.
    [[nodiscard]] PromiseBase& rotate(PromiseBase& running) {
        if (first_ == nullptr) {
            return running;
        }
        PromiseBase& next = *first_;
        next.state = State::idle;
        running.state = State::ready;
        if (others_.next == &others_) {
            first_ = &running;
        } else {
            advance();
            append(running);
        }
        return next;
    }

  private:
    void append(PromiseBase& promise) {
        promise.next = &others_;
        promise.previous = others_.previous;
        others_.previous->next = &promise;
        others_.previous = &promise;
    }
    static void unlink(Links& links) {
        links.previous->next = links.next;
        links.next->previous = links.previous;
    }
    void advance() {
        Links* const second = others_.next;
        if (second == &others_) {
            first_ = nullptr;
        } else {
            unlink(*second);
            first_ = static_cast<PromiseBase*>(second);
        }
    }

    PromiseBase* first_ = nullptr; // is in no list
    Links others_;                 // empty while there is no first
};

// Deadlines, in a binary heap whose nodes are the promises themselves: insert and remove take as many
// steps as the count has binary digits, and no memory.
class TimedHeap {
  public:
    // nullptr: empty.
    [[nodiscard]] PromiseBase* first() const { return static_cast<PromiseBase*>(root_); }
    void insert(PromiseBase& promise, uint64_t when);
    void remove(PromiseBase& promise);
    [[nodiscard]] size_t size() const { return size_; }

  private:
    [[nodiscard]] Links** place(size_t number, Links*& parent);
    void swap_with_parent(Links& node);
    void replace(Links& node, Links& by);
    void rise(Links& node);
    void sink(Links& node);

    Links* root_ = nullptr;
    size_t size_ = 0;
    uint32_t next_order_ = 0;
};

} // namespace nexus::detail
