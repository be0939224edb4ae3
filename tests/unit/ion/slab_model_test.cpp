// SPDX-License-Identifier: Apache-2.0
//
// The buffers that ship, under relacy: one buffer goes from a sender to a receiver and back again and again.
// Whoever touches its bytes while the other may still do so has a data race. What the order of the words'
// changes is for is in ion/PROOF.md.
#include "ion/slab.h"
#include "tests/unit/ion/model.h"

namespace {

// What the shipped compare-and-exchange is given, so that the order is the one that it names.
struct ModelWord {
    uint64_t value;
    rl::atomic<uint64_t>* at = nullptr;
};

} // namespace

template <>
struct std::atomic_ref<ModelWord> {
    static constexpr bool is_always_lock_free = true;
    explicit atomic_ref(ModelWord& word) : at(word.at) {}
    bool compare_exchange_strong(ModelWord& from, ModelWord to, std::memory_order success,
                                 std::memory_order failure) const {
        return at->compare_exchange_strong(from.value, to.value, ion_test::translate(success), $,
                                           ion_test::translate(failure), $);
    }
    rl::atomic<uint64_t>* at;
};

namespace {

using ion::SlabShape;
using ion_test::check;

// The token's word: a ring orders what is behind a message behind what came before it.
struct ThroughARing {
    static constexpr rl::memory_order write = rl::mo_release;
    static constexpr rl::memory_order read = rl::mo_acquire;
};
struct ThroughAnything {
    static constexpr rl::memory_order write = rl::mo_relaxed;
    static constexpr rl::memory_order read = rl::mo_relaxed;
};

template <class Token>
struct Hand : rl::test_suite<Hand<Token>, 2> {
    static constexpr uint64_t rounds = 2;
    static constexpr SlabShape shape = SlabShape::of(1, 64);

    rl::atomic<uint64_t> word;
    rl::var<uint64_t> bytes;
    rl::atomic<uint64_t> token; // that of the round, with its generation; never 0

    static inline Hand* current = nullptr;
    alignas(64) static inline std::byte memory[shape.bytes()]; // nobody reads it

    struct Words {
        static uint64_t load(const uint64_t&, std::memory_order order) {
            return current->word.load(ion_test::translate(order), $);
        }
        static bool replace(uint64_t&, uint64_t from, uint64_t to) {
            ModelWord here{0, &current->word};
            return ion::AtomicWords::replace(here, ModelWord{from}, ModelWord{to});
        }
    };
    using Slabs = ion::BasicSlabs<false, Words>;

    void before() {
        current = this;
        word.store(0, rl::mo_relaxed, $);
        token.store(0, rl::mo_relaxed, $);
    }

    template <class Try>
    static auto until(Try attempt) {
        auto got = attempt();
        while (!got) {
            rl::yield(1, $);
            got = attempt();
        }
        return got;
    }

    void send() {
        Slabs mine(memory, shape, {1, 1});
        for (uint64_t i = 0; i < rounds; ++i) {
            auto buffer = until([&] { return mine.allocate(); });
            bytes($) = 100 + i;
            auto sent = buffer->send(2);
            RL_ASSERT(sent.has_value() && sent->index == 0);
            token.store(sent->generation, Token::write, $);
        }
    }
    void receive() {
        Slabs mine(memory, shape, {2, 1});
        uint64_t last = 0;
        for (uint64_t i = 0; i < rounds; ++i) {
            auto buffer = until([&] {
                const auto seen = static_cast<uint32_t>(token.load(Token::read, $));
                auto got = mine.adopt({0, seen});
                // What came through a ring is ours at the first try.
                RL_ASSERT(Token::read == rl::mo_relaxed || seen == last || got.has_value());
                last = got ? seen : last;
                return got;
            });
            RL_ASSERT(bytes($) == 100 + i);
            RL_ASSERT(buffer->free().has_value());
        }
    }
    void thread(unsigned index) {
        if (index == 0) {
            send();
        } else {
            receive();
        }
    }
};

TEST(SlabModel, ThroughARing) {
    check<Hand<ThroughARing>>(rl::sched_random, 100000);
}
TEST(SlabModel, ThroughAnything) {
    check<Hand<ThroughAnything>>(rl::sched_random, 100000);
}

} // namespace
