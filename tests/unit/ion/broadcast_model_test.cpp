// SPDX-License-Identifier: Apache-2.0
//
// The broadcast ring that ships, under relacy: a producer and two consumers, the second of them behind the
// first; slots written too early, messages seen before the first consumer is through with them, and
// sleepers nobody wakes are errors. So they are where one is expelled, leaves, comes back, or dies. What
// each ordering is for is in ion/PROOF.md.
#include "ion/broadcast.h"
#include "tests/unit/ion/model.h"

namespace {

using ion::BroadcastShape;
using ion::Errno;
using ion::Geometry;
using ion_test::check;
using ion_test::translate;

template <uint32_t slots>
struct Model {
    static constexpr BroadcastShape shape = BroadcastShape::of(Geometry::of(slots, 32), 2);

    rl::atomic<uint64_t> positions[3];
    rl::atomic<uint32_t> small[3][4]; // epoch, closed, waiting, active
    rl::atomic<uint64_t> counters[3][2];
    rl::atomic<uint32_t> headers[slots][3];
    rl::var<uint64_t> payloads[slots];
    rl::var<uint64_t> notes[slots]; // what the first consumer makes of a message, for the one behind it

    bool fenced = true;

    static inline Model* current = nullptr;
    alignas(4096) static inline std::byte memory[shape.bytes()];

    void before() {
        current = this;
        for (unsigned i = 0; i < 3; ++i) {
            positions[i].store(0, rl::mo_relaxed, $);
            for (auto& word : small[i]) {
                word.store(0, rl::mo_relaxed, $);
            }
            for (auto& word : counters[i]) {
                word.store(0, rl::mo_relaxed, $);
            }
        }
        small[0][3].store(shape.everybody(), rl::mo_relaxed, $);
        for (auto& slot : headers) {
            for (auto& word : slot) {
                word.store(0, rl::mo_relaxed, $);
            }
        }
    }

    static size_t offset(const void* word) {
        return static_cast<size_t>(static_cast<const std::byte*>(word) - memory);
    }
    rl::atomic<uint64_t>& find(const uint64_t& word) {
        const size_t in_page = offset(&word) % 4096;
        const size_t page = offset(&word) / 4096;
        return in_page == 0 ? positions[page] : counters[page][(in_page - 80) / 8];
    }
    rl::atomic<uint32_t>& find(const uint32_t& word) {
        const size_t at = offset(&word);
        if (at < shape.slots_offset()) {
            return small[at / 4096][(at % 4096 - 64) / 4];
        }
        const size_t in_slots = at - shape.slots_offset();
        return headers[in_slots / 32][in_slots % 32 / 4];
    }

    struct Words {
        template <class T>
        static T load(const T& word, std::memory_order order) {
            return current->find(word).load(translate(order), $);
        }
        template <class T>
        static void store(T& word, T value, std::memory_order order) {
            current->find(word).store(value, translate(order), $);
        }
    };
    struct Fence {
        void light() const { fence(); }
        void heavy() const { fence(); }
        // Only who parks or is expelled needs any; where nobody is, the orders have to do without.
        static void fence() {
            if (current->fenced) {
                rl::atomic_thread_fence(rl::mo_seq_cst, $);
            }
        }
    };
    using Producer = ion::BasicBroadcastProducer<Fence, Words>;
    using Consumer = ion::BasicBroadcastConsumer<Fence, Words>;

    // The claimed slot.
    void fill(Producer& out) {
        const uint64_t p = out.position();
        payloads[p % slots]($) = 100 + p;
        RL_ASSERT(out.publish(static_cast<uint32_t>(p), p % 16).has_value());
    }
    // The peeked message; the first consumer makes a note of it, the one behind finds it if it was `noted`.
    void use(const Consumer& in, uint32_t k, uint32_t tag, bool noted = true) {
        const uint64_t p = in.position();
        RL_ASSERT(tag == p && payloads[p % slots]($) == 100 + p);
        if (k == 0) {
            notes[p % slots]($) = 200 + p;
        } else if (noted) {
            RL_ASSERT(notes[p % slots]($) == 200 + p);
        }
    }
};

// One sends and closes; the others read to the end.
template <bool parks>
struct Send : rl::test_suite<Send<parks>, 3> {
    using Ring = Model<1>;
    static constexpr uint64_t messages = 2;

    Ring model;
    rl::generic_event bell[3]; // of the producer, of each consumer

    void before() {
        model.before();
        model.fenced = parks;
        for (auto& one : bell) {
            one.init(false, false, $);
        }
    }
    void after() {
        for (auto& one : bell) {
            one.deinit($);
        }
    }

    template <class Party>
    void ring_consumers(Party& party) {
        const uint32_t sleepers = parks ? party.consumers_waiting() : 0;
        for (unsigned k = 0; k < 2; ++k) {
            if (sleepers >> k & 1) {
                bell[1 + k].set($);
            }
        }
    }

    template <class Party, class Look>
    Errno wait(Party& party, unsigned own, Look look) {
        Errno now = look();
        while (now == Errno::again) {
            if (!parks) {
                rl::yield(1, $);
                now = look();
                continue;
            }
            party.arm();
            now = look();
            if (now == Errno::again) {
                bell[own].wait(false, false, $);
                now = look();
            }
            party.disarm();
        }
        return now;
    }

    void send() {
        Ring::Producer out(Ring::memory, Ring::shape);
        while (out.position() < messages) {
            RL_ASSERT(wait(out, 0, [&] {
                          auto slot = out.claim();
                          return slot ? Errno{0} : slot.error();
                      }) == Errno{0});
            model.fill(out);
            ring_consumers(out);
        }
        out.close();
        ring_consumers(out);
        RL_ASSERT(out.liars() == 0);
    }

    void receive(uint32_t k) {
        Ring::Consumer in(Ring::memory, Ring::shape, k, k == 1 ? 0b01 : 0);
        while (true) {
            uint32_t tag = 0;
            const Errno now = wait(in, 1 + k, [&] {
                auto message = in.peek();
                tag = message ? message->tag : 0;
                return message ? Errno{0} : message.error();
            });
            if (now == Errno::pipe) {
                break;
            }
            RL_ASSERT(now == Errno{0});
            model.use(in, k, tag);
            RL_ASSERT(in.release().has_value());
            if (parks && in.producer_waiting()) {
                bell[0].set($);
            }
            ring_consumers(in);
        }
        RL_ASSERT(in.position() == messages);
    }

    void thread(unsigned index) {
        if (index == 0) {
            send();
        } else {
            receive(index - 1);
        }
    }
};

// A consumer is expelled while it reads: if its release succeeds, what it read was whole.
struct Expel : rl::test_suite<Expel, 2> {
    using Ring = Model<1>;

    Ring model;

    void before() { model.before(); }
    void thread(unsigned index) {
        if (index == 0) {
            Ring::Producer out(Ring::memory, Ring::shape);
            RL_ASSERT(out.claim().has_value() && out.publish(7, 1).has_value());
            RL_ASSERT(out.expel(0).has_value());
            // What it would do next, were there others: write the slot again.
            Ring::Words::store(slot().length, 9u, std::memory_order::relaxed);
            Ring::Words::store(slot().tag, 9u, std::memory_order::relaxed);
        } else {
            Ring::Consumer in(Ring::memory, Ring::shape, 0);
            auto message = in.peek();
            if (message && in.release()) {
                RL_ASSERT(message->tag == 7 && message->payload.size() == 1);
            }
        }
    }
    static rumpk_slot_header& slot() {
        return *reinterpret_cast<rumpk_slot_header*>(Ring::memory + Ring::shape.slots_offset());
    }
};

// What the programs below have in common: who waits looks again and again, and no fence helps.
template <uint32_t slots>
struct Spinning {
    using Ring = Model<slots>;
    using Producer = typename Ring::Producer;
    using Consumer = typename Ring::Consumer;

    Ring model;

    void make() {
        model.before();
        model.fenced = false;
    }
    template <class Look>
    static void until(Look look) {
        while (!look()) {
            rl::yield(1, $);
        }
    }
    void send(Producer& out) {
        until([&] { return out.claim().has_value(); });
        model.fill(out);
    }
    void take(Consumer& in, uint32_t k, bool noted = true) {
        uint32_t tag = 0;
        until([&] {
            auto message = in.peek(); // EPIPE: not admitted yet
            tag = message ? message->tag : 0;
            return message.has_value();
        });
        model.use(in, k, tag, noted);
        RL_ASSERT(in.release().has_value());
    }
    // The one behind.
    Consumer second() const { return Consumer(Ring::memory, Ring::shape, 1, 0b01); }
};

// The first consumer is expelled, since it hangs, behind the only message, with which it was through.
struct ExpelledWithOneBehind : rl::test_suite<ExpelledWithOneBehind, 3>, Spinning<1> {
    rl::atomic<int> through;

    void before() {
        make();
        through.store(0, rl::mo_relaxed, $);
    }
    void thread(unsigned index) {
        if (index == 0) {
            Producer out(Ring::memory, Ring::shape);
            send(out);
            until([&] { return through.load(rl::mo_acquire, $) != 0; });
            RL_ASSERT(out.expel(0).has_value());
        } else if (index == 1) {
            Consumer in(Ring::memory, Ring::shape, 0);
            take(in, 0);
            through.store(1, rl::mo_release, $);
        } else {
            Consumer in = second();
            take(in, 1);
        }
    }
};

// It leaves; whoever is behind sees it by itself, or by the producer, which looks for room.
struct ClosedWithOneBehind : rl::test_suite<ClosedWithOneBehind, 3>, Spinning<1> {
    void before() { make(); }
    void thread(unsigned index) {
        if (index == 0) {
            Producer out(Ring::memory, Ring::shape);
            send(out);
            until([&] { return out.claim().has_value(); });
        } else if (index == 1) {
            Consumer in(Ring::memory, Ring::shape, 0);
            take(in, 0);
            in.close();
        } else {
            Consumer in = second();
            take(in, 1);
        }
    }
};

// It left, comes back while two messages are there, and is admitted as soon as it is seen: it is not
// overtaken from then on.
struct JoinsAgain : rl::test_suite<JoinsAgain, 3>, Spinning<2> {
    void before() { make(); }
    void thread(unsigned index) {
        if (index == 0) {
            Producer out(Ring::memory, Ring::shape);
            RL_ASSERT(out.expel(0).has_value());
            send(out);
            send(out);
            until([&] { return out.admit(0).has_value(); }); // EIO where it stood before
            send(out);
            RL_ASSERT(out.active() == Ring::shape.everybody());
        } else if (index == 1) {
            Consumer(Ring::memory, Ring::shape, 0).close();
            const auto& page = *reinterpret_cast<rumpk_broadcast_page*>(Ring::memory);
            until([&] { return Ring::Words::load(page.position, std::memory_order::relaxed) == 2; });
            Consumer in = Consumer::join(Ring::memory, Ring::shape, 0);
            take(in, 0);
        } else {
            Consumer in = second();
            take(in, 1, false);
            take(in, 1, false);
            take(in, 1);
        }
    }
};

// A consumer is replaced while the producer goes on.
struct ConsumerReplaced : rl::test_suite<ConsumerReplaced, 2>, Spinning<2> {
    static constexpr uint64_t messages = 4;

    void before() { make(); }
    void thread(unsigned index) {
        if (index == 0) {
            Producer out(Ring::memory, Ring::shape);
            RL_ASSERT(out.expel(1).has_value());
            while (out.position() < messages) {
                send(out);
            }
        } else {
            Consumer first(Ring::memory, Ring::shape, 0);
            take(first, 0);
            auto next = Consumer::resume(Ring::memory, Ring::shape, 0);
            RL_ASSERT(next.has_value());
            while (next->position() < messages) {
                take(*next, 0);
            }
        }
    }
};

// A producer died between a sequence and its position; a successor and a consumer's take over together.
struct DeadInPublish : rl::test_suite<DeadInPublish, 2>, Spinning<2> {
    static constexpr uint64_t messages = 2;

    void before() { make(); }
    void thread(unsigned index) {
        if (index == 0) {
            model.payloads[0]($) = 100;
            auto* slot = reinterpret_cast<rumpk_slot_header*>(Ring::memory + Ring::shape.slots_offset());
            Ring::Words::store(slot->sequence, 1u, std::memory_order::release);
            auto out = Producer::resume(Ring::memory, Ring::shape);
            RL_ASSERT(out.has_value() && out->position() == 1);
            send(*out);
        } else {
            auto in = Consumer::resume(Ring::memory, Ring::shape, 0);
            RL_ASSERT(in.has_value());
            while (in->position() < messages) {
                take(*in, 0);
            }
        }
    }
};

TEST(BroadcastModel, Spinning) {
    check<Send<false>>(rl::sched_random, 100000);
}
TEST(BroadcastModel, Parking) {
    check<Send<true>>(rl::sched_random, 100000);
}
TEST(BroadcastModel, ExpelledWhileItReads) {
    check<Expel>(rl::sched_full, ~0u);
}
TEST(BroadcastModel, ExpelledWithOneBehind) {
    check<ExpelledWithOneBehind>(rl::sched_random, 100000);
}
TEST(BroadcastModel, ClosedWithOneBehind) {
    check<ClosedWithOneBehind>(rl::sched_random, 100000);
}
TEST(BroadcastModel, JoinsAgain) {
    check<JoinsAgain>(rl::sched_random, 100000);
}
TEST(BroadcastModel, ConsumerReplaced) {
    check<ConsumerReplaced>(rl::sched_random, 100000);
}
TEST(BroadcastModel, DeadInPublish) {
    check<DeadInPublish>(rl::sched_random, 100000);
}

} // namespace
