// SPDX-License-Identifier: Apache-2.0
//
// The broadcast ring that ships, under relacy: a producer and two consumers, the second of them behind the
// first; slots written too early, messages seen before the first consumer is through with them, and
// sleepers nobody wakes are errors. What each ordering is for is in ion/PROOF.md.
#include "ion/broadcast.h"
#include "tests/unit/ion/model.h"

namespace {

using ion::BroadcastShape;
using ion::Errno;
using ion::Geometry;
using ion_test::check;
using ion_test::translate;

constexpr uint32_t slots = 1;
constexpr uint64_t messages = 2;
constexpr BroadcastShape shape = BroadcastShape::of(Geometry::of(slots, 32), 2);

struct Model {
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
};

// One sends and closes; the others read to the end.
template <bool parks>
struct Send : rl::test_suite<Send<parks>, 3> {
    Model model;
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
        Model::Producer out(Model::memory, shape);
        for (uint64_t p = 0; p < messages; ++p) {
            RL_ASSERT(wait(out, 0, [&] {
                          auto slot = out.claim();
                          return slot ? Errno{0} : slot.error();
                      }) == Errno{0});
            model.payloads[p % slots]($) = 100 + p;
            RL_ASSERT(out.publish(static_cast<uint32_t>(p), p).has_value());
            ring_consumers(out);
        }
        out.close();
        ring_consumers(out);
        RL_ASSERT(out.liars() == 0);
    }

    void receive(uint32_t k) {
        Model::Consumer in(Model::memory, shape, k, k == 1 ? 0b01 : 0);
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
            const uint64_t p = in.position();
            RL_ASSERT(now == Errno{0} && tag == p && model.payloads[p % slots]($) == 100 + p);
            if (k == 0) {
                model.notes[p % slots]($) = 200 + p;
            } else {
                RL_ASSERT(model.notes[p % slots]($) == 200 + p);
            }
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
    Model model;

    void before() { model.before(); }
    void thread(unsigned index) {
        if (index == 0) {
            Model::Producer out(Model::memory, shape);
            RL_ASSERT(out.claim().has_value() && out.publish(7, 1).has_value());
            out.expel(0);
            // What it would do next, were there others: write the slot again.
            Model::Words::store(slot().length, 9u, std::memory_order::relaxed);
            Model::Words::store(slot().tag, 9u, std::memory_order::relaxed);
        } else {
            Model::Consumer in(Model::memory, shape, 0);
            auto message = in.peek();
            if (message && in.release()) {
                RL_ASSERT(message->tag == 7 && message->payload.size() == 1);
            }
        }
    }
    static rumpk_slot_header& slot() {
        return *reinterpret_cast<rumpk_slot_header*>(Model::memory + shape.slots_offset());
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

} // namespace
