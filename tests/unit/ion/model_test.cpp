// SPDX-License-Identifier: Apache-2.0
//
// The ring code that ships, under relacy: a checker that runs every shared word by the C11 memory
// model (old values are read where the orders allow it) and tries interleavings. A data race on a
// payload, a message that is not the one due, and a sleeper nobody wakes are errors. What each
// ordering is for is in ion/PROOF.md.
#include "tests/unit/ion/model.h"

namespace {

using ion::Errno;
using ion::Geometry;
using ion_test::check;
using ion_test::translate;

// A ring whose words are relacy's. The memory below gives them their addresses and nothing else.
template <uint32_t slots, bool interrupts = false>
struct ModelRing {
    static constexpr Geometry geometry = Geometry::of(slots, 32);

    rl::atomic<uint64_t> positions[2];
    rl::atomic<uint32_t> small[2][5]; // epoch, closed, waiting, high_water; wanted
    rl::atomic<uint64_t> counters[2][2];
    rl::atomic<uint32_t> headers[slots][3]; // sequence, tag, length
    rl::var<uint64_t> payloads[slots];

    ion_test::Interrupts<2> cores;

    static inline ModelRing* current = nullptr;
    alignas(64) static inline std::byte memory[geometry.bytes()];

    void before() {
        current = this;
        cores.before();
        for (auto& position : positions) {
            position.store(0, rl::mo_relaxed, $);
        }
        for (auto& line : small) {
            for (auto& word : line) {
                word.store(0, rl::mo_relaxed, $);
            }
        }
        for (auto& line : counters) {
            for (auto& word : line) {
                word.store(0, rl::mo_relaxed, $);
            }
        }
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
        const size_t at = offset(&word);
        const size_t in_line = at % 64;
        return in_line == 0 ? positions[at / 64] : counters[at / 64][(in_line - 24) / 8];
    }

    rl::atomic<uint32_t>& find(const uint32_t& word) {
        const size_t at = offset(&word);
        if (at < RUMPK_RING_HEADER_SIZE) {
            return small[at / 64][at % 64 == offsetof(rumpk_ring_line, wanted) ? 4 : (at % 64 - 8) / 4];
        }
        const size_t in_slots = at - RUMPK_RING_HEADER_SIZE;
        return headers[in_slots / geometry.slot_size()][in_slots % geometry.slot_size() / 4];
    }

    static size_t slot_of(const std::byte* payload) {
        return (offset(payload) - RUMPK_RING_HEADER_SIZE) / geometry.slot_size();
    }

    struct Words {
        template <class T>
        static T load(const T& word, std::memory_order order) {
            arrive();
            return current->find(word).load(translate(order), $);
        }
        template <class T>
        static void store(T& word, T value, std::memory_order order) {
            arrive();
            current->find(word).store(value, translate(order), $);
        }
        static void store_two(uint32_t& first, uint32_t one, uint32_t other) {
            store(first, one, std::memory_order_relaxed);
            store((&first)[1], other, std::memory_order_relaxed);
        }

      private:
        static void arrive() {
            if (interrupts) {
                current->cores.serve();
            }
        }
    };

    struct Fence {
        static constexpr bool one_core = false;
        static constexpr uint32_t rest = 4; // of which one is taken in a small ring
        void relax() const { rl::yield(1, $); }
        // Across cores the worker has no fence: the sleeper's barrier is an interrupt on its core.
        void light() const {
            if (!interrupts) {
                rl::atomic_thread_fence(rl::mo_seq_cst, $);
            }
        }
        void heavy() const {
            if (interrupts) {
                current->cores.heavy();
            } else {
                rl::atomic_thread_fence(rl::mo_seq_cst, $);
            }
        }
    };

    using Producer = ion::BasicProducer<Fence, Words>;
    using Consumer = ion::BasicConsumer<Fence, Words>;
};

// How the two go about it; at once 0: by produce and consume. Each suite is a program of two threads; relacy
// runs it over and over.
template <uint32_t slot_count, uint64_t message_count, uint32_t most_at_once, bool parks,
          bool asymmetric = false>
struct Shape {
    static constexpr bool interrupts = asymmetric;
    static constexpr uint32_t slots = slot_count;
    static constexpr uint64_t messages = message_count;
    static constexpr uint32_t batch = most_at_once;
    static constexpr bool park = parks;
};

template <class S>
struct Parties {
    using Ring = ModelRing<S::slots, S::interrupts>;
    using Producer = typename Ring::Producer;
    using Consumer = typename Ring::Consumer;

    Ring ring;
    rl::generic_event bell[2]; // of the producer, of the consumer: latched, and a sleep nobody ends is
                               // a deadlock to relacy

    void make() {
        ring.before();
        bell[0].init(false, false, $);
        bell[1].init(false, false, $);
    }
    void unmake() {
        bell[0].deinit($);
        bell[1].deinit($);
    }

    template <class End>
    void ring_other(End& end, unsigned other) {
        if (S::park && end.peer_waiting()) {
            bell[other].set($);
        }
    }

    template <class End, class Look>
    Errno wait(End& end, unsigned own, Look look) {
        Errno now = look();
        while (now == Errno::again) {
            if (!S::park) {
                rl::yield(1, $);
                now = look();
                continue;
            }
            end.arm();
            now = look();
            if (now == Errno::again) {
                ring.cores.fall_asleep();
                bell[own].wait(false, false, $);
                ring.cores.wake();
                now = look();
            }
            end.disarm();
        }
        return now;
    }

    void send(Producer& out, uint64_t to) {
        while (out.position() < to) {
            RL_ASSERT(wait(out, 0, [&] {
                          auto slot = out.claim();
                          return slot ? Errno{0} : slot.error();
                      }) == Errno{0});
            if (S::batch == 0) {
                send_in_one(out);
                continue;
            }
            if (S::batch == 1) {
                send_one(out);
            } else {
                send_batch(out, to - out.position());
            }
            ring_other(out, 1);
        }
    }

    void send_in_one(Producer& out) {
        const uint64_t p = out.position();
        const auto sent = out.produce(static_cast<uint32_t>(p), p % 16, [&](std::byte* payload) {
            ring.payloads[Ring::slot_of(payload)]($) = 100 + p;
        });
        RL_ASSERT(sent.has_value());
        if (S::park && *sent) {
            bell[1].set($);
        }
    }

    void send_one(Producer& out) {
        const uint64_t p = out.position();
        auto slot = out.claim();
        RL_ASSERT(slot.has_value());
        ring.payloads[Ring::slot_of(slot->payload.data())]($) = 100 + p;
        RL_ASSERT(out.publish(static_cast<uint32_t>(p), p % 16).has_value());
    }

    void send_batch(Producer& out, uint64_t left) {
        auto slots = out.claim(static_cast<uint32_t>(left < S::batch ? left : S::batch));
        RL_ASSERT(slots.has_value());
        for (uint32_t i = 0; i < slots->size(); ++i) {
            const uint64_t p = out.position() + i;
            ring.payloads[Ring::slot_of((*slots)[i].data())]($) = 100 + p;
            RL_ASSERT(slots->describe(i, static_cast<uint32_t>(p), p % 16).has_value());
        }
        RL_ASSERT(out.commit(slots->size()).has_value());
    }

    void receive_in_one(Consumer& in) {
        const uint64_t p = in.position();
        const auto got = in.consume([&](const ion::Message& message) {
            RL_ASSERT(message.tag == p && message.payload.size() == p % 16);
            RL_ASSERT(ring.payloads[Ring::slot_of(message.payload.data())]($) == 100 + p);
        });
        RL_ASSERT(got.has_value());
        if (S::park && *got) {
            bell[0].set($);
        }
    }

    // Reads to the end, or until it has released `to`.
    void receive(Consumer& in, uint64_t to) {
        while (in.position() < to) {
            const Errno now = wait(in, 1, [&] {
                auto message = in.peek();
                return message ? Errno{0} : message.error();
            });
            if (now == Errno::pipe) {
                break;
            }
            RL_ASSERT(now == Errno{0});
            if (S::batch == 0) {
                receive_in_one(in);
                continue;
            }
            auto messages = in.peek(S::batch);
            RL_ASSERT(messages.has_value());
            for (uint32_t i = 0; i < messages->size(); ++i) {
                const uint64_t p = in.position() + i;
                const ion::Message message = (*messages)[i];
                RL_ASSERT(message.tag == p && message.payload.size() == p % 16);
                RL_ASSERT(ring.payloads[Ring::slot_of(message.payload.data())]($) == 100 + p);
            }
            RL_ASSERT(in.release(messages->size()).has_value());
            ring_other(in, 0);
        }
    }
};

// One sends and closes, the other reads to the end.
template <class S>
struct Transfer : rl::test_suite<Transfer<S>, 2>, Parties<S> {
    void before() { this->make(); }
    void after() { this->unmake(); }
    void thread(unsigned index) {
        if (index == 0) {
            typename Parties<S>::Producer out(this->ring.memory, this->ring.geometry);
            this->send(out, S::messages);
            out.close();
            this->ring_other(out, 1);
        } else {
            typename Parties<S>::Consumer in(this->ring.memory, this->ring.geometry);
            this->receive(in, ~0ull);
            RL_ASSERT(in.position() == S::messages);
        }
        this->ring.cores.fall_asleep(); // who has ended keeps nobody
    }
};

// The consumer is replaced in the midst while the producer goes on.
template <class S>
struct ConsumerReplaced : rl::test_suite<ConsumerReplaced<S>, 2>, Parties<S> {
    void before() { this->make(); }
    void after() { this->unmake(); }
    void thread(unsigned index) {
        if (index == 0) {
            typename Parties<S>::Producer out(this->ring.memory, this->ring.geometry);
            this->send(out, S::messages);
            out.close();
            this->ring_other(out, 1);
        } else {
            typename Parties<S>::Consumer first(this->ring.memory, this->ring.geometry);
            this->receive(first, 1);
            auto second = Parties<S>::Consumer::resume(this->ring.memory, this->ring.geometry);
            RL_ASSERT(second.has_value());
            this->receive(*second, ~0ull);
            RL_ASSERT(second->position() == S::messages);
        }
    }
};

// The producer is replaced in the midst, having been about to sleep; the consumer looks at the epoch.
template <class S>
struct ProducerReplaced : rl::test_suite<ProducerReplaced<S>, 2>, Parties<S> {
    void before() { this->make(); }
    void after() { this->unmake(); }
    void thread(unsigned index) {
        if (index == 0) {
            typename Parties<S>::Producer first(this->ring.memory, this->ring.geometry);
            this->send(first, 1);
            first.arm();
            auto second = Parties<S>::Producer::resume(this->ring.memory, this->ring.geometry);
            RL_ASSERT(second.has_value());
            this->send(*second, S::messages);
            second->close();
        } else {
            typename Parties<S>::Consumer in(this->ring.memory, this->ring.geometry);
            this->receive(in, ~0ull);
            RL_ASSERT(in.position() == S::messages);
        }
    }
};

// A producer died between a sequence and its position; both ends are taken up at the same time.
template <class S>
struct DeadInCommit : rl::test_suite<DeadInCommit<S>, 2>, Parties<S> {
    void before() { this->make(); }
    void after() { this->unmake(); }
    void thread(unsigned index) {
        using Ring = typename Parties<S>::Ring;
        if (index == 0) {
            this->ring.payloads[0]($) = 100;
            auto* slot = reinterpret_cast<rumpk_slot_header*>(this->ring.memory + RUMPK_RING_HEADER_SIZE);
            Ring::Words::store(slot->sequence, 1u, std::memory_order::release);
            auto out = Parties<S>::Producer::resume(this->ring.memory, this->ring.geometry);
            RL_ASSERT(out.has_value() && out->position() == 1);
            this->send(*out, S::messages);
            out->close();
        } else {
            auto in = Parties<S>::Consumer::resume(this->ring.memory, this->ring.geometry);
            RL_ASSERT(in.has_value());
            this->receive(*in, ~0ull);
            RL_ASSERT(in->position() == S::messages);
        }
    }
};

template <class S>
struct EpochSeen : rl::test_suite<EpochSeen<S>, 2>, Parties<S> {
    void before() { this->make(); }
    void after() { this->unmake(); }
    void thread(unsigned index) {
        if (index == 0) {
            typename Parties<S>::Producer first(this->ring.memory, this->ring.geometry);
            first.arm();
            auto second = Parties<S>::Producer::resume(this->ring.memory, this->ring.geometry);
            RL_ASSERT(second.has_value() && second->epoch() == 1);
        } else {
            typename Parties<S>::Consumer in(this->ring.memory, this->ring.geometry);
            if (in.peer_epoch() == 1) { // the line is read bare: peer_waiting() has a fence of its own
                const auto& line = reinterpret_cast<rumpk_ring_header*>(this->ring.memory)->producer;
                RL_ASSERT(Parties<S>::Ring::Words::load(line.waiting, std::memory_order::relaxed) == 0);
            }
        }
    }
};

using Spin = Shape<2, 4, 1, false>;
using SpinBatch = Shape<2, 4, 2, false>;
using Park = Shape<1, 2, 1, true>;
using ParkBatch = Shape<2, 4, 2, true>;

using SpinInOne = Shape<2, 4, 0, false>;
using ParkInOne = Shape<1, 2, 0, true>;
using ParkAcrossInOne = Shape<1, 2, 0, true, true>;

using ParkAcross = Shape<1, 2, 1, true, true>;
using ParkAcrossBatch = Shape<2, 4, 2, true, true>;

constexpr unsigned random_runs = 100000;

TEST(Model, Transfer) {
    check<Transfer<Spin>>(rl::sched_random, random_runs);
}
TEST(Model, TransferInBatches) {
    check<Transfer<SpinBatch>>(rl::sched_random, random_runs);
}
TEST(Model, TransferInOne) {
    check<Transfer<SpinInOne>>(rl::sched_random, random_runs);
}
TEST(Model, Parking) {
    check<Transfer<Park>>(rl::sched_random, random_runs);
}
TEST(Model, ParkingWithBatches) {
    check<Transfer<ParkBatch>>(rl::sched_random, random_runs);
}
TEST(Model, ParkingInOne) {
    check<Transfer<ParkInOne>>(rl::sched_random, random_runs);
}
TEST(Model, ParkingBounded) {
    check<Transfer<Park>>(rl::sched_bound, ~0u);
}
// The handshake of two cores: no fence at the worker, an acknowledged interrupt at the sleeper.
TEST(Model, ParkingAcrossCores) {
    check<Transfer<ParkAcross>>(rl::sched_random, random_runs);
}
TEST(Model, ParkingAcrossCoresWithBatches) {
    check<Transfer<ParkAcrossBatch>>(rl::sched_random, random_runs);
}
TEST(Model, ParkingAcrossCoresInOne) {
    check<Transfer<ParkAcrossInOne>>(rl::sched_random, random_runs);
}
TEST(Model, ConsumerReplaced) {
    check<ConsumerReplaced<Spin>>(rl::sched_random, random_runs);
}
TEST(Model, ProducerReplaced) {
    check<ProducerReplaced<SpinBatch>>(rl::sched_random, random_runs);
}
TEST(Model, DeadInCommit) {
    check<DeadInCommit<Spin>>(rl::sched_random, random_runs);
}
TEST(Model, EpochSeen) {
    check<EpochSeen<Spin>>(rl::sched_full, ~0u);
}

} // namespace
