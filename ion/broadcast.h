// SPDX-License-Identifier: Apache-2.0
//
// Broadcast rings: one producer, up to 32 consumers, each sees every message in order. A consumer may
// stand behind others: it sees a message once they have released it. The slowest active consumer
// holds the producer. The layout is abi/broadcast.h; ion/PROOF.md argues the orderings.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "ion/broadcast_party.h"
#include "ion/consumer.h"
#include "ion/producer.h"

namespace ion {

// Makes an empty, open ring; all consumers are active. As ion::format; memory: page aligned.
[[nodiscard]] inline Result<void> format(std::span<std::byte> memory, BroadcastShape shape) {
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    if (memory.size() < shape.bytes() || address % RUMPK_BROADCAST_PAGE_SIZE != 0) {
        return error(Errno::inval);
    }
    for (uint32_t number = 0; number <= shape.consumers(); ++number) {
        auto& page = *reinterpret_cast<rumpk_broadcast_page*>(memory.data() +
                                                              number * uint64_t{RUMPK_BROADCAST_PAGE_SIZE});
        const uint32_t epoch = page.epoch + 1;
        page = {};
        page.epoch = epoch;
        page.active = number == 0 ? shape.everybody() : 0;
    }
    std::byte* const slots = memory.data() + shape.slots_offset();
    for (uint32_t i = 0; i < shape.geometry().slots(); ++i) {
        *reinterpret_cast<rumpk_slot_header*>(slots + uint64_t{i} * shape.geometry().slot_size()) = {};
    }
    return {};
}

template <class Fence = SameCore, class Words = AtomicWords>
class BasicBroadcastProducer : public BroadcastParty<Fence, Words> {
    using Base = BroadcastParty<Fence, Words>;

  public:
    // A ring that ion::format has just made.
    BasicBroadcastProducer(void* base, BroadcastShape shape, Fence fence = {})
        : Base(base, shape, 0, fence), active_(shape.everybody()), limit_(shape.geometry().slots()) {}

    // Goes on where a dead predecessor stopped. A consumer whose position cannot be true is expelled.
    // EPIPE: it had closed the ring.
    [[nodiscard]] static Result<BasicBroadcastProducer> resume(void* base, BroadcastShape shape,
                                                               Fence fence = {});

    // The next slot to fill. EAGAIN: some active consumer has not released it yet. EPIPE: closed, or no
    // consumer is left. It may expel: if active() has changed, ring consumers_waiting(), also before parking
    // for EAGAIN, for those behind the expelled one may go on, and nobody else tells them.
    [[nodiscard]] Result<Claim> claim() {
        if (tail_ == limit_) {
            if (auto room = refresh(); !room) {
                return error(room.error());
            }
        }
        std::byte* const payload = reinterpret_cast<std::byte*>(&this->slot(tail_)) + RUMPK_SLOT_HEADER_SIZE;
        return Claim{{payload, this->shape().geometry().capacity()}};
    }

    // Publishes the claimed slot to everybody. EINVAL: more than fits, or nothing was claimed.
    [[nodiscard]] Result<void> publish(uint32_t tag, uint64_t length) {
        if (tail_ == limit_ || length > this->shape().geometry().capacity()) {
            return error(Errno::inval);
        }
        rumpk_slot_header& slot = this->slot(tail_);
        Words::store(slot.tag, tag, std::memory_order_relaxed);
        Words::store(slot.length, static_cast<uint32_t>(length), std::memory_order_relaxed);
        ++tail_;
        // release: who sees the sequence sees tag, length and payload (pairs with the acquire in committed).
        Words::store(slot.sequence, static_cast<uint32_t>(tail_), std::memory_order_release);
        // release: a consumer that joins here sees the sequences below (pairs with join).
        Words::store(this->own_->position, tail_, std::memory_order_release);
        return {};
    }

    // Claims, copies and publishes one message.
    [[nodiscard]] Result<void> push(uint32_t tag, std::span<const std::byte> bytes) {
        if (bytes.size() > this->shape().geometry().capacity()) {
            return error(Errno::inval);
        }
        auto slot = claim();
        if (!slot) {
            return error(slot.error());
        }
        std::copy(bytes.begin(), bytes.end(), slot->payload.begin());
        return publish(tag, bytes.size());
    }

    void close() {
        this->shut(Close::closed);
        limit_ = tail_;
    }

    // Consumer k no longer counts: it holds nobody, and those behind it go on without it: ring
    // consumers_waiting(). What it has peeked may change under it; its release says EPIPE.
    // EINVAL: no such consumer.
    Result<void> expel(uint32_t k) {
        if (k >= this->shape().consumers()) {
            return error(Errno::inval);
        }
        active_ &= ~(uint32_t{1} << k);
        // release: pairs with the acquire in BasicBroadcastConsumer::barrier.
        Words::store(this->own_->active, active_, std::memory_order_release);
        this->fence().heavy(); // before its slots are written again; pairs with light() in release
        return {};
    }

    // Consumer k, which has joined, counts again from where it stands. EINVAL: no such consumer; EIO: it does
    // not stand where a consumer can.
    [[nodiscard]] Result<void> admit(uint32_t k) {
        if (k >= this->shape().consumers()) {
            return error(Errno::inval);
        }
        const uint64_t head = Words::load(this->page(1 + k).position, std::memory_order_acquire);
        if (tail_ - head > this->shape().geometry().slots() / 2) {
            return error(Errno::io); // also one that is ahead; half a ring is left to it at least
        }
        heads_[k] = head;
        limit_ = std::min(limit_, head + this->shape().geometry().slots());
        active_ |= uint32_t{1} << k;
        Words::store(this->own_->active, active_, std::memory_order_release);
        return {};
    }

    // Bit k for each consumer that counts.
    [[nodiscard]] uint32_t active() const { return active_; }
    [[nodiscard]] uint64_t position() const { return tail_; }
    // Bit k for each consumer that was caught lying.
    [[nodiscard]] uint32_t liars() const { return liars_; }

  private:
    [[nodiscard]] Result<void> refresh();

    uint64_t tail_ = 0;
    uint32_t active_;
    uint32_t liars_ = 0;
    uint64_t limit_;
    // The position of each when it was last looked at and believed.
    std::array<uint64_t, RUMPK_BROADCAST_MAX_CONSUMERS> heads_{};
};

// Looks at all that count: one that says it released what was never published, or takes back what it had
// released, is expelled. One that has closed does not count any more.
template <class Fence, class Words>
Result<void> BasicBroadcastProducer<Fence, Words>::refresh() {
    if (this->closed() != Close::open) {
        return error(this->why_closed());
    }
    uint64_t least = tail_;
    for (uint32_t k = 0; k < this->shape().consumers(); ++k) {
        if ((active_ >> k & 1) == 0) {
            continue;
        }
        // acquire: those behind it see by expel's release what it did (pairs with the release in shut).
        if (Words::load(this->page(1 + k).closed, std::memory_order_acquire) != RUMPK_RING_OPEN) {
            (void)expel(k);
            continue;
        }
        // acquire: its reads of a slot come before our next writes to it (pairs with the release in
        // BasicBroadcastConsumer::release).
        const uint64_t head = Words::load(this->page(1 + k).position, std::memory_order_acquire);
        if (head - heads_[k] > tail_ - heads_[k]) {
            liars_ |= uint32_t{1} << k;
            (void)expel(k);
            continue;
        }
        heads_[k] = head;
        least = std::min(least, head);
    }
    if (active_ == 0) {
        return error(Errno::pipe);
    }
    limit_ = least + this->shape().geometry().slots();
    return limit_ == tail_ ? Result<void>(error(Errno::again)) : Result<void>{};
}

template <class Fence, class Words>
Result<BasicBroadcastProducer<Fence, Words>>
BasicBroadcastProducer<Fence, Words>::resume(void* base, BroadcastShape shape, Fence fence) {
    BasicBroadcastProducer producer(base, shape, fence);
    if (Words::load(producer.own_->closed, std::memory_order_relaxed) != RUMPK_RING_OPEN) {
        return error(Errno::pipe);
    }
    const uint64_t slots = shape.geometry().slots();
    // The position is written behind the sequence, so the truth is at most one message further.
    const uint64_t told = Words::load(producer.own_->position, std::memory_order_relaxed);
    producer.tail_ = told;
    while (producer.tail_ - told < slots && producer.committed(producer.tail_)) {
        ++producer.tail_;
    }
    Words::store(producer.own_->position, producer.tail_, std::memory_order_release);
    producer.active_ = Words::load(producer.own_->active, std::memory_order_relaxed) & shape.everybody();
    for (uint32_t k = 0; k < shape.consumers(); ++k) {
        const uint64_t head = Words::load(producer.page(1 + k).position, std::memory_order_acquire);
        producer.heads_[k] = head;
        if ((producer.active_ >> k & 1) != 0 && producer.tail_ - head > slots) {
            producer.liars_ |= uint32_t{1} << k;
            (void)producer.expel(k);
        }
    }
    producer.limit_ = producer.tail_; // the first claim looks
    producer.take_over();
    return producer;
}

template <class Fence = SameCore, class Words = AtomicWords>
class BasicBroadcastConsumer : public BroadcastParty<Fence, Words> {
    using Base = BroadcastParty<Fence, Words>;

  public:
    // Consumer k of a ring that ion::format has just made; k < shape.consumers(). behind: bit j for each
    // consumer j that has to release a message before this one sees it; its own bit is ignored.
    BasicBroadcastConsumer(void* base, BroadcastShape shape, uint32_t k, uint32_t behind = 0,
                           Fence fence = {})
        : Base(base, shape, 1 + k, fence), behind_(behind & shape.everybody() & ~(uint32_t{1} << k)),
          bit_(uint32_t{1} << k) {}

    // Goes on where a dead predecessor stopped: what it had only peeked comes again (see again()). EPIPE:
    // it had closed, or was expelled; see join. EIO: it stood where no consumer can.
    [[nodiscard]] static Result<BasicBroadcastConsumer> resume(void* base, BroadcastShape shape, uint32_t k,
                                                               uint32_t behind = 0, Fence fence = {});

    // Begins anew with what is published from now on, once the producer says admit(k). Nobody else is
    // consumer k.
    [[nodiscard]] static BasicBroadcastConsumer join(void* base, BroadcastShape shape, uint32_t k,
                                                     uint32_t behind = 0, Fence fence = {});

    // The oldest message not released. EAGAIN: none, or those before have not released it. EPIPE: none,
    // and the producer has closed; or this one has, or was expelled. EIO: the producer lied.
    [[nodiscard]] Result<Message> peek() {
        if (this->closed() != Close::open) {
            return error(this->why_closed());
        }
        if (!this->committed(head_)) {
            if (auto late = nothing(); !late) {
                return error(late.error());
            }
        }
        if (behind_ != 0 && head_ >= clear_ && !barrier()) {
            return error(Errno::again);
        }
        const rumpk_slot_header& slot = this->slot(head_);
        // relaxed: the acquire of the sequence came before. Each is read once.
        const uint32_t tag = Words::load(slot.tag, std::memory_order_relaxed);
        const uint32_t length = Words::load(slot.length, std::memory_order_relaxed);
        if (length > this->shape().geometry().capacity()) {
            this->shut(Close::broken);
            return error(Errno::io);
        }
        peeked_ = true;
        const auto* payload = reinterpret_cast<const std::byte*>(&slot) + RUMPK_SLOT_HEADER_SIZE;
        return Message{tag, {payload, length}};
    }

    // Gives the peeked message back. EINVAL: none was peeked. EPIPE: this consumer was expelled meanwhile,
    // and what it has read may be torn.
    [[nodiscard]] Result<void> release() {
        if (!peeked_) {
            return error(Errno::inval);
        }
        peeked_ = false;
        // Our reads of the slot come before this look; pairs with heavy() in BasicBroadcastProducer::expel.
        this->fence().light();
        if ((Words::load(this->page(0).active, std::memory_order_relaxed) & bit_) == 0) {
            this->shut(Close::closed);
            return error(Errno::pipe);
        }
        ++head_;
        // release: our reads come before the producer's next writes to the slot, and whatever we did
        // with it before those behind us see it (pairs with refresh and barrier).
        Words::store(this->own_->position, head_, std::memory_order_release);
        return {};
    }

    [[nodiscard]] bool empty() const { return !this->committed(head_); }
    [[nodiscard]] bool again() const { return head_ < resumed_to_; }
    [[nodiscard]] uint64_t position() const { return head_; }

    // After release or close: does the producer want a bell?
    [[nodiscard]] bool producer_waiting() const {
        this->fence().light(); // the position is written before this read; pairs with arm()
        return Words::load(this->page(0).waiting, std::memory_order_relaxed) != 0;
    }

    void close() { this->shut(Close::closed); }

  private:
    // Nothing is committed: is that the end? Looks once more after `closed`.
    [[nodiscard]] Result<void> nothing() {
        const rumpk_broadcast_page& producer = this->page(0);
        // acquire: all that was published before closing is visible to the look that follows.
        const bool over = Words::load(producer.closed, std::memory_order_acquire) != RUMPK_RING_OPEN;
        if (over && this->committed(head_)) {
            return {};
        }
        const bool out = (Words::load(producer.active, std::memory_order_relaxed) & bit_) == 0;
        return error(over || out ? Errno::pipe : Errno::again);
    }

    // Have all before us that count released the message? What they say is believed as it is: one that
    // lies keeps us waiting, or shows us early what it should have seen first.
    [[nodiscard]] bool barrier() {
        // What is remembered ends with what was published before the look at `active`: somebody admitted
        // later has the rest to see first. acquire: behind a message that follows an admission, the look
        // at `active` sees that admission (pairs with the release in publish).
        const uint64_t told = Words::load(this->page(0).position, std::memory_order_acquire);
        // acquire: what an expelled consumer did is done with; one admitted is seen where it joined.
        const uint32_t active = Words::load(this->page(0).active, std::memory_order_acquire);
        // Our message was seen committed, though it may not be told yet; and told may be a lie.
        const uint64_t slots = this->shape().geometry().slots();
        uint64_t least = head_ + (told > head_ ? std::min(told - head_, slots) : 1);
        for (uint32_t k = 0; k < this->shape().consumers(); ++k) {
            // acquire: what one that has closed did is done with (pairs with the release in shut).
            if (((behind_ & active) >> k & 1) != 0 &&
                Words::load(this->page(1 + k).closed, std::memory_order_acquire) == RUMPK_RING_OPEN) {
                // acquire: what it did with the messages comes before we see them (pairs with release).
                const uint64_t head = Words::load(this->page(1 + k).position, std::memory_order_acquire);
                least = std::min(least, head);
            }
        }
        clear_ = least;
        return head_ < clear_;
    }

    uint64_t head_ = 0;
    uint64_t clear_ = 0; // those before us had released messages below this
    uint64_t resumed_to_ = 0;
    uint32_t behind_;
    uint32_t bit_;
    bool peeked_ = false;
};

template <class Fence, class Words>
Result<BasicBroadcastConsumer<Fence, Words>>
BasicBroadcastConsumer<Fence, Words>::resume(void* base, BroadcastShape shape, uint32_t k, uint32_t behind,
                                             Fence fence) {
    BasicBroadcastConsumer consumer(base, shape, k, behind, fence);
    const bool out = (Words::load(consumer.page(0).active, std::memory_order_acquire) & consumer.bit_) == 0;
    if (out || Words::load(consumer.own_->closed, std::memory_order_relaxed) != RUMPK_RING_OPEN) {
        return error(Errno::pipe);
    }
    consumer.head_ = Words::load(consumer.own_->position, std::memory_order_relaxed);
    const uint64_t slots = shape.geometry().slots();
    // acquire: the sequences below the position are visible to the looks that follow.
    const uint64_t tail = Words::load(consumer.page(0).position, std::memory_order_acquire);
    uint64_t seen = consumer.head_;
    while (seen - consumer.head_ < slots && consumer.committed(seen)) {
        ++seen;
    }
    const uint64_t apart = tail > consumer.head_ ? tail - consumer.head_ : consumer.head_ - tail;
    if (seen < tail || apart > slots) {
        return error(Errno::io); // lapped, or something else wrote our page
    }
    consumer.resumed_to_ = seen;
    consumer.take_over();
    return consumer;
}

template <class Fence, class Words>
BasicBroadcastConsumer<Fence, Words>
BasicBroadcastConsumer<Fence, Words>::join(void* base, BroadcastShape shape, uint32_t k, uint32_t behind,
                                           Fence fence) {
    BasicBroadcastConsumer consumer(base, shape, k, behind, fence);
    // acquire: pairs with the release in publish.
    consumer.head_ = Words::load(consumer.page(0).position, std::memory_order_acquire);
    Words::store(consumer.own_->closed, uint32_t{RUMPK_RING_OPEN}, std::memory_order_relaxed);
    Words::store(consumer.own_->position, consumer.head_, std::memory_order_release);
    consumer.take_over();
    return consumer;
}

using BroadcastProducer = BasicBroadcastProducer<>;
using BroadcastConsumer = BasicBroadcastConsumer<>;

} // namespace ion
