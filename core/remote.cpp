// SPDX-License-Identifier: Apache-2.0
#include "core/remote.h"

#include "core/calls.h"
#include "core/cell.h"
#include "core/fiber_start.h"

namespace rumpk {

// This core runs it, and it is the one that is meant. Only this core writes
// `owned` while `core` says this one, so what it reads is the present state.
bool owns(const Scheduler& here, const FiberName& name) {
    return here.is(name.fiber->core) && name.fiber->owned && name.fiber->id == name.id;
}

namespace {

// The one core that goes on once the machine ends; none yet.
constexpr uint32_t all_go_on = ~0U;
std::atomic<uint32_t> survivor = all_go_on;
// By core: it has stopped. Written by that core.
std::array<std::atomic<bool>, HAL_MAX_CORES> stopped{};
constexpr Nanoseconds stopping_time{100'000'000}; // an emulated core may have to wait for the host's

// Somebody has asked for fibers' times; every core looks when it is rung.
Shared<bool> times_wanted{false};

constexpr int bells_at_once = 4;       // in one interrupt
constexpr uint64_t looked_at_once = 8; // slots, in one message that stops a fiber

void send(Scheduler& here, CoreId to, RequestKind kind, const FiberName& target, uint64_t value) {
    for (;;) {
        const int64_t sent = here.on_kernel_stack([&]() -> int64_t {
            Request request;
            request.target = target;
            request.value = value;
            return here.mailbox().ask(to, kind, request) ? 1 : 0;
        });
        if (sent != 0) {
            return;
        }
        wait_for_room(here);
    }
}

void reply(Scheduler& here, const Requester& to, int64_t value) {
    if (!here.is(to.core)) {
        here.mailbox().answer(to.core, AnswerKind::reply, {to, value});
    } else if (owns(here, to.who)) {
        here.answered(*to.who.fiber, value);
    }
}

// At the fiber's home core. Whose fiber runs elsewhere gets the request; EAGAIN:
// that core has no room, the asker tries again.
void kill_at_home(Scheduler& here, const Request& request) {
    const FiberName& target = request.target;
    if (target.fiber->id != target.id) {
        reply(here, request.requester, to_call(Errno::srch));
        return;
    }
    const CoreId core = target.fiber->core;
    if (here.is(core) && target.fiber->condemned()) {
        reply(here, request.requester, to_call(Errno::srch));
        return;
    }
    if (!here.is(core)) {
        if (!here.mailbox().ask(core, RequestKind::kill, request)) {
            reply(here, request.requester, to_call(Errno::again));
        }
        return;
    }
    fiber_end(*target.fiber, -static_cast<int64_t>(request.value));
    reply(here, request.requester, 0);
}

void kill_here(Scheduler& here, const Request& request) {
    const bool found = owns(here, request.target) && !request.target.fiber->condemned();
    if (found) {
        fiber_end(*request.target.fiber, -static_cast<int64_t>(request.value));
    }
    const CoreId home = request.target.fiber->cell->home_core();
    here.mailbox().answer(home, AnswerKind::killed, {request.requester, found ? 0 : to_call(Errno::srch)});
}

void handle(Scheduler& here, CoreId from, RequestKind kind, const Request& request);

// A fiber's home core gave it to this one before anybody could learn its id. But
// whoever learned it may be on a third core, and his message may come first: then
// what the home core sent lies in its ring already. In the message interrupt only.
[[gnu::noinline]] bool owns_by_now(Scheduler& here, const FiberName& name) {
    const CoreId home = name.fiber->cell->home_core();
    if (!here.is(home)) {
        RequestKind kind{};
        Request request;
        // An id that has changed says that the life is over: nothing is under way.
        while (!owns(here, name) && name.fiber->id == name.id && here.mailbox().take(home, kind, request)) {
            handle(here, home, kind, request);
        }
    }
    return owns(here, name);
}

bool is_ending(const Cell& cell) {
    const Supervisor* const supervisor = cell.supervisor();
    return supervisor != nullptr && supervisor->ending();
}

// Away from home, of a cell that has ended: whoever runs here, or waits, does so no more. Whose block it is
// the home core knows, and gives all of them back when every core has answered. One at a time, for this is
// masked; returns where the next message goes on.
int64_t stop_fiber_here(Scheduler& here, Cell& cell, uint64_t first) {
    const uint64_t end = std::min<uint64_t>(first + looked_at_once, cell.fiber_slots());
    for (uint64_t slot = first; slot < end; ++slot) {
        Fiber& fiber = cell.fibers()[slot];
        if (here.is(fiber.core) && fiber.owned) {
            fiber.owned = false;
            here.forget(fiber);
            return static_cast<int64_t>(slot + 1);
        }
    }
    return static_cast<int64_t>(end);
}

// From the home core it cannot have come before the fiber itself.
[[gnu::always_inline]] inline void hear(Scheduler& here, CoreId from, const FiberName& target,
                                        uint64_t channels) {
    if (owns(here, target) || (from != target.fiber->cell->home_core() && owns_by_now(here, target))) {
        here.ring(*target.fiber, channels);
    }
}

void handle(Scheduler& here, CoreId from, RequestKind kind, const Request& request) {
    Fiber* const fiber = request.target.fiber;
    switch (kind) {
    case RequestKind::bell:
        hear(here, from, request.target, request.value);
        return;
    case RequestKind::adopt:
        here.begin(*fiber);
        return;
    case RequestKind::spawn:
        // Who was killed meanwhile makes nobody: nobody would know the id. Nor does a cell that has ended: it
        // is told that no slot is left, until its core stops it.
        reply(here, request.requester,
              request.requester.who.fiber->id == request.requester.who.id &&
                      !is_ending(*request.requester.who.fiber->cell)
                  ? spawn_asked(request.requester, request.spawn)
                  : to_call(Errno::nomem));
        return;
    case RequestKind::kill:
        if (here.is(fiber->cell->home_core())) {
            kill_at_home(here, request);
        } else {
            kill_here(here, request);
        }
        return;
    case RequestKind::end_cell:
        if (fiber->id == request.target.id) { // else it was one of an earlier life
            cell_end(*fiber->cell, static_cast<int64_t>(request.value));
        }
        return;
    case RequestKind::barrier:
        // Taking the interrupt ordered what this core did before against what follows; the
        // fence says so to the compiler and to machines where an interrupt orders nothing.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        reply(here, request.requester, 0);
        return;
    case RequestKind::stop:
        if (parts::restart) {
            reply(here, request.requester, stop_fiber_here(here, *fiber->cell, request.value));
        }
        return;
    }
}

void ended_by_kernel(Scheduler& here, Fiber& fiber, int64_t code) {
    Cell& cell = *fiber.cell;
    const Supervisor* const supervisor = cell.supervisor();
    if (parts::restart && supervisor != nullptr && supervisor->restarts() &&
        (&fiber == &cell.first_fiber() || cell.live_fibers() == 1)) {
        cell_end(cell, CellEnd::by_kernel, here.core());
        return;
    }
    cell.fiber_ended(fiber, code);
}

// In this kernel, by its parts.
bool possible(AnswerKind kind) {
    switch (kind) {
    case AnswerKind::reply:
    case AnswerKind::killed:
    case AnswerKind::ended:
        return parts::cores;
    case AnswerKind::broke_pledge:
        return true;
    case AnswerKind::overran:
        return parts::budgets;
    case AnswerKind::faulted:
        return parts::supervisors();
    }
    return false;
}

void handle(Scheduler& here, AnswerKind kind, const Answer& answer) {
    Fiber& fiber = *answer.to.who.fiber;
    if (!possible(kind)) {
        return;
    }
    switch (kind) {
    case AnswerKind::reply:
    case AnswerKind::killed:
        reply(here, answer.to, answer.value);
        return;
    case AnswerKind::broke_pledge:
        say_broken_pledge(fiber, reinterpret_cast<const char*>(answer.value));
        ended_by_kernel(here, fiber, to_call(Errno::perm));
        return;
    case AnswerKind::overran:
        say_overrun(fiber);
        ended_by_kernel(here, fiber, RUMPK_END_BUDGET);
        return;
    case AnswerKind::ended:
        fiber.cell->fiber_ended(fiber, answer.value);
        return;
    case AnswerKind::faulted:
        cell_end(*fiber.cell, CellEnd::by_fault, answer.to.core);
        return;
    }
}

} // namespace

void ring_anywhere(Scheduler& here, const FiberName& target, uint64_t channels) {
    const CoreId core = target.fiber->core;
    if (here.is(core)) {
        if (running_here(here, target)) {
            here.ring(*target.fiber, channels);
        }
    } else if (here.mailbox().reaches(core)) {
        while (!here.mailbox().ask_bell(core, target, channels)) {
            wait_for_room(here);
        }
    }
}

// The other core takes its messages as soon as it unmasks.
void wait_for_room(Scheduler& here) {
    machine().interrupts_restore(1);
    (void)machine().interrupts_mask();
    here.yield();
}

void barrier_everywhere(Scheduler& here) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (uint32_t core = 0; core < machine().boot->cores; ++core) {
        if (here.mailbox().reaches(CoreId{core})) {
            (void)ask_and_wait(here, CoreId{core}, RequestKind::barrier,
                               [](Request&) -> Result<void> { return {}; });
        }
    }
}

namespace {

// The fiber is nobody's after this; its home core may give block and stack to
// another at once.
void end(Fiber& fiber, AnswerKind kind, int64_t value) {
    Scheduler& here = this_scheduler();
    fiber.owned = false;
    here.forget(fiber);
    Cell& cell = *fiber.cell;
    const bool at_home = here.is(cell.home_core());
    if (at_home && kind == AnswerKind::ended) [[likely]] {
        cell.fiber_ended(fiber, value);
        return;
    }
    const Answer answer{{{&fiber, fiber.id}, here.core()}, value};
    if (at_home) {
        handle(here, kind, answer);
    } else {
        here.mailbox().answer(cell.home_core(), kind, answer);
    }
}

} // namespace

void fiber_end(Fiber& fiber, int64_t code) {
    end(fiber, AnswerKind::ended, code);
}

[[noreturn]] static void end_running(AnswerKind kind, int64_t value) {
    leave_for_ever([&] { end(*this_scheduler().running(), kind, value); });
}

void end_self(int64_t code) {
    end_running(AnswerKind::ended, code);
}

void end_self_by_pledge(const char* call) {
    end_running(AnswerKind::broke_pledge, static_cast<int64_t>(reinterpret_cast<intptr_t>(call)));
}

void fiber_end_by_fault(Fiber& fiber) {
    end(fiber, AnswerKind::faulted, 0);
}

void fiber_end_by_budget(Fiber& fiber) {
    end(fiber, AnswerKind::overran, 0);
}

void end_cell_from_here(Scheduler& here, const FiberName& self, uint64_t code) {
    send(here, self.fiber->cell->home_core(), RequestKind::end_cell, self, code);
    for (;;) {
        (void)here.wait_for_answer(); // none comes: the home core stops this one
    }
}

bool running_here(Scheduler& here, const FiberName& name) {
    // It is on its way from its home core, or its end is on the way there. This core's
    // messages are taken by its interrupt alone: one may be the end of the very fiber
    // that runs here.
    while (parts::cores && here.is(name.fiber->core) && name.fiber->id == name.id && !name.fiber->owned) {
        machine().interrupts_restore(1);
        (void)machine().interrupts_mask();
    }
    return owns(here, name);
}

// What that core says, an answer first.
[[gnu::noinline]] static void take_one(Scheduler& here, CoreId core) {
    Mailbox& box = here.mailbox();
    Answer answer;
    AnswerKind answered{};
    if (box.take(core, answered, answer)) {
        handle(here, answered, answer);
        return;
    }
    Request request;
    RequestKind asked{};
    if (box.take(core, asked, request)) {
        handle(here, core, asked, request);
    }
}

// Bells are what most messages are: a few, without the room that all the rest needs. Anything else takes an
// interrupt of its own, for this is masked, and its core comes first in the next one. A bell that came after
// it waits for that.
void message_event() {
    if (!parts::cores) {
        return; // nobody sends any
    }
    Scheduler& here = this_scheduler();
    here.note(RUMPK_TRACE_INTERRUPT, nullptr, RUMPK_TRACE_FROM_CORE);
    const uint32_t last = survivor.load(std::memory_order_acquire);
    if (last != all_go_on && last != here.core().value()) {
        stop_here();
    }
    if (times_wanted) {
        here.count_time();
    }
    Mailbox& box = here.mailbox();
    const uint32_t cores = machine().boot->cores;
    int bells = 0;
    while (const auto core = box.next_sender(cores)) {
        Bell bell;
        if (bells < bells_at_once && box.take(*core, bell)) {
            hear(here, *core, bell.target, bell.channels);
            ++bells;
        } else if (bells == 0) {
            take_one(here, *core);
            bells = bells_at_once;
        } else {
            box.come_back();
            machine().core_wake(here.core().value()); // after whatever else is pending
            break;
        }
    }
}

void stop_elsewhere(Scheduler& here, Cell& cell) {
    for (uint32_t core = 0; core < machine().boot->cores; ++core) {
        const bool its = here.mailbox().reaches(CoreId{core}) && (cell.core_set() >> core & 1) != 0;
        for (uint64_t slot = 0; its && slot < cell.fiber_slots();) {
            slot = static_cast<uint64_t>(
                ask_and_wait(here, CoreId{core}, RequestKind::stop, [&](Request& request) -> Result<void> {
                    request.target = {&cell.first_fiber(), {}};
                    request.value = slot;
                    return {};
                }));
            breathe();
        }
    }
}

void count_time_everywhere(Scheduler& here) {
    if (here.counts_time()) {
        return;
    }
    here.count_time();
    times_wanted = true; // core_wake's promise: whoever is rung sees it
    for (uint32_t core = 0; core < machine().boot->cores; ++core) {
        if (here.mailbox().reaches(CoreId{core})) {
            machine().core_wake(core);
        }
    }
}

void note_stopped() {
    // Release: whoever sees it (wait_until_stopped) finds the console as this core left it.
    stopped[machine().core_index()].store(true, std::memory_order_release);
}

void stop_here() {
    note_stopped();
    for (;;) {
        machine().interrupts_wait(); // masked: whatever comes is not taken
    }
}

void wait_until_stopped() {
    auto* const here = static_cast<Scheduler*>(machine().core_local());
    if (here == nullptr || !parts::cores) {
        return;
    }
    const Instant limit = Instant{machine().now()} + stopping_time;
    for (uint32_t core = 0; core < machine().boot->cores; ++core) {
        while (here->mailbox().reaches(CoreId{core}) && !stopped[core].load(std::memory_order_acquire) &&
               Instant{machine().now()} < limit) {
        }
    }
}

void stop_other_cores() {
    auto* const here = static_cast<Scheduler*>(machine().core_local());
    if (here == nullptr || !parts::cores) {
        return; // no core has been started yet, or ever will be
    }
    survivor.store(here->core().value(), std::memory_order_release);
    for (uint32_t core = 0; core < machine().boot->cores; ++core) {
        if (here->mailbox().reaches(CoreId{core})) {
            machine().core_wake(core);
        }
    }
}

} // namespace rumpk
