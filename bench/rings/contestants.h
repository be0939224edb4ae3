// SPDX-License-Identifier: Apache-2.0
//
// The rings that are measured, each used the way its own documentation recommends for speed: in place
// where it has that, copying where not. Each sends message p, which is `Bytes` long and has a word of
// its own in every eight bytes; the receiver adds up all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include <boost/lockfree/spsc_queue.hpp>
#include <readerwriterqueue/readerwriterqueue.h>
#include <rte_ring.h>

#include "bench/rings/barrier.h"
#include "ion/ring.h"

namespace bench {

constexpr uint32_t batch_size = 16;

// Of no type, like what a network or a disk brings: whoever copies it may do so in words of any size.
using Word [[gnu::may_alias]] = uint64_t;

template <size_t Bytes>
struct Message {
    static constexpr size_t words = Bytes / 8;
    Word word[words];
};

template <size_t Bytes>
inline void fill(Word* word, uint64_t p) {
    asm(""
        : "+r"(p)); // or the compiler takes the caller's counter out of the message that it has just written
    for (size_t i = 0; i < Bytes / 8; ++i) {
        word[i] = p + i;
    }
}

template <size_t Bytes>
inline uint64_t add(const Word* word) {
    uint64_t sum = 0;
    for (size_t i = 0; i < Bytes / 8; ++i) {
        sum += word[i];
    }
    return sum;
}

// What the receiver must have counted after messages 0..count-1.
template <size_t Bytes>
constexpr uint64_t total(uint64_t count) {
    constexpr uint64_t words = Bytes / 8;
    return words * (count * (count - 1) / 2) + count * (words * (words - 1) / 2);
}

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Free>;

inline Memory allocate(size_t bytes) {
    constexpr size_t page = 4096;
    const size_t rounded = (bytes + page - 1) / page * page;
    Memory memory(static_cast<std::byte*>(std::aligned_alloc(page, rounded)));
    std::memset(memory.get(), 0, rounded); // all pages are there before anything is measured
    return memory;
}

// Ours, as it ships: towards a stranger, able to park, a bell looked for after every publish and every
// release. Shape: ion::Geometry, or a geometry that is known when the program is compiled.
template <size_t Bytes, class Fence, class Shape = ion::Geometry>
class Ion {
  public:
    static constexpr const char* name = "ion";

    explicit Ion(uint32_t capacity)
        : geometry_(*ion::Geometry::make(capacity, ion::Geometry::slot_for(Bytes))),
          memory_(allocate(geometry_.bytes())), out_(format(), shape()), in_(memory_.get(), shape()) {}

    [[gnu::always_inline]] bool push(uint64_t p) {
        const auto pushed = out_.produce(
            1, Bytes, [&](std::byte* payload) { fill<Bytes>(reinterpret_cast<Word*>(payload), p); });
        if (pushed && *pushed) [[unlikely]] {
            out_.count_bell();
        }
        return pushed.has_value();
    }
    [[gnu::always_inline]] uint32_t push_many(uint64_t p, uint32_t most) {
        auto slots = out_.claim(most);
        if (!slots) {
            return 0;
        }
        for (uint32_t i = 0; i < slots->size(); ++i) {
            fill<Bytes>(reinterpret_cast<Word*>((*slots)[i].data()), p + i);
            (void)slots->describe(i, 1, Bytes);
        }
        (void)out_.commit(slots->size());
        if (out_.peer_waiting()) {
            out_.count_bell();
        }
        return slots->size();
    }
    [[gnu::always_inline]] bool pop(uint64_t& sum) {
        const auto popped = in_.consume([&](std::span<const std::byte> payload) {
            sum += add<Bytes>(reinterpret_cast<const Word*>(payload.data()));
        });
        if (popped && *popped) [[unlikely]] {
            in_.count_bell();
        }
        return popped.has_value();
    }
    [[gnu::always_inline]] uint32_t pop_many(uint64_t& sum, uint32_t most) {
        auto messages = in_.peek(most);
        if (!messages) {
            return 0;
        }
        for (const ion::Message message : *messages) {
            sum += add<Bytes>(reinterpret_cast<const Word*>(message.payload.data()));
        }
        (void)in_.release(messages->size());
        if (in_.peer_waiting()) {
            in_.count_bell();
        }
        return messages->size();
    }

  private:
    void* format() {
        (void)ion::format({memory_.get(), geometry_.bytes()}, geometry_);
        return memory_.get();
    }
    [[nodiscard]] Shape shape() const {
        if constexpr (std::is_same_v<Shape, ion::Geometry>) {
            return geometry_;
        } else {
            return {};
        }
    }

    ion::Geometry geometry_;
    Memory memory_;
    alignas(128) ion::BasicProducer<Fence, ion::AtomicWords, Shape> out_;
    alignas(128) ion::BasicConsumer<Fence, ion::AtomicWords, Shape> in_;
};

// Fixed: a capacity that is known when the program is compiled; 0: one that is not.
template <size_t Bytes, uint32_t Fixed = 0>
class Boost {
    using Queue = std::conditional_t<
        Fixed == 0, boost::lockfree::spsc_queue<Message<Bytes>>,
        boost::lockfree::spsc_queue<Message<Bytes>, boost::lockfree::capacity<Fixed == 0 ? 1 : Fixed>>>;

  public:
    static constexpr const char* name = Fixed == 0 ? "boost" : "boost, fixed";
    explicit Boost(uint32_t capacity)
        requires(Fixed == 0)
        : queue_(capacity) {}
    explicit Boost(uint32_t)
        requires(Fixed != 0)
    {}

    [[gnu::always_inline]] bool push(uint64_t p) {
        Message<Bytes> message;
        fill<Bytes>(message.word, p);
        return queue_.push(message);
    }
    [[gnu::always_inline]] uint32_t push_many(uint64_t p, uint32_t most) {
        Message<Bytes> messages[batch_size];
        for (uint32_t i = 0; i < most; ++i) {
            fill<Bytes>(messages[i].word, p + i);
        }
        return static_cast<uint32_t>(queue_.push(messages, most));
    }
    [[gnu::always_inline]] bool pop(uint64_t& sum) {
        return queue_.consume_one([&](const Message<Bytes>& message) { sum += add<Bytes>(message.word); });
    }
    [[gnu::always_inline]] uint32_t pop_many(uint64_t& sum, uint32_t most) {
        Message<Bytes> messages[batch_size];
        const auto count = static_cast<uint32_t>(queue_.pop(messages, most));
        for (uint32_t i = 0; i < count; ++i) {
            sum += add<Bytes>(messages[i].word);
        }
        return count;
    }

  private:
    Queue queue_;
};

template <size_t Bytes>
class Moodycamel {
  public:
    static constexpr const char* name = "moodycamel";
    explicit Moodycamel(uint32_t capacity) : queue_(capacity) {}

    [[gnu::always_inline]] bool push(uint64_t p) {
        Message<Bytes> message;
        fill<Bytes>(message.word, p);
        return queue_.try_enqueue(message);
    }
    [[gnu::always_inline]] bool pop(uint64_t& sum) {
        const Message<Bytes>* message = queue_.peek();
        if (message == nullptr) {
            return false;
        }
        sum += add<Bytes>(message->word);
        return queue_.pop();
    }

  private:
    moodycamel::ReaderWriterQueue<Message<Bytes>> queue_;
};

// One producer and one consumer, elements copied in and out.
template <size_t Bytes>
class Dpdk {
  public:
    static constexpr const char* name = "dpdk";
    explicit Dpdk(uint32_t capacity) : memory_(allocate(sizeof(rte_ring) + size_t{capacity} * Bytes)) {
        // What rte_ring_init does, without the libraries of a whole network stack around it.
        ring_ = reinterpret_cast<rte_ring*>(memory_.get());
        ring_->flags = RING_F_SP_ENQ | RING_F_SC_DEQ;
        ring_->prod.sync_type = RTE_RING_SYNC_ST;
        ring_->cons.sync_type = RTE_RING_SYNC_ST;
        ring_->size = capacity;
        ring_->mask = capacity - 1;
        ring_->capacity = capacity - 1;
    }

    [[gnu::always_inline]] bool push(uint64_t p) {
        Message<Bytes> message;
        fill<Bytes>(message.word, p);
        return rte_ring_sp_enqueue_elem(ring_, &message, Bytes) == 0;
    }
    [[gnu::always_inline]] uint32_t push_many(uint64_t p, uint32_t most) {
        Message<Bytes> messages[batch_size];
        for (uint32_t i = 0; i < most; ++i) {
            fill<Bytes>(messages[i].word, p + i);
        }
        return rte_ring_sp_enqueue_burst_elem(ring_, messages, Bytes, most, nullptr);
    }
    [[gnu::always_inline]] bool pop(uint64_t& sum) {
        Message<Bytes> message;
        if (rte_ring_sc_dequeue_elem(ring_, &message, Bytes) != 0) {
            return false;
        }
        sum += add<Bytes>(message.word);
        return true;
    }
    [[gnu::always_inline]] uint32_t pop_many(uint64_t& sum, uint32_t most) {
        Message<Bytes> messages[batch_size];
        const uint32_t count = rte_ring_sc_dequeue_burst_elem(ring_, messages, Bytes, most, nullptr);
        for (uint32_t i = 0; i < count; ++i) {
            sum += add<Bytes>(messages[i].word);
        }
        return count;
    }

  private:
    Memory memory_;
    rte_ring* ring_;
};

} // namespace bench
