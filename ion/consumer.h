// SPDX-License-Identifier: Apache-2.0
//
// The reading end of an ION ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

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
    template <class, class, class>
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
template <class Fence = SameCore, class Words = AtomicWords, class Shape = Geometry>
class BasicConsumer : public Endpoint<Fence, Words, Shape, Role::consumer> {
    using Base = Endpoint<Fence, Words, Shape, Role::consumer>;

  public:
    // A ring that ion::format has just made. base: 64-byte aligned, geometry.bytes() long.
    BasicConsumer(void* base, Shape geometry = {}, Fence fence = {}) : Base(base, geometry, fence) {}

    // Goes on where a dead predecessor stopped; the producer may be alive. What the predecessor had
    // released is done, what it had only peeked comes again (see again()). Ring the producer if
    // peer_waiting(): the dead one may not have. EPIPE: it had closed the ring. EIO: positions and
    // sequences contradict each other; closed as broken, the epoch moves.
    [[nodiscard]] static Result<BasicConsumer> resume(void* base, Shape geometry = {}, Fence fence = {});

    // The oldest message not released; the same one until then. EAGAIN: none. EPIPE: none, and the
    // producer has closed; or this end has. EIO: the producer lied.
    [[nodiscard]] Result<Message> peek() {
        rumpk_slot_header* slot = this->slot_of_lap(head_);
        if (head_ >= stop_ || !this->holds(*slot, static_cast<uint32_t>(head_ + 1))) [[unlikely]] {
            if (auto late = last_look(); !late) {
                return error(late.error());
            }
            slot = this->slot_of_lap(head_);
        }
        // relaxed: the acquire of the sequence came before. Each is read once.
        const uint32_t tag = Words::load(slot->tag, std::memory_order_relaxed);
        const uint32_t length = Words::load(slot->length, std::memory_order_relaxed);
        if (length > this->capacity()) [[unlikely]] {
            return error(lied());
        }
        if (peeked_to_ <= head_) {
            peeked_to_ = head_ + 1;
        }
        return Message{tag, {this->payload_of(*slot), length}};
    }

    // Lets `use(Message)` look at the oldest message, releases it and looks for a sleeper, with one set of
    // checks for all of it. True: the producer wants a bell. As peek. `use` leaves this end alone, but for
    // closing it. One that takes the payload alone costs no look at the tag.
    template <class Use>
    [[nodiscard, gnu::always_inline]] Result<bool> consume(Use&& use) {
        const uint32_t capacity = this->capacity();
        return consume_from([&](rumpk_slot_header& slot) {
            const uint32_t length = Words::load(slot.length, std::memory_order_relaxed); // as in peek
            if (length > capacity) [[unlikely]] {
                return false;
            }
            const std::span<const std::byte> payload(this->payload_of(slot), length);
            if constexpr (std::is_invocable_v<Use&, std::span<const std::byte>>) {
                use(payload);
            } else {
                use(Message{Words::load(slot.tag, std::memory_order_relaxed), payload});
            }
            return true;
        });
    }

    // The same in a ring that format_alike() made, from a producer that is trusted: `use(std::byte*)` knows
    // what is there, and it is this end's to change. With a fixed geometry an end that has closed itself
    // still finds what came before.
    template <class Use>
    [[nodiscard, gnu::always_inline]] Result<bool> consume_alike(Use&& use) {
        return consume_from<Base::fixed>([&](rumpk_slot_header& slot) {
            use(this->payload_of(slot));
            return true;
        });
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
        if (head_ + count > peeked_to_) [[unlikely]] {
            return error(Errno::inval);
        }
        head_ += count;
        hand_back(this->own(), head_);
        return {};
    }

    // Is there nothing to peek now? Tells nothing of closing.
    [[nodiscard]] bool empty() const { return !this->committed(head_); }

    // May a predecessor have seen the oldest message already? Only after resume.
    [[nodiscard]] bool again() const { return head_ < resumed_to_; }

    // Messages released since the ring was made.
    [[nodiscard]] uint64_t position() const { return head_; }

    void close(Close reason = Close::closed) {
        Base::close(reason);
        settle();
    }

  private:
    // release: our reads of these slots come before the producer's next writes to them (pairs with
    // the acquire in BasicProducer::refresh).
    static void hand_back(rumpk_ring_line& own, uint64_t head) {
        Words::store(own.position, head, std::memory_order_release);
    }

    // `read` looks at the slot of the oldest message. False: it is a lie. Without an end, `stop_` is not
    // asked: the sequence alone says whether there is a message.
    template <bool endless = false, class Read>
    [[nodiscard, gnu::always_inline]] Result<bool> consume_from(Read&& read) {
        const uint64_t head = head_;
        const uint64_t next = head + 1;
        rumpk_ring_line& own = this->own(); // found before the acquire, behind which all is read anew
        const uint32_t& waiting = Fence::one_core ? this->peer().waiting : own.wanted;
        rumpk_slot_header* slot = this->slot_of_lap(head);
        if ((!endless && head >= stop_) || !this->holds(*slot, static_cast<uint32_t>(next))) [[unlikely]] {
            if (auto late = last_look(); !late) {
                return error(late.error());
            }
            if constexpr (!Base::fixed) {
                slot = this->slot_of_lap(head);
            }
        }
        if (!read(*slot)) [[unlikely]] {
            return error(lied());
        }
        head_ = next;
        hand_back(own, next);
        return this->wants_bell(waiting);
    }

    // Is the next message there? Only within the lap.
    [[nodiscard]] bool here() const {
        return this->holds(*this->slot_of_lap(head_), static_cast<uint32_t>(head_ + 1));
    }

    // The next look goes the slow way, and finds out whether this end has closed: the fast path needs no
    // test of its own.
    void settle() { stop_ = 0; }

    Errno lied() {
        settle();
        return this->caught();
    }

    // At the end of a lap, or nothing is committed: into the next lap, and is it the end? All that was
    // published before closing is still to be seen, so it looks at the slot after `closed`.
    [[nodiscard]] Result<void> last_look();

    // Several came in a row and now there is none: the producer is at work on the slot that is looked at, and
    // each look takes the cache line away from it. Left alone for a moment it gets ahead, and lines
    // move once. The more room there is, the further it may get before it would find the ring full: in a
    // small ring a quarter of the rest has to do. A consumer that gets one message at a time never comes
    // here. Bounded; is there one now?
    [[nodiscard]] bool rest() {
        if constexpr (Fence::rest == 0) {
            return false;
        }
        if (head_ - ran_dry_at_ < in_flow) {
            ran_dry_at_ = head_;
            return false;
        }
        ran_dry_at_ = head_;
        for (uint32_t left = breaths(); left != 0; --left) {
            this->relax();
        }
        return here();
    }

    [[nodiscard]] uint32_t breaths() const {
        constexpr uint32_t least = Fence::rest / 4;
        const uint32_t room = this->geometry().slots() / 8;
        return room < least ? least : room < Fence::rest ? room : Fence::rest;
    }

    // How many of at most `limit` slots that lie at one stride hold a message that may be looked at.
    [[nodiscard]] uint32_t committed_run(uint64_t position, uint32_t limit) const {
        const size_t stride = this->geometry().slot_size();
        const uint32_t capacity = this->capacity();
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
    uint64_t stop_ = 0;       // head_ may go this far: the end of its lap; 0 at first and once closed
    uint64_t resumed_to_ = 0; // messages below this were there before this consumer was
    uint64_t peeked_to_ = 0;  // messages below this may be released
    uint64_t ran_dry_at_ = 0; // messages released when there was none to peek
};

template <class Fence, class Words, class Shape>
Result<void> BasicConsumer<Fence, Words, Shape>::last_look() {
    if (this->closed() != Close::open) {
        return error(this->why_closed());
    }
    const uint64_t end = head_ < stop_ ? stop_ : this->enter_lap(head_);
    const Close gone = this->peer_closed();
    // The sequence's line is looked at until it has gone to the producer and come back. With it the
    // message's other lines are asked for, or they would come only after it.
    if constexpr (asks_for_lines && !Fence::one_core) {
        ask_for_the_rest(reinterpret_cast<const std::byte*>(this->slot_of_lap(head_)),
                         this->geometry().slot_size());
    }
    if (here() || (gone == Close::open && rest())) {
        stop_ = end;
        this->note_outstanding(1); // what comes one by one; larger batches are noted when they come
        return {};
    }
    if (gone == Close::open) {
        return error(Errno::again);
    }
    settle();
    return error(this->peer_gone(gone));
}

template <class Fence, class Words, class Shape>
Result<BasicConsumer<Fence, Words, Shape>>
BasicConsumer<Fence, Words, Shape>::resume(void* base, Shape geometry, Fence fence) {
    BasicConsumer consumer(base, geometry, fence);
    if (Words::load(consumer.own().closed, std::memory_order_relaxed) != RUMPK_RING_OPEN) {
        return error(Errno::pipe);
    }
    const uint64_t head = Words::load(consumer.own().position, std::memory_order_relaxed);
    // acquire: pairs with the release of the position in BasicProducer::tell.
    const uint64_t tail = Words::load(consumer.peer().position, std::memory_order_acquire);
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
    consumer.take_over(head);
    return consumer;
}

// Both ends on one core, or masked against each other: the usual one. Across cores name another Fence.
using Consumer = BasicConsumer<>;

} // namespace ion
