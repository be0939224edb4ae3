// SPDX-License-Identifier: Apache-2.0
//
// What a core makes of others' messages, one interrupt after the other: whose come first, how many there are
// in one interrupt, and that whoever has waited is the next. Nothing runs here but what the test calls.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <deque>
#include <vector>

#include "core/budget.h"
#include "core/cell.h"
#include "core/fiber_start.h"
#include "core/memory.h"
#include "core/panic.h"
#include "core/remote.h"

namespace rumpk {
namespace {

constexpr uint32_t cores = 4;
constexpr uint32_t receiver = 1; // no cell's home here

hal table{};
hal_boot boot{};
Scheduler* current = nullptr;
std::array<unsigned, cores> wakes{};

// One core's part of the machine.
struct Core {
    static constexpr size_t blocks = DeadlineStorage::blocks_for(8, tier_count);

    std::array<DeadlineStorage::Block, blocks> deadlines{};
    std::array<DeadlineStorage::Block*, DeadlineStorage::pointers_for(blocks, tier_count)> pointers{};
    Scheduler scheduler;
};

class Messages : public testing::Test {
  protected:
    Messages() {
        table.size = sizeof table;
        table.boot = &boot;
        boot.cores = cores;
        table.core_local = []() -> void* { return current; };
        table.core_wake = [](uint32_t core) { ++wakes.at(core); };
        machine_table = &table;
        for (uint32_t i = 0; i < cores; ++i) {
            const std::array<AddressRange, interrupt_stacks> none{};
            machine_[i].scheduler.prepare(CoreId{i}, none, {}, machine_[i].deadlines, machine_[i].pointers);
        }
        for (uint32_t i = 0; i < cores; ++i) {
            if (i != receiver) {
                Mailbox::connect(box(receiver), 8, box(i), 8);
            }
        }
        wakes = {};
        current = &machine_[receiver].scheduler;
    }

    Mailbox& box(uint32_t core) { return machine_[core].scheduler.mailbox(); }

    template <typename Deed>
    auto on(uint32_t core, Deed deed) {
        current = &machine_[core].scheduler;
        const auto result = deed(box(core));
        current = &machine_[receiver].scheduler;
        return result;
    }

    // A fiber of the receiver's.
    Fiber& fiber(bool owned = true) {
        Fiber& made = fibers_.emplace_back();
        made.id = FiberId{static_cast<uint32_t>(fibers_.size()), FiberId::first_generation};
        made.core = CoreId{receiver};
        made.owned = owned;
        made.cell = &cell_;
        return made;
    }

    bool bell(uint32_t from, Fiber& to, uint64_t channels) {
        return on(from, [&](Mailbox& box) { return box.ask_bell(CoreId{receiver}, {&to, to.id}, channels); });
    }
    // A message that wants an answer: of that cell's fibers none is left to stop.
    bool stop(uint32_t from) {
        Request request;
        request.target.fiber = &heard_;
        request.requester.core = CoreId{from};
        return on(from, [&](Mailbox& box) { return box.ask(CoreId{receiver}, RequestKind::stop, request); });
    }
    // Answers of the receiver's that have come there since.
    unsigned answers(uint32_t at) {
        return on(at, [](Mailbox& box) {
            AnswerKind kind{};
            Answer answer;
            unsigned count = 0;
            while (box.take(CoreId{receiver}, kind, answer)) {
                ++count;
            }
            return count;
        });
    }

    // Returns whose bells were taken: those of `say`.
    uint64_t interrupt() {
        wakes[receiver] = 0;
        message_event();
        return heard_.take(~uint64_t{0});
    }
    // Has the receiver rung itself in the last one?
    static bool goes_on() { return wakes[receiver] != 0; }

    // Number `number` of that core's, each a channel of its own.
    static uint64_t said(uint32_t from, unsigned number) { return uint64_t{1} << (16 * from + number); }
    void say(uint32_t from, unsigned number) { ASSERT_TRUE(bell(from, heard_, said(from, number))); }

  private:
    Cell cell_{}; // its home is core 0
    std::deque<Fiber> fibers_;
    std::array<Core, cores> machine_{};
    Fiber& heard_ = fiber();
};

TEST_F(Messages, SendersTakeTurns) {
    for (const uint32_t from : {0, 2, 3}) {
        say(from, 0);
        say(from, 1);
    }
    EXPECT_EQ(interrupt(), said(2, 0) | said(3, 0) | said(0, 0) | said(2, 1));
    EXPECT_TRUE(goes_on());
    EXPECT_EQ(interrupt(), said(3, 1) | said(0, 1));
    EXPECT_FALSE(goes_on());
}

TEST_F(Messages, FourBellsAtMost) {
    for (unsigned i = 0; i < 9; ++i) {
        say(2, i);
    }
    EXPECT_EQ(wakes[receiver], 9u);
    EXPECT_EQ(interrupt(), said(2, 0) | said(2, 1) | said(2, 2) | said(2, 3));
    EXPECT_TRUE(goes_on());
    EXPECT_EQ(interrupt(), said(2, 4) | said(2, 5) | said(2, 6) | said(2, 7));
    EXPECT_TRUE(goes_on());
    EXPECT_EQ(interrupt(), said(2, 8));
    EXPECT_FALSE(goes_on());
    EXPECT_EQ(interrupt(), 0u);
}

TEST_F(Messages, AnythingElseHasAnInterruptOfItsOwn) {
    for (const uint32_t from : {2, 2, 3, 3}) {
        ASSERT_TRUE(stop(from));
    }
    say(0, 0);
    std::vector<unsigned> order;
    for (const uint64_t bells : {uint64_t{0}, uint64_t{0}, said(0, 0), uint64_t{0}, uint64_t{0}}) {
        EXPECT_EQ(interrupt(), bells);
        for (const uint32_t from : {2, 3}) {
            order.insert(order.end(), answers(from), from);
        }
        EXPECT_EQ(goes_on(), order.size() < 4);
    }
    EXPECT_EQ(order, (std::vector<unsigned>{2, 3, 2, 3}));
}

TEST_F(Messages, WhoWaitedComesFirst) {
    say(2, 0);
    ASSERT_TRUE(stop(3));
    say(0, 0);
    EXPECT_EQ(interrupt(), said(2, 0));
    EXPECT_EQ(answers(3), 0u) << "there were bells before it";
    EXPECT_EQ(interrupt(), 0u);
    EXPECT_EQ(answers(3), 1u);
    ASSERT_TRUE(stop(2));
    EXPECT_EQ(interrupt(), said(0, 0));
    EXPECT_EQ(answers(2), 0u);
    EXPECT_TRUE(goes_on());
    EXPECT_EQ(interrupt(), 0u);
    EXPECT_EQ(answers(2), 1u);
    EXPECT_FALSE(goes_on());
}

TEST_F(Messages, AnAnswerBeforeARequest) {
    Fiber& asker = fiber();
    asker.state = FiberState::asking;
    const Requester requester{{&asker, asker.id}, CoreId{receiver}};
    Request request;
    request.requester = requester;
    ASSERT_TRUE(box(receiver).ask(CoreId{2}, RequestKind::barrier, request));
    EXPECT_EQ(wakes[2], 1u);
    ASSERT_TRUE(stop(2));
    on(2, [&](Mailbox& box) {
        box.answer(CoreId{receiver}, AnswerKind::reply, {requester, 42});
        return true;
    });
    EXPECT_EQ(wakes[receiver], 2u);
    (void)interrupt();
    EXPECT_EQ(asker.state, FiberState::ready);
    EXPECT_EQ(asker.waits_for, 42u);
    EXPECT_EQ(answers(2), 0u);
    EXPECT_TRUE(goes_on());
    (void)interrupt();
    EXPECT_EQ(answers(2), 1u);
    EXPECT_FALSE(goes_on());
}

// Who rings a fiber may come before the fiber itself, which its home core has sent: that is taken first, and
// not looked for again.
TEST_F(Messages, TakenAheadOfItsTurn) {
    say(0, 0);
    EXPECT_EQ(interrupt(), said(0, 0)); // from here on it is the last in turn
    Fiber& newcomer = fiber(false);
    on(0, [&](Mailbox& box) {
        Request request;
        request.target = {&newcomer, newcomer.id};
        return box.ask(CoreId{receiver}, RequestKind::adopt, request);
    });
    ASSERT_TRUE(bell(2, newcomer, 1));
    (void)interrupt();
    EXPECT_TRUE(newcomer.owned);
    EXPECT_EQ(newcomer.latched, 1u);
    EXPECT_FALSE(goes_on());
    say(0, 1);
    EXPECT_EQ(interrupt(), said(0, 1));
    EXPECT_FALSE(goes_on());
}

TEST_F(Messages, RequestsWaitForRoom) {
    for (uint32_t i = 0; i < Mailbox::open_requests; ++i) {
        ASSERT_TRUE(stop(2));
    }
    EXPECT_FALSE(stop(2));
    EXPECT_FALSE(bell(2, fiber(), 1)) << "the ring is full";
    EXPECT_TRUE(stop(3)) << "that is another ring";
    (void)interrupt();
    EXPECT_TRUE(bell(2, fiber(), 1));
    (void)interrupt();
    (void)interrupt();
    EXPECT_FALSE(stop(2)) << "the ring has room, but for the answers there may be none";
    EXPECT_EQ(answers(2), 2u);
    EXPECT_EQ(answers(3), 1u);
    EXPECT_TRUE(stop(2));
}

} // namespace

const struct hal* machine_table = nullptr;

PhysAddr BootMemory::take_pages(uint64_t bytes, std::string_view, uint64_t) {
    struct alignas(HAL_PAGE_SIZE) Page {
        std::array<std::byte, HAL_PAGE_SIZE> bytes;
    };
    static std::deque<std::vector<Page>> taken;
    return PhysAddr{reinterpret_cast<uint64_t>(taken.emplace_back(bytes / sizeof(Page)).data())};
}
std::byte* BootMemory::touch(PhysAddr address) const {
    return reinterpret_cast<std::byte*>(address.value());
}
BootMemory& boot_memory() {
    static BootMemory memory;
    return memory;
}

// What no message here leads to.
void panic(std::string_view what) {
    std::fprintf(stderr, "panic: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}
void panic_fiber(const Fiber&, std::string_view what) {
    panic(what);
}
Budget& budget_of(const Fiber&) {
    panic("no fiber has a budget");
}
Supervisor* supervisor_of(CellId) {
    return nullptr;
}
int64_t spawn_asked(const Requester&, const rumpk_spawn_args&) {
    panic("nobody spawns");
}
void Cell::fiber_ended(Fiber&, int64_t) {
    panic("no fiber ends");
}
void cell_end(Cell&, int64_t) {
    panic("no cell ends");
}
void cell_end(Cell&, CellEnd, CoreId) {
    panic("no cell ends");
}
void say_overrun(const Fiber&) {}
void say_broken_pledge(const Fiber&, const char*) {}
void look_after_cells(Instant) {}

} // namespace rumpk
