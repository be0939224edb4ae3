// SPDX-License-Identifier: Apache-2.0
//
// Buffers for payloads that no slot holds: pre-allocated, of one size, in memory that the parties share.
// A Buffer is owned by one party at a time and moves only; sending it hands the ownership to the party at
// the ring's other end, and what goes through the ring is a BufferToken of 8 bytes:
//
//      auto buffer = slabs.allocate();                 auto message = in.peek();
//      ... fill buffer->data() ...                     auto buffer = slabs.adopt(token of message->payload);
//      auto slot = out.claim();                        ... use buffer->data() ...
//      ... its payload = buffer->send(to) ...          in.release();
//      out.publish(tag, sizeof(BufferToken));          (given back when it goes out of scope)
//
// The slot is claimed before the buffer is sent: once sent it is the other's, and a full ring would lose it.
//
// One 64-bit word a buffer says whose it is: generation << 32 | incarnation << 16 | owner. Owner 0: free.
// Incarnation 0: under way to the owner. The generation moves whenever a buffer is allocated, sent or
// freed, so that an old handle fits no more: freeing twice and using after sending are found out. Each
// change is one compare-and-exchange, so it happens once, whoever else tries: a dead owner's buffers are
// swept exactly once. The words are shared memory and may lie; a lie is an error or a lost buffer, never
// an access outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "ion/memory.h"
#include "ion/result.h"

namespace ion {

// Whose a buffer can be; 1..65535. A party that is restarted keeps its number and gets the next incarnation.
struct SlabOwner {
    uint16_t number;
    uint16_t incarnation; // 1..65535
};

// What goes through a ring.
struct BufferToken {
    uint32_t index;
    uint32_t generation;
};

class SlabShape {
  public:
    // count: 1..2^20 buffers. size: bytes of each, a multiple of 64, up to 2^24. Else EINVAL.
    [[nodiscard]] static constexpr Result<SlabShape> make(uint64_t count, uint64_t size) {
        if (count == 0 || count > 1u << 20 || size == 0 || size % 64 != 0 || size > 1u << 24) {
            return error(Errno::inval);
        }
        return SlabShape(static_cast<uint32_t>(count), static_cast<uint32_t>(size));
    }
    [[nodiscard]] static consteval SlabShape of(uint64_t count, uint64_t size) { return *make(count, size); }

    [[nodiscard]] constexpr uint32_t count() const { return count_; }
    [[nodiscard]] constexpr uint32_t size() const { return size_; }
    // The words come first, then the buffers, each on a line of its own.
    [[nodiscard]] constexpr uint64_t buffers_offset() const { return (uint64_t{count_} * 8 + 63) / 64 * 64; }
    [[nodiscard]] constexpr uint64_t bytes() const { return buffers_offset() + uint64_t{count_} * size_; }

  private:
    constexpr SlabShape(uint32_t count, uint32_t size) : count_(count), size_(size) {}
    uint32_t count_;
    uint32_t size_;
};

// Makes all buffers free. EINVAL: memory is not 64-byte aligned or too short.
[[nodiscard]] inline Result<void> format(std::span<std::byte> memory, SlabShape shape) {
    if (memory.size() < shape.bytes() || reinterpret_cast<uintptr_t>(memory.data()) % 64 != 0) {
        return error(Errno::inval);
    }
    auto* words = reinterpret_cast<uint64_t*>(memory.data());
    for (uint32_t i = 0; i < shape.count(); ++i) {
        words[i] &= ~uint64_t{0xffffffff}; // generations go on
    }
    return {};
}

// Checked: data() and the end of a handle make sure that the buffer is still ours, and stop the program
// where it is not: it was used after it was sent, or freed twice, or somebody else wrote the words.
inline constexpr bool slabs_checked =
#ifdef RUMPK_CHECKED
    true;
#else
    false;
#endif

template <bool checked = slabs_checked, class Words = AtomicWords>
class BasicSlabs {
  public:
    class Buffer;

    // base: what format was given. Of any number of parties each has its own.
    BasicSlabs(void* base, SlabShape shape, SlabOwner me)
        : words_(static_cast<uint64_t*>(base)),
          buffers_(static_cast<std::byte*>(base) + shape.buffers_offset()), shape_(shape), me_(me) {}

    // Any free buffer. EAGAIN: none is. Looks at each word once at most.
    [[nodiscard]] Result<Buffer> allocate();

    // A buffer that came through a ring. ESRCH: it is not ours, or not any more: the token is a lie or was
    // seen before. A buffer that an incarnation before us had adopted without giving the message back
    // is ours, too.
    [[nodiscard]] Result<Buffer> adopt(BufferToken token);

    // Frees what a dead party had, and what is under way to it: all that `number` owns, but for what its
    // incarnation `but` has adopted by then. Run it when the successor has adopted what is in its rings
    // (with its incarnation), or, without a successor, with 0. Returns how many.
    uint32_t sweep(uint16_t number, uint16_t but = 0);

    // Buffers that `number` owns, those under way to it included: not 0 at the end is a leak.
    [[nodiscard]] uint32_t owned_by(uint16_t number) const;

    [[nodiscard]] SlabShape shape() const { return shape_; }

  private:
    static constexpr uint64_t word(uint32_t generation, SlabOwner owner) {
        return uint64_t{generation} << 32 | uint32_t{owner.incarnation} << 16 | owner.number;
    }
    static constexpr uint32_t generation_of(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
    static constexpr uint16_t owner_of(uint64_t word) { return static_cast<uint16_t>(word); }
    static constexpr uint16_t incarnation_of(uint64_t word) { return static_cast<uint16_t>(word >> 16); }

    // acquire: what the former owner did with the bytes comes before what we do. release: what we did comes
    // before what the next one does. Each pairs with the other.
    bool change(uint32_t index, uint64_t from, uint64_t to) {
        return Words::replace(words_[index], from, to);
    }
    [[nodiscard]] uint64_t look(uint32_t index) const {
        return Words::load(words_[index], std::memory_order_relaxed);
    }

    uint64_t* words_;
    std::byte* buffers_;
    SlabShape shape_;
    SlabOwner me_;
    uint32_t cursor_ = 0; // where to look for a free one first
};

// A handle. Its end gives the buffer back.
template <bool checked, class Words>
class BasicSlabs<checked, Words>::Buffer {
  public:
    Buffer(Buffer&& other) noexcept
        : slabs_(std::exchange(other.slabs_, nullptr)), index_(other.index_), word_(other.word_) {}
    Buffer& operator=(Buffer&& other) noexcept {
        if (this != &other) {
            give_back();
            slabs_ = std::exchange(other.slabs_, nullptr);
            index_ = other.index_;
            word_ = other.word_;
        }
        return *this;
    }
    ~Buffer() { give_back(); }

    // Empty when it was sent or freed.
    [[nodiscard]] std::span<std::byte> data() const {
        if (slabs_ == nullptr) {
            return {};
        }
        expect(slabs_->look(index_) == word_);
        return {slabs_->buffers_ + uint64_t{index_} * slabs_->shape_.size(), slabs_->shape_.size()};
    }

    // Ours no more from here on: it is `to`'s, under way. EINVAL: 0, or it is not ours.
    [[nodiscard]] Result<BufferToken> send(uint16_t to) {
        if (slabs_ == nullptr || to == 0) {
            return error(Errno::inval);
        }
        const uint32_t next = generation_of(word_) + 1;
        const bool ours = slabs_->change(index_, word_, word(next, {to, 0}));
        expect(ours);
        slabs_ = nullptr;
        if (!ours) {
            return error(Errno::inval);
        }
        return BufferToken{index_, next};
    }

    // Gives it back now. EINVAL: it is not ours (any more).
    Result<void> free() {
        if (slabs_ == nullptr) {
            return error(Errno::inval);
        }
        BasicSlabs& slabs = *std::exchange(slabs_, nullptr);
        const bool ours = slabs.change(index_, word_, word(generation_of(word_) + 1, {0, 0}));
        expect(ours);
        return ours ? Result<void>{} : Result<void>(error(Errno::inval));
    }

  private:
    friend class BasicSlabs;
    Buffer(BasicSlabs* slabs, uint32_t index, uint64_t word) : slabs_(slabs), index_(index), word_(word) {}

    static void expect(bool holds) {
        if (checked && !holds) {
            __builtin_trap();
        }
    }
    void give_back() {
        if (slabs_ != nullptr) {
            (void)free();
        }
    }

    BasicSlabs* slabs_;
    uint32_t index_;
    uint64_t word_; // what says that it is ours
};

template <bool checked, class Words>
Result<typename BasicSlabs<checked, Words>::Buffer> BasicSlabs<checked, Words>::allocate() {
    for (uint32_t i = 0; i < shape_.count(); ++i) {
        const uint32_t index = cursor_;
        cursor_ = cursor_ + 1 == shape_.count() ? 0 : cursor_ + 1;
        const uint64_t now = look(index);
        const uint64_t mine = word(generation_of(now) + 1, me_);
        if (owner_of(now) == 0 && change(index, now, mine)) {
            return Buffer(this, index, mine);
        }
    }
    return error(Errno::again);
}

template <bool checked, class Words>
Result<typename BasicSlabs<checked, Words>::Buffer> BasicSlabs<checked, Words>::adopt(BufferToken token) {
    if (token.index >= shape_.count()) {
        return error(Errno::srch);
    }
    const uint64_t now = look(token.index);
    const uint64_t mine = word(token.generation, me_);
    // Adopting keeps the generation, so that the same token, seen again by a successor, fits still.
    if (owner_of(now) != me_.number || generation_of(now) != token.generation || now == mine ||
        !change(token.index, now, mine)) {
        return error(Errno::srch);
    }
    return Buffer(this, token.index, mine);
}

template <bool checked, class Words>
uint32_t BasicSlabs<checked, Words>::sweep(uint16_t number, uint16_t but) {
    uint32_t swept = 0;
    for (uint32_t index = 0; number != 0 && index < shape_.count(); ++index) {
        const uint64_t now = look(index);
        if (owner_of(now) == number && (but == 0 || incarnation_of(now) != but)) {
            swept += change(index, now, word(generation_of(now) + 1, {0, 0}));
        }
    }
    return swept;
}

template <bool checked, class Words>
uint32_t BasicSlabs<checked, Words>::owned_by(uint16_t number) const {
    uint32_t owned = 0;
    for (uint32_t index = 0; index < shape_.count(); ++index) {
        owned += owner_of(look(index)) == number;
    }
    return owned;
}

using Slabs = BasicSlabs<>;

} // namespace ion
