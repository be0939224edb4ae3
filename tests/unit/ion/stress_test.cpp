// SPDX-License-Identifier: Apache-2.0
//
// A producer and a consumer on two threads, parking when there is nothing to do: every message
// arrives once, whole and in order, and nobody sleeps through a bell.
#include <gtest/gtest.h>

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "tests/unit/ion/shared.h"

namespace {

using ion::Errno;
using ion::Geometry;
using ion_test::Shared;

// What a core's latched bell is: rung before the sleep or during it, it ends the sleep.
class Bell {
  public:
    void ring() {
        const std::lock_guard lock(mutex_);
        rung_ = true;
        condition_.notify_one();
    }
    // false: nobody rang for as long as no machine is ever that slow.
    bool sleep() {
        std::unique_lock lock(mutex_);
        const bool rung = condition_.wait_for(lock, std::chrono::seconds(20), [this] { return rung_; });
        rung_ = false;
        return rung;
    }

  private:
    std::mutex mutex_;
    std::condition_variable condition_;
    bool rung_ = false;
};

struct Membarrier {
    void operator()() const { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }
};

bool have_membarrier() {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

// Message p: its length, and bytes that only p has.
uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

uint32_t length_of(uint64_t p, uint32_t capacity) {
    return static_cast<uint32_t>(mix(p) % (capacity / 8 + 1)) * 8;
}

void write_message(std::span<std::byte> payload, uint64_t p, uint32_t length) {
    for (uint32_t i = 0; i < length; i += 8) {
        const uint64_t word = mix(p * 64 + i);
        std::memcpy(payload.data() + i, &word, sizeof word);
    }
}

bool check_message(const ion::Message& message, uint64_t p, uint32_t capacity) {
    const uint32_t length = length_of(p, capacity);
    bool same = message.tag == static_cast<uint32_t>(mix(p)) && message.payload.size() == length;
    for (uint32_t i = 0; same && i < length; i += 8) {
        uint64_t word = 0;
        std::memcpy(&word, message.payload.data() + i, sizeof word);
        same = word == mix(p * 64 + i);
    }
    return same;
}

struct Load {
    uint64_t messages = 0;
    uint32_t batch = 1;         // most at once, either side
    unsigned spins = 0;         // looks before it parks
    unsigned slow_producer = 0; // dawdle now and then: one in so many messages, 0 never
    unsigned slow_consumer = 0;
};

void dawdle(unsigned one_in, uint64_t p) {
    if (one_in != 0 && mix(p) % one_in == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
}

template <class Fence>
class Pair {
  public:
    Pair(Geometry geometry, const Load& load)
        : memory_(geometry), out_(memory_.base(), geometry), in_(memory_.base(), geometry), load_(load) {}

    void run() {
        std::thread producer([this] { produce(); });
        consume();
        producer.join();
        EXPECT_FALSE(lost_wakeup_);
        EXPECT_EQ(received_, load_.messages);
        EXPECT_EQ(wrong_, 0u);
        EXPECT_EQ(out_.position(), load_.messages);
        EXPECT_EQ(in_.position(), load_.messages);
    }

    uint64_t producer_waits() const { return out_.waits(); }
    uint64_t consumer_waits() const { return in_.waits(); }
    uint64_t bells() const { return out_.bells() + in_.bells(); }

  private:
    // Looks, and parks when looking does not help. false: the other end is gone.
    template <class End, class Look>
    bool wait(End& end, Bell& bell, Look look) {
        for (unsigned i = 0; i < load_.spins; ++i) {
            if (const Errno now = look(); now != Errno::again) {
                return now == Errno{0};
            }
        }
        end.arm();
        Errno now = look();
        while (now == Errno::again) {
            end.count_wait();
            if (!bell.sleep()) {
                lost_wakeup_ = true;
                return false;
            }
            now = look();
        }
        end.disarm();
        return now == Errno{0};
    }

    template <class End>
    static void ring(End& end, Bell& bell) {
        if (end.peer_waiting()) {
            end.count_bell();
            bell.ring();
        }
    }

    void send_one(uint64_t p) {
        const uint32_t length = length_of(p, memory_.geometry().capacity());
        write_message(out_.claim()->payload, p, length);
        (void)out_.publish(static_cast<uint32_t>(mix(p)), length);
        dawdle(load_.slow_producer, p);
        ring(out_, in_bell_);
    }

    void produce() {
        const uint32_t capacity = memory_.geometry().capacity();
        uint64_t p = 0;
        while (p < load_.messages) {
            if (!wait(out_, out_bell_, [this] {
                    auto slot = out_.claim();
                    return slot ? Errno{0} : slot.error();
                })) {
                break;
            }
            if (load_.batch == 1) {
                send_one(p++);
                continue;
            }
            const auto left = static_cast<uint32_t>(load_.messages - p);
            auto slots = out_.claim(left < load_.batch ? left : load_.batch);
            if (!slots) {
                break;
            }
            for (uint32_t i = 0; i < slots->size(); ++i, ++p) {
                const uint32_t length = length_of(p, capacity);
                write_message((*slots)[i], p, length);
                (void)slots->describe(i, static_cast<uint32_t>(mix(p)), length);
                dawdle(load_.slow_producer, p);
            }
            (void)out_.commit(slots->size());
            ring(out_, in_bell_);
        }
        out_.close();
        ring(out_, in_bell_);
    }

    void consume() {
        const uint32_t capacity = memory_.geometry().capacity();
        while (wait(in_, in_bell_, [this] {
            auto message = in_.peek();
            return message ? Errno{0} : message.error();
        })) {
            auto messages = in_.peek(load_.batch);
            if (!messages) {
                break;
            }
            for (const ion::Message message : *messages) {
                wrong_ += !check_message(message, received_, capacity);
                dawdle(load_.slow_consumer, received_);
                ++received_;
            }
            (void)in_.release(messages->size());
            ring(in_, out_bell_);
        }
        in_.close();
        ring(in_, out_bell_);
    }

    Shared memory_;
    ion::BasicProducer<Fence> out_;
    ion::BasicConsumer<Fence> in_;
    Load load_;
    Bell out_bell_;
    Bell in_bell_;
    std::atomic<bool> lost_wakeup_ = false;
    uint64_t received_ = 0;
    uint64_t wrong_ = 0;
};

TEST(Stress, SingleMessages) {
    Pair<ion::Symmetric> pair(Geometry::of(64, 80), {.messages = 300000, .batch = 1, .spins = 100});
    pair.run();
}

TEST(Stress, Batches) {
    Pair<ion::Symmetric> pair(Geometry::of(64, 128), {.messages = 600000, .batch = 16, .spins = 100});
    pair.run();
}

// One slot: full and empty take turns, every message is a hand-over.
TEST(Stress, OneSlot) {
    Pair<ion::Symmetric> pair(Geometry::of(1, 32), {.messages = 20000, .batch = 1, .spins = 20});
    pair.run();
    EXPECT_GT(pair.bells(), 0u);
}

TEST(Stress, SlowConsumerHoldsTheProducer) {
    Pair<ion::Symmetric> pair(Geometry::of(8, 64),
                              {.messages = 5000, .batch = 4, .spins = 10, .slow_consumer = 50});
    pair.run();
    EXPECT_GT(pair.producer_waits(), 10u) << "the ring was full and the producer slept";
}

TEST(Stress, SlowProducerLetsTheConsumerSleep) {
    Pair<ion::Symmetric> pair(Geometry::of(8, 64),
                              {.messages = 5000, .batch = 4, .spins = 10, .slow_producer = 50});
    pair.run();
    EXPECT_GT(pair.consumer_waits(), 10u) << "the ring was empty and the consumer slept";
}

// The scheme that ships across cores: the publisher has no fence, the sleeper makes its core pass one.
TEST(Stress, AsymmetricBarrier) {
    ASSERT_TRUE(have_membarrier()) << "Linux has membarrier(PRIVATE_EXPEDITED) since 4.14: allow the call";
    Pair<ion::CrossCore<Membarrier>> pair(Geometry::of(2, 48), {.messages = 50000, .batch = 1, .spins = 3});
    pair.run();
    EXPECT_GT(pair.producer_waits() + pair.consumer_waits(), 100u);
}

// The crossing by itself, as a litmus test of the hardware: one publishes and looks for a sleeper while
// the other arms and looks for a message. A round in which each missed the other is a lost wake-up.
template <class Fence>
class Crossing {
  public:
    struct Count {
        uint64_t rounds;
        uint64_t missed;
    };

    Count run() {
        std::thread producer([this] { publish(); });
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
        Count count{0, 0};
        while (count.rounds < 200000 && (count.rounds % 64 != 0 || std::chrono::steady_clock::now() < end)) {
            count.missed += round(++count.rounds);
        }
        go_.store(over, std::memory_order_release);
        producer.join();
        return count;
    }

  private:
    static constexpr uint64_t over = ~0ull;

    static uint64_t await(const std::atomic<uint64_t>& counter, uint64_t value) {
        for (unsigned i = 1;; ++i) {
            if (const uint64_t now = counter.load(std::memory_order_acquire); now >= value) {
                return now;
            }
            if (i % 1024 == 0) {
                std::this_thread::yield();
            }
        }
    }

    void publish() {
        for (uint64_t round = 1; await(go_, round) != over; ++round) {
            (void)out_.push(1, {});
            seen_waiting_.store(out_.peer_waiting(), std::memory_order_relaxed);
            done_.store(round, std::memory_order_release);
        }
    }

    bool round(uint64_t number) {
        go_.store(number, std::memory_order_release);
        for (uint64_t i = mix(number) % 256; i != 0; --i) { // meet at different places
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
        in_.arm();
        const bool nothing = !in_.peek().has_value();
        await(done_, number);
        const bool missed = nothing && !seen_waiting_.load(std::memory_order_relaxed);
        in_.disarm();
        EXPECT_TRUE(in_.peek().has_value() && in_.release().has_value());
        return missed;
    }

    static constexpr Geometry geometry = Geometry::of(4, 32);
    Shared memory_{geometry};
    ion::BasicProducer<Fence> out_{memory_.base(), geometry};
    ion::BasicConsumer<Fence> in_{memory_.base(), geometry};
    std::atomic<uint64_t> go_ = 0;
    std::atomic<uint64_t> done_ = 0;
    std::atomic<bool> seen_waiting_ = false;
};

template <class Fence>
uint64_t missed() {
    Crossing<Fence> crossing;
    const auto count = crossing.run();
    std::printf("%llu of %llu missed\n", static_cast<unsigned long long>(count.missed),
                static_cast<unsigned long long>(count.rounds));
    return count.missed;
}

TEST(Crossing, SymmetricFences) {
    EXPECT_EQ(missed<ion::Symmetric>(), 0u);
}

TEST(Crossing, AsymmetricBarrier) {
    ASSERT_TRUE(have_membarrier()) << "Linux has membarrier(PRIVATE_EXPEDITED) since 4.14: allow the call";
    EXPECT_EQ(missed<ion::CrossCore<Membarrier>>(), 0u);
}

// Not a test of the ring but of the two above: with barriers for one core only, two cores do miss each
// other, where there are two. How often is the machine's affair, so nothing is required.
TEST(Crossing, WithoutABarrierItIsMissed) {
    (void)missed<ion::SameCore>();
}

} // namespace
