// SPDX-License-Identifier: Apache-2.0
//
// The writing end of an ION ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ion/endpoint.h"

namespace ion {

// The next slot, this end's to fill until it is published.
struct Claim {
    std::span<std::byte> payload; // all of the slot's capacity, 16-byte aligned
};

// How many slots beyond the one that is filled a producer asks for: by the time that it gets there they have
// come, from a consumer that had them last and however far away. Nearer, they come late; further, it is
// no better.
inline constexpr uint32_t slots_ahead = 16;

// Some slots in a row, this end's to fill. Each is described, then all are committed together.
template <class Words>
class ClaimBatch {
  public:
    [[nodiscard]] uint32_t size() const { return size_; }

    // Payload of the i-th slot; i < size(). The slots follow each other at a stride of
    // geometry().slot_size() bytes, but for the wrap (Producer::claim_run claims without one).
    [[nodiscard]] std::span<std::byte> operator[](uint32_t i) const {
        return {reinterpret_cast<std::byte*>(&slot(i)) + RUMPK_SLOT_HEADER_SIZE, geometry_.capacity()};
    }

    // Says what the i-th slot holds. EINVAL: no such slot, or more bytes than fit.
    [[nodiscard]] Result<void> describe(uint32_t i, uint32_t tag, uint64_t length) const {
        if (i >= size_ || length > geometry_.capacity()) {
            return error(Errno::inval);
        }
        // relaxed: the release in seal orders them before the sequence word.
        Words::store(slot(i).tag, tag, std::memory_order_relaxed);
        Words::store(slot(i).length, static_cast<uint32_t>(length), std::memory_order_relaxed);
        if constexpr (asks_for_lines) {
            if (asks_) {
                const auto* later = reinterpret_cast<const std::byte*>(&slot(i + slots_ahead));
                ask_to_write(later, geometry_.slot_size());
            }
        }
        return {};
    }

  private:
    template <class, class, class>
    friend class BasicProducer;

    ClaimBatch(std::byte* slots, Geometry geometry, uint64_t first, uint32_t size, bool asks)
        : slots_(slots), first_(first), size_(size), asks_(asks), geometry_(geometry) {}

    [[nodiscard]] rumpk_slot_header& slot(uint32_t i) const {
        const uint64_t index = static_cast<uint32_t>(first_ + i) & (geometry_.slots() - 1);
        return *reinterpret_cast<rumpk_slot_header*>(slots_ + index * geometry_.slot_size());
    }

    std::byte* slots_;
    uint64_t first_;
    uint32_t size_;
    bool asks_; // for the slots ahead of these
    Geometry geometry_;
};

// One at a time, by the ring's only producer. Nothing here waits, allocates or loops longer than a
// batch; nothing read from the ring is believed unchecked.
template <class Fence = SameCore, class Words = AtomicWords, class Shape = Geometry>
class BasicProducer : public Endpoint<Fence, Words, Shape, Role::producer> {
    using Base = Endpoint<Fence, Words, Shape, Role::producer>;

  public:
    // A ring that ion::format has just made. base: 64-byte aligned, geometry.bytes() long.
    BasicProducer(void* base, Shape geometry = {}, Fence fence = {})
        : Base(base, geometry, fence), limit_(geometry.slots()) {}

    // Goes on where a dead predecessor stopped; nobody else may be writing. What it had published
    // stays published, what it had only claimed is gone. The dead one may have died before it rang:
    // ring the consumer if peer_waiting(). EPIPE: it had closed the ring; ring, too. EIO: the ring's
    // positions and sequences contradict each other; it is closed as broken and the epoch moves.
    [[nodiscard]] static Result<BasicProducer> resume(void* base, Shape geometry = {}, Fence fence = {});

    // The next slot to fill. EAGAIN: full. EPIPE: either end has closed (the consumer's closing is
    // noticed when the ring seems full; peer_closed() tells at once). EIO: the consumer lied.
    [[nodiscard]] Result<Claim> claim() {
        if (tail_ >= stop_) [[unlikely]] {
            if (auto room = go_on(1); !room) {
                return error(room.error());
            }
        }
        rumpk_slot_header& slot = *this->slot_of_lap(tail_);
        ask_ahead(slot, tail_);
        return Claim{{this->payload_of(slot), this->capacity()}};
    }

    // The next slots: at least one, at most `most`, as many as are free. Errors as above; EINVAL: 0.
    [[nodiscard, gnu::always_inline]] Result<ClaimBatch<Words>> claim(uint32_t most) {
        if (most == 0) {
            return error(Errno::inval);
        }
        if (tail_ >= stop_ || tail_ + most > limit_) {
            if (auto room = go_on(most); !room) {
                return error(room.error());
            }
        }
        const uint64_t free = limit_ - tail_;
        return batch(free < most ? static_cast<uint32_t>(free) : most);
    }

    // The same, but only as far as the end of the ring's memory, so that the slots lie at one stride.
    [[nodiscard]] Result<ClaimBatch<Words>> claim_run(uint32_t most) {
        const uint32_t to_end = this->slots_to_end(tail_);
        return claim(most < to_end ? most : to_end);
    }

    // Publishes the claimed slot. length: payload bytes used. EINVAL: more than fit, or there was no room at
    // the last look for it. No account is kept of what was claimed: the caller sees to that.
    [[nodiscard]] Result<void> publish(uint32_t tag, uint64_t length) {
        const uint64_t tail = tail_;
        if (tail >= stop_ || length > this->capacity()) [[unlikely]] {
            return error(Errno::inval);
        }
        rumpk_slot_header& slot = *this->slot_of_lap(tail);
        describe(slot, tag, static_cast<uint32_t>(length));
        finish(slot, tail);
        return {};
    }

    // Claims, lets `fill(std::byte*)` write the payload, publishes and looks for a sleeper, with one set of
    // checks for all of it. True: the consumer wants a bell. As claim; EINVAL: more bytes than fit. `fill`
    // leaves this end alone.
    template <class Fill>
    [[nodiscard, gnu::always_inline]] Result<bool> produce(uint32_t tag, uint64_t length, Fill&& fill) {
        if (length > this->capacity()) [[unlikely]] {
            return error(Errno::inval);
        }
        return produce_in([&](rumpk_slot_header& slot) {
            fill(this->payload_of(slot));
            describe(slot, tag, static_cast<uint32_t>(length));
        });
    }

    // The same in a ring that format_alike() made: a slot says already what is in it.
    template <class Fill>
    [[nodiscard, gnu::always_inline]] Result<bool> produce_alike(Fill&& fill) {
        return produce_in([&](rumpk_slot_header& slot) { fill(this->payload_of(slot)); });
    }

    // Publishes the first `count` slots of a batch, all of them described. EINVAL: more than there was room
    // for at the last look for it. No account is kept of claims and descriptions: a slot without them goes
    // out with what an earlier message left there, and nothing worse.
    [[nodiscard]] Result<void> commit(uint32_t count) {
        if (tail_ + count > limit_) {
            return error(Errno::inval);
        }
        const uint32_t to_end = this->slots_to_end(tail_);
        const uint32_t run = count < to_end ? count : to_end;
        commit_run(tail_, run);
        commit_run(tail_ + run, count - run);
        tail_ += count;
        stand();
        return {};
    }

    // Claims, copies and publishes one message. As claim; EINVAL: more bytes than fit.
    [[nodiscard]] Result<void> push(uint32_t tag, std::span<const std::byte> bytes) {
        if (bytes.size() > this->capacity()) {
            return error(Errno::inval);
        }
        auto slot = claim();
        if (!slot) {
            return error(slot.error());
        }
        if (!bytes.empty()) {
            __builtin_memcpy(slot->payload.data(), bytes.data(), bytes.size());
        }
        return publish(tag, bytes.size());
    }

    // Slots free now, by a fresh look at the consumer's line; 0 when either end has closed.
    [[nodiscard]] uint32_t free() { return refresh() ? static_cast<uint32_t>(limit_ - tail_) : 0; }
    [[nodiscard]] bool full() { return free() == 0; }

    // Is all taken that was free at the last look at the consumer's line, and has the consumer released
    // nothing since? Then claim would find no room, and would take longer to say so.
    [[nodiscard]] bool still_full() const {
        // relaxed: only a message that is claimed relies on what the consumer did, and claim looks for
        // itself.
        return tail_ == limit_ && Words::load(this->peer().position, std::memory_order_relaxed) == head_;
    }

    // Messages published since the ring was made.
    [[nodiscard]] uint64_t position() const { return tail_; }

    void close(Close reason = Close::closed) {
        tell();
        Base::close(reason);
        settle();
    }

  private:
    // The position has reached stop_, or a batch of `most` goes beyond the room that is known: into the
    // next lap, or to look for more. After it stop_ > tail_, or it says why not. All of it is inlined, as
    // claim(most) is: a call would give this end's address away (Endpoint::shut).
    [[nodiscard, gnu::always_inline]] Result<void> go_on(uint32_t most) {
        if (tail_ + most > limit_) {
            return refresh();
        }
        stand();
        return {};
    }

    // Looks at the consumer's line: after it stop_ > tail_, or it says why not.
    [[nodiscard, gnu::always_inline]] Result<void> refresh();
    // This end has closed, the other has for `reason`, or it lied.
    [[nodiscard, gnu::always_inline]] Errno refuse(uint32_t reason);
    [[nodiscard]] bool recover(uint64_t tail, uint64_t head);

    // release: who sees the sequence sees tag, length and payload (pairs with the acquire in
    // Endpoint::holds). Without it a consumer reads a half-written message.
    static void seal(rumpk_slot_header& slot, uint32_t sequence) {
        Words::store(slot.sequence, sequence, std::memory_order_release);
    }

    // Slots that lie at one stride; five instructions a message. In ascending order, so that a death in
    // between leaves no gap: a later slot that looks committed behind an earlier one that does not
    // would be seen torn when a successor fills it.
    void commit_run(uint64_t position, uint32_t count) {
        const size_t stride = this->geometry().slot_size();
        auto sequence = static_cast<uint32_t>(position);
        const uint32_t last = sequence + count;
        for (auto* at = reinterpret_cast<std::byte*>(&this->slot(position)); sequence != last; at += stride) {
            seal(*reinterpret_cast<rumpk_slot_header*>(at), ++sequence);
        }
    }

    [[gnu::always_inline]] static void describe(rumpk_slot_header& slot, uint32_t tag, uint32_t length) {
        // The release in seal orders them before the sequence word.
        Words::store_two(slot.tag, tag, length);
    }

    // Are the slots that lie ahead of `count` from `position` on to be asked for? On two cores where all of
    // them are known to be free, in this lap: others are the consumer's to read. On one core they have come
    // from nobody, but a large ring's are far away.
    [[nodiscard]] bool asks_ahead(uint64_t position, uint32_t count) const {
        if constexpr (Fence::one_core) {
            return Base::fixed && this->geometry().bytes() > beyond_a_cache;
        } else {
            return position + slots_ahead + count <= stop_;
        }
    }
    // Each write of a line that the consumer has read waits until that core has given it up, and only so many
    // writes can wait. So lines are asked for while earlier messages are written.
    [[gnu::always_inline]] void ask_ahead(const rumpk_slot_header& slot, uint64_t position) const {
        if constexpr (asks_for_lines) {
            if (asks_ahead(position, 1)) {
                const uint32_t size = this->geometry().slot_size();
                ask_to_write(reinterpret_cast<const std::byte*>(&slot) + uint64_t{slots_ahead} * size, size);
            }
        }
    }

    // What publishing one message is.
    [[gnu::always_inline]] void finish(rumpk_slot_header& slot, uint64_t tail) {
        seal(slot, static_cast<uint32_t>(tail + 1));
        tail_ = tail + 1;
    }

    template <class Write>
    [[nodiscard, gnu::always_inline]] Result<bool> produce_in(Write&& write) {
        if (tail_ >= stop_) [[unlikely]] {
            if (auto room = go_on(1); !room) {
                return error(room.error());
            }
        }
        const uint64_t tail = tail_;
        rumpk_slot_header& slot = *this->slot_of_lap(tail);
        const uint32_t& waiting = Fence::one_core ? this->peer().waiting : this->own().wanted;
        ask_ahead(slot, tail);
        write(slot);
        finish(slot, tail);
        return this->wants_bell(waiting);
    }

    // The fast path ends where the lap does, or the room that is known.
    void stand() {
        const uint64_t end = this->enter_lap(tail_);
        stop_ = limit_ < end ? limit_ : end;
    }

    // The position is for successors and onlookers, who find the rest by the sequences: it is told whenever
    // the producer looks for room, and at the end. Each message pays less, and between two cores the line,
    // where a consumer that finds nothing looks for `closed`, stays with both.
    // release: who sees the position sees the sequences below it (pairs with the acquire in
    // BasicConsumer::resume). Without it a resuming consumer takes an honest ring for broken.
    void tell() { Words::store(this->own().position, tail_, std::memory_order_release); }

    [[nodiscard]] ClaimBatch<Words> batch(uint32_t count) const {
        return {reinterpret_cast<std::byte*>(&this->slot(0)), this->geometry(), tail_, count,
                asks_ahead(tail_, count)};
    }

    // A closed end has no room: the fast path of claim needs no test of its own.
    void settle() {
        if (this->closed() != Close::open) {
            limit_ = stop_ = tail_;
        }
    }

    uint64_t tail_ = 0;  // messages published
    uint64_t head_ = 0;  // the consumer's position when it was last looked at and believed
    uint64_t limit_ = 0; // tail_ may go this far: head_ + slots, or tail_ once closed
    uint64_t stop_ = 0;  // and this far without a look: limit_, or the end of its lap before that; 0 at first
};

template <class Fence, class Words, class Shape>
Result<void> BasicProducer<Fence, Words, Shape>::refresh() {
    const uint32_t reason = this->peer_reason();
    // acquire: the consumer's reads of a slot come before our next writes to it (pairs with the
    // release in BasicConsumer::hand_back). Without it a message changes while it is being read.
    const uint64_t head = Words::load(this->peer().position, std::memory_order_acquire);
    const uint64_t tail = tail_;
    // Did it go back, or beyond what was published?
    if (this->closed() != Close::open || reason != RUMPK_RING_OPEN || head - head_ > tail - head_)
        [[unlikely]] {
        return error(refuse(reason));
    }
    const uint64_t limit = head + this->geometry().slots();
    head_ = head;
    limit_ = limit;
    this->note_outstanding(tail - head);
    tell(); // limit_ is a lap beyond it at most: without it a death leaves an honest ring that looks broken
    stand();
    if (limit == tail) {
        return error(Errno::again);
    }
    return {};
}

template <class Fence, class Words, class Shape>
Errno BasicProducer<Fence, Words, Shape>::refuse(uint32_t reason) {
    if (this->closed() != Close::open) {
        return this->why_closed();
    }
    const Close gone = this->close_of(reason);
    const Errno why = gone != Close::open ? this->peer_gone(gone) : this->caught();
    settle();
    return why;
}

template <class Fence, class Words, class Shape>
bool BasicProducer<Fence, Words, Shape>::recover(uint64_t tail, uint64_t head) {
    // The position follows the sequences, so that a death in commit leaves it up to a lap behind, and
    // the consumer may have released beyond it. Either way all between the two was committed.
    if (!this->within_a_lap(tail, head)) {
        return false;
    }
    const uint64_t newest = tail < head ? head : tail;
    for (uint64_t at = tail < head ? tail : head; at != newest; ++at) {
        if (!this->committed(at)) {
            return false;
        }
    }
    tail_ = newest;
    head_ = head;
    limit_ = head + this->geometry().slots();
    while (tail_ != limit_ && this->committed(tail_)) {
        ++tail_;
    }
    for (uint64_t at = tail_; at != limit_; ++at) { // sequences are consecutive: nothing behind a gap
        if (this->committed(at)) {
            return false;
        }
    }
    return true;
}

template <class Fence, class Words, class Shape>
Result<BasicProducer<Fence, Words, Shape>>
BasicProducer<Fence, Words, Shape>::resume(void* base, Shape geometry, Fence fence) {
    BasicProducer producer(base, geometry, fence);
    if (Words::load(producer.own().closed, std::memory_order_relaxed) != RUMPK_RING_OPEN) {
        return error(Errno::pipe);
    }
    const uint64_t tail = Words::load(producer.own().position, std::memory_order_relaxed);
    // acquire: as in refresh.
    const uint64_t head = Words::load(producer.peer().position, std::memory_order_acquire);
    if (!producer.recover(tail, head)) {
        return error(producer.caught());
    }
    producer.take_over(producer.tail_);
    return producer;
}

// Both ends on one core, or masked against each other: the usual one. Across cores name another Fence.
using Producer = BasicProducer<>;

} // namespace ion
