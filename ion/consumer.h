// SPDX-License-Identifier: Apache-2.0
//
// The reading end of an ION ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ion/endpoint.h"

namespace ion {

// A message where it lies. The bytes are shared memory: a hostile producer may change them while they
// are looked at, so copy what a decision depends on, then check the copy. Valid until released.
struct Message {
    uint32_t tag;
    std::span<const std::byte> payload; // never longer than the slot's capacity
};

// Some messages in a row, to be looked at by index or with a range-for.
template <class Words>
class MessageBatch {
  public:
    [[nodiscard]] uint32_t size() const { return size_; }

    // i < size(). Reads tag and length afresh; the length is clamped to the slot.
    [[nodiscard]] Message operator[](uint32_t i) const {
        const uint64_t index = static_cast<uint32_t>(first_ + i) & (geometry_.slots() - 1);
        const std::byte* at = slots_ + index * geometry_.slot_size();
        const auto& slot = *reinterpret_cast<const rumpk_slot_header*>(at);
        // relaxed: the acquire of the sequence in peek came before.
        const uint32_t tag = Words::load(slot.tag, std::memory_order_relaxed);
        const uint32_t length = Words::load(slot.length, std::memory_order_relaxed);
        const uint32_t capacity = geometry_.capacity();
        return {tag, {at + RUMPK_SLOT_HEADER_SIZE, length < capacity ? length : capacity}};
    }

    class Iterator {
      public:
        Message operator*() const { return (*batch_)[index_]; }
        Iterator& operator++() {
            ++index_;
            return *this;
        }
        bool operator==(const Iterator&) const = default;

      private:
        friend class MessageBatch;
        Iterator(const MessageBatch* batch, uint32_t index) : batch_(batch), index_(index) {}
        const MessageBatch* batch_;
        uint32_t index_;
    };

    [[nodiscard]] Iterator begin() const { return {this, 0}; }
    [[nodiscard]] Iterator end() const { return {this, size_}; }

  private:
    template <class, class>
    friend class BasicConsumer;

    MessageBatch(const std::byte* slots, Geometry geometry, uint64_t first, uint32_t size)
        : slots_(slots), first_(first), size_(size), geometry_(geometry) {}

    const std::byte* slots_;
    uint64_t first_;
    uint32_t size_;
    Geometry geometry_;
};

// One at a time, by the ring's only consumer. Believes the sequence word of the slot it looks at and
// nothing else of the ring's state.
template <class Fence = SameCore, class Words = AtomicWords>
class BasicConsumer : public Endpoint<Fence, Words> {
    using Base = Endpoint<Fence, Words>;

  public:
    // A ring that ion::format has just made. base: 64-byte aligned, geometry.bytes() long.
    BasicConsumer(void* base, Geometry geometry, Fence fence = {}) : Base(base, geometry, false, fence) {}

    // Goes on where a dead predecessor stopped; the producer may be alive. What the predecessor had
    // released is done, what it had only peeked comes again (see again()). Ring the producer if
    // peer_waiting(): the dead one may not have. EPIPE: it had closed the ring. EIO: positions and
    // sequences contradict each other; closed as broken, the epoch moves.
    [[nodiscard]] static Result<BasicConsumer> resume(void* base, Geometry geometry, Fence fence = {});

    // The oldest message not released; the same one until then. EAGAIN: none. EPIPE: none, and the
    // producer has closed; or this end has. EIO: the producer lied.
    [[nodiscard]] Result<Message> peek() {
        if (this->closed() != Close::open || !here()) [[unlikely]] {
            if (auto late = last_look(); !late) {
                return error(late.error());
            }
        }
        const rumpk_slot_header& slot = this->next();
        // relaxed: the acquire of the sequence came before. Each is read once.
        const uint32_t tag = Words::load(slot.tag, std::memory_order_relaxed);
        const uint32_t length = Words::load(slot.length, std::memory_order_relaxed);
        if (length > this->geometry().capacity()) [[unlikely]] {
            return error(this->caught());
        }
        if (peeked_to_ == head_) {
            peeked_to_ = head_ + 1;
        }
        return Message{tag, {this->next_payload(), length}};
    }

    // The oldest messages not released: at least one, at most `most`. A message that lies about its
    // length ends the batch before it. Errors as above; EINVAL: 0.
    [[nodiscard]] Result<MessageBatch<Words>> peek(uint32_t most) {
        if (most == 0) {
            return error(Errno::inval);
        }
        if (auto first = peek(); !first) {
            return error(first.error());
        }
        const uint32_t slots = this->geometry().slots();
        const uint32_t more = (most < slots ? most : slots) - 1;
        const uint32_t to_end = this->slots_to_end(head_ + 1);
        const uint32_t run = more < to_end ? more : to_end;
        uint32_t count = 1 + committed_run(head_ + 1, run);
        if (count == 1 + run) {
            count += committed_run(head_ + count, more - run);
        }
        saw(count);
        return MessageBatch<Words>{reinterpret_cast<const std::byte*>(&this->slot(0)), this->geometry(),
                                   head_, count};
    }

    // Gives the oldest `count` slots back. They were peeked before: else EINVAL.
    [[nodiscard]] Result<void> release(uint32_t count = 1) {
        if (count > peeked_to_ - head_) [[unlikely]] {
            return error(Errno::inval);
        }
        head_ += count;
        if (count == 1) {
            this->step();
        } else {
            this->stand_at(head_);
        }
        // release: our reads of these slots come before the producer's next writes to them (pairs with
        // the acquire in BasicProducer::refresh).
        Words::store(this->own_->position, head_, std::memory_order_release);
        return {};
    }

    // Is there nothing to peek now? Tells nothing of closing.
    [[nodiscard]] bool empty() const { return !here(); }

    // May a predecessor have seen the oldest message already? Only after resume.
    [[nodiscard]] bool again() const { return head_ < resumed_to_; }

    // Messages released since the ring was made.
    [[nodiscard]] uint64_t position() const { return head_; }

  private:
    // Is the next message there?
    [[nodiscard]] bool here() const { return this->holds(this->next(), static_cast<uint32_t>(head_ + 1)); }

    // Nothing is committed here: is that the end? All that was published before closing is still
    // to be seen, so it looks at the slot once more after `closed`.
    [[nodiscard]] Result<void> last_look();

    // Several came in a row and now there is none: the producer is at work on the slot that is looked at, and
    // each look takes the cache line away from it. Left alone for a moment it gets ahead, and lines
    // move once. A consumer that gets one message at a time never comes here. Bounded; is there one now?
    [[nodiscard]] bool rest() {
        if (head_ - ran_dry_at_ < in_flow) {
            ran_dry_at_ = head_;
            return false;
        }
        ran_dry_at_ = head_;
        for (uint32_t i = 0; i < Fence::rest; ++i) {
            this->relax();
        }
        return Fence::rest != 0 && here();
    }

    // How many of at most `limit` slots that lie at one stride hold a message that may be looked at.
    [[nodiscard]] uint32_t committed_run(uint64_t position, uint32_t limit) const {
        const size_t stride = this->geometry().slot_size();
        const uint32_t capacity = this->geometry().capacity();
        const auto* at = reinterpret_cast<const std::byte*>(&this->slot(position));
        auto sequence = static_cast<uint32_t>(position);
        uint32_t count = 0;
        for (; count != limit; ++count, at += stride) {
            const auto& slot = *reinterpret_cast<const rumpk_slot_header*>(at);
            if (!this->holds(slot, ++sequence) ||
                Words::load(slot.length, std::memory_order_relaxed) > capacity) {
                break;
            }
        }
        return count;
    }

    void saw(uint32_t count) {
        if (peeked_to_ < head_ + count) {
            peeked_to_ = head_ + count;
            this->note_outstanding(count);
        }
    }

    static constexpr uint64_t in_flow = 4; // messages since it last found none

    uint64_t head_ = 0;       // messages released
    uint64_t resumed_to_ = 0; // messages below this were there before this consumer was
    uint64_t peeked_to_ = 0;  // messages below this may be released
    uint64_t ran_dry_at_ = 0; // messages released when there was none to peek
};

template <class Fence, class Words>
Result<void> BasicConsumer<Fence, Words>::last_look() {
    if (this->closed() != Close::open) {
        return error(this->why_closed());
    }
    if (head_ != 0) {
        this->note_outstanding(1); // what came one by one; larger batches were noted when they came
    }
    const Close gone = this->peer_closed();
    if (gone == Close::open) {
        return rest() ? Result<void>{} : error(Errno::again);
    }
    if (here()) {
        return {};
    }
    return error(this->peer_gone(gone));
}

template <class Fence, class Words>
Result<BasicConsumer<Fence, Words>> BasicConsumer<Fence, Words>::resume(void* base, Geometry geometry,
                                                                        Fence fence) {
    BasicConsumer consumer(base, geometry, fence);
    if (Words::load(consumer.own_->closed, std::memory_order_relaxed) != RUMPK_RING_OPEN) {
        return error(Errno::pipe);
    }
    const uint64_t head = Words::load(consumer.own_->position, std::memory_order_relaxed);
    // acquire: pairs with the release of the position in BasicProducer::advance.
    const uint64_t tail = Words::load(consumer.peer_->position, std::memory_order_acquire);
    const uint64_t slots = geometry.slots();
    if (!consumer.within_a_lap(tail, head)) {
        return error(consumer.caught());
    }
    uint64_t seen = head;
    while (seen - head < slots && consumer.committed(seen)) {
        ++seen;
    }
    // All below the producer's position was committed. (Above the gap nothing can be said: a live
    // producer may have filled it since.)
    if (seen < tail) {
        return error(consumer.caught());
    }
    consumer.head_ = head;
    consumer.resumed_to_ = seen;
    consumer.peeked_to_ = head;
    consumer.stand_at(head);
    consumer.take_over(head);
    return consumer;
}

// Both ends on one core, or masked against each other: the usual one. Across cores name another Fence.
using Consumer = BasicConsumer<>;

} // namespace ion
