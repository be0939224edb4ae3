// SPDX-License-Identifier: Apache-2.0
#include "tests/apps/manage/near/revoke.h"

#include <nexus/fiber.h>
#include <nexus/time.h>

#include "tests/apps/check.h"
#include "tests/apps/manage/orders.h"

namespace manage {

namespace {

using namespace std::literals;
using nexus::Errno;
using Extra = nexus::ring<uint64_t>::receiver;

class Far {
  public:
    Far(const nexus::ManagedCell& cell, Lives& lives)
        : cell_(cell), lives_(lives), orders_(nexus::open_sender<uint64_t>("orders")) {}

    [[nodiscard]] const nexus::ManagedCell& cell() const { return cell_; }
    void tell(Order order) { (void)orders_->send(order); }
    // Its answer, or the number of the life that it has begun; 0: none comes.
    int64_t hear() {
        const auto told = lives_.receive(nexus::now() + 5s);
        return told ? static_cast<int64_t>(*told) : 0;
    }
    int64_t ask(Order order) {
        tell(order);
        return hear();
    }
    [[nodiscard]] int64_t kill(uint64_t slot, uint64_t reason = 1) const {
        return nexus::call::raw(RUMPK_CALL_KILL, slot, reason);
    }

  private:
    const nexus::ManagedCell& cell_;
    Lives& lives_;
    nexus::Result<nexus::ring<uint64_t>::sender> orders_;
};

// The slot in which this cell has the far one: what it holds can be seen by no other.
uint64_t slot_of_far() {
    uint64_t slot = 0;
    while (!nexus::detail::meta<rumpk_meta_cell>(RUMPK_META_CELL, slot)) {
        ++slot;
    }
    return slot;
}

void refusals(const Far& far, uint32_t extra) {
    const uint64_t own = slot_of_far();
    const auto held = far.cell().holds(extra);
    test::check("it sees what the other holds", held && held->kind == RUMPK_CAP_CHANNEL && held->epoch == 1);
    test::check("which is nothing in some slots", far.cell().holds(63).error() == Errno::badf &&
                                                      far.kill(RUMPK_THEIR_SLOT(own, 63)) == -RUMPK_EBADF);
    test::equal("a slot that there is not", far.kill(RUMPK_THEIR_SLOT(own, 64)), -RUMPK_EBADF);
    test::equal("and one far beyond", far.kill(RUMPK_THEIR_SLOT(own, 0xfffffe)), -RUMPK_EBADF);
    test::equal("of a cell that it does not manage", far.kill(RUMPK_THEIR_SLOT(63, extra)), -RUMPK_EBADF);
    test::equal("of what is no cell", far.kill(RUMPK_THEIR_SLOT(2, extra)), -RUMPK_EBADF);
    test::equal("for no reason", far.kill(RUMPK_THEIR_SLOT(own, extra), 0), -RUMPK_EINVAL);
    test::check("by a name that there is not", far.cell().revoke("more").error() == Errno::noent);
}

// Waits at the other end of the channel, until it is closed.
struct Listener {
    Extra end;
    uint64_t came = 0;
    Errno ended = Errno::again;

    void listen() {
        for (;;) {
            const auto message = end.receive();
            if (!message) {
                ended = message.error();
                return;
            }
            ++came;
        }
    }
};

void by_call(Far& far, uint32_t extra) {
    Listener listener{*nexus::open_receiver<uint64_t>("extra")};
    auto fiber = nexus::spawn([&listener] { listener.listen(); });
    test::equal("it sends", far.ask(send), 0);
    far.tell(wait); // and is asked for nothing else until the channel goes
    nexus::sleep_for(20ms);
    test::check("the channel is taken", far.cell().revoke("extra", 9).has_value());
    test::equal("who waits for it is told", far.hear(), -RUMPK_EBADF);
    test::equal("and who rings", far.ask(ring), -RUMPK_EBADF);
    test::equal("and who waits again", far.ask(wait), -RUMPK_EBADF);
    test::equal("and who looks it up", far.ask(meta), -RUMPK_EBADF);
    test::equal("the slot is empty, and its epoch has moved", far.ask(caps), RUMPK_CAP_NONE + 2 * 256);
    test::check("as it is seen from here",
                far.cell().holds(extra)->epoch == 2 && far.cell().slot_of("extra").error() == Errno::noent);
    test::equal("it cannot be taken twice", far.kill(RUMPK_THEIR_SLOT(slot_of_far(), extra)), -RUMPK_EBADF);
    (void)fiber->join();
    test::check("the other end has what was sent, and has ended",
                listener.came == 1 && listener.ended == Errno::pipe);
}

void by_load(Far& far) {
    far.tell(load);
    test::equal("it ends where the ring was, and begins anew", far.hear(), 2);
    test::equal("and has not got it back", far.ask(find), 1);
    test::equal("the other is there", far.ask(read), 'T');
    test::check("it is taken, too", far.cell().revoke("words", 7).has_value());
    test::equal("but here", static_cast<int>((*nexus::share("words"))[0]), 'T');
    far.tell(read);
    test::equal("it ends there for good", far.hear(), 0);
}

constexpr nexus::FiberOptions in_the_middle{.name = "middle", .tier = nexus::Tier::photon, .bare = true};

// Two fibers of the highest tier, of which one asks: the other runs before the first page has gone, and
// behind.
struct Middle {
    const nexus::ManagedCell& cell;
    uint32_t slot;
    Extra peer;
    nexus::FiberId asker{};
    bool empty = false, busy = false, open = false, asker_ended = false, cell_ended = false;

    static void ask(uint64_t argument) {
        auto& self = *reinterpret_cast<Middle*>(static_cast<uintptr_t>(argument));
        self.asker = nexus::self();
        (void)nexus::spawn(come_in_between, argument, in_the_middle);
        (void)self.cell.revoke("extra", 9);
    }
    static void come_in_between(uint64_t argument) {
        auto& self = *reinterpret_cast<Middle*>(static_cast<uintptr_t>(argument));
        self.empty = self.cell.holds(self.slot)->kind == RUMPK_CAP_NONE;
        const auto other = self.cell.revoke("words");
        self.busy = !other && other.error() == Errno::busy;
        self.open = self.peer.try_receive().error() == Errno::again;
        nexus::yield(); // a page goes; or all of it, where that is one step
        self.asker_ended = nexus::call::kill(self.asker, 3).has_value();
        self.cell_ended = self.cell.kill(8).has_value();
    }
};

} // namespace

void serve(const nexus::ManagedCell& cell, Lives& lives, bool apart) {
    Far far(cell, lives);
    const auto extra = cell.slot_of("extra");
    test::check("it begins", extra && cell.begin() && far.hear() == 1);
    refusals(far, *extra);
    by_call(far, *extra);
    if (apart) {
        by_load(far);
    } else {
        test::equal("nothing keeps it from the ring", far.ask(load) >= 0 ? 1 : 0, 1);
        test::check("the share is taken", cell.revoke("words", 7) && far.ask(find) == 2);
    }
}

void meanwhile(const nexus::ManagedCell& cell, Lives& lives) {
    Far far(cell, lives);
    const auto extra = cell.slot_of("extra");
    Middle middle{cell, *extra, *nexus::open_receiver<uint64_t>("extra")};
    test::check("it begins", cell.begin() && far.hear() == 1);
    (void)nexus::spawn(Middle::ask, nexus::call::address(&middle), in_the_middle);
    test::check("the slot is empty at once", middle.empty);
    test::check("another waits", middle.busy);
    test::check("and the channel is not closed yet", middle.open);
    test::check("who asked is ended, and so is the cell", middle.asker_ended && middle.cell_ended);
    test::equal("that begins anew", far.hear(), 2);
    test::check("without the channel", far.ask(find) == 1 && cell.holds(*extra)->epoch == 2);
    test::check("whose other end has ended", middle.peer.receive(nexus::now() + 5s).error() == Errno::pipe);
    test::check("what waited can be taken now", cell.revoke("words").has_value());
}

} // namespace manage
