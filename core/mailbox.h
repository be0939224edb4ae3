// SPDX-License-Identifier: Apache-2.0
// What one core says to another. Nothing of a core's queues, deadlines or fibers
// is touched from elsewhere: who wants something there sends a message over an
// ION ring and rings the core, and the core does it in its own time, in its
// message interrupt (remote.cpp). Between each two cores that run fibers stand
// four rings: requests and answers, each way.
//
// Nobody waits inside an interrupt. A request may find its ring full: who sends
// one is a fiber, and lets others run before it tries again. An answer always
// finds room: its ring has a slot for every fiber that can end and for every
// request that may be open at once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>

#include "core/fiber.h"
#include "ion/consumer.h"
#include "ion/producer.h"

namespace rumpk {

enum class RequestKind : uint32_t {
    bell = 1, // fiber, value: channels. The fiber's core latches them.
    adopt,    // fiber: made by its home core, to be run by the receiver.
    spawn,    // spawn. To the home core. Answer: the id.
    kill,     // fiber, value: reason. To the home core, and from there to the fiber's. Answer: 0.
    end_cell, // fiber: one of the cell; value: code. To the home core.
    barrier,  // Answer once all that the receiver did before is visible to the asker.
    stop,     // fiber: the first one of a cell that has ended; value: a slot. Answer once the receiver runs
              // none of that slot's fiber and of some behind it.
};

enum class AnswerKind : uint32_t {
    reply = 1,    // value: the result, for the fiber that asked
    killed,       // value: what kill returns. To the home core, which passes it on.
    ended,        // value: code. To the home core: nothing touches the fiber or its stack any more.
    broke_pledge, // the same; value: the name of the call
    overran,      // the same, of its budget, for the last time
    faulted,      // the same, by its own code, and with it the cell
};

// A fiber together with the life that is meant: slots are used again.
struct FiberName {
    Fiber* fiber = nullptr;
    FiberId id{};
};

// Who asked, and on which core it then ran.
struct Requester {
    FiberName who{};
    CoreId core{};
};

struct Request {
    FiberName target{};
    uint64_t value = 0;
    Requester requester{};
    rumpk_spawn_args spawn; // where it is one: else neither set nor sent
};

// The front of a bell's Request, which is all that travels of it.
struct Bell {
    FiberName target;
    uint64_t channels = 0;
};
static_assert(sizeof(Bell) == offsetof(Request, requester));

struct Answer {
    Requester to{}; // of `ended`: the fiber itself
    int64_t value = 0;
};

// One core's end of all its rings. Touched by that core alone, masked.
class Mailbox {
  public:
    // Requests that may be open from one core to another.
    static constexpr uint32_t open_requests = 32;

    // Boot. Makes the rings between two cores, both ways. `slots_at`: fibers whose
    // home is that core.
    static void connect(Mailbox& a, uint32_t slots_at_a, Mailbox& b, uint32_t slots_at_b);
    void prepare(CoreId self) { self_ = self; }

    // Is there such a core, and does it run fibers? Not the own one.
    [[nodiscard]] bool reaches(CoreId core) const;
    // Sends and rings. False: no room now, for the request or for the answer that it wants.
    [[nodiscard]] bool ask(CoreId to, RequestKind kind, const Request& request);
    // The same of a bell, in a few words: it needs no stack of any depth.
    [[nodiscard]] bool ask_bell(CoreId to, const FiberName& target, uint64_t channels);
    // Sends and rings. There is room.
    void answer(CoreId to, AnswerKind kind, const Answer& answer);

    // Whose messages to look at next: in turn those that have sent what is not taken yet. Empty: nobody.
    [[nodiscard]] std::optional<CoreId> next_sender(uint32_t cores);
    // The one that next_sender() has named last is the next again.
    void come_back();
    // Takes the next request of that core if it is a bell; false: it is none, or there is no request.
    [[nodiscard]] bool take(CoreId from, Bell& bell);
    // Takes the next answer or request of that core; false: none.
    bool take(CoreId from, AnswerKind& kind, Answer& answer);
    bool take(CoreId from, RequestKind& kind, Request& request);

  private:
    // A type's slot: the ring's 16 bytes before it, rounded up to 16.
    template <typename T>
    static constexpr uint32_t slot_size = (sizeof(T) + RUMPK_SLOT_HEADER_SIZE + 15) / 16 * 16;
    using Requests = ion::FixedGeometry<open_requests, slot_size<Request>>;

    struct Lane {
        std::optional<ion::BasicProducer<ion::SameCore, ion::AtomicWords, Requests>> requests_out;
        std::optional<ion::BasicConsumer<ion::SameCore, ion::AtomicWords, Requests>> requests_in;
        std::optional<ion::Producer> answers_out;
        std::optional<ion::Consumer> answers_in;
        uint32_t open = 0;                     // requests whose answer has not been taken
        std::atomic<uint32_t>* sent = nullptr; // in the other core's sent_
    };
    static void connect_one_way(Mailbox& from, Mailbox& to, uint32_t slots_at_to);
    static void ring(const Lane& lane, CoreId to);

    // By sender: how many messages it has sent here, of either kind. Written by that core alone; so a core
    // that has sent nothing costs a comparison.
    std::array<std::atomic<uint32_t>, HAL_MAX_CORES> sent_{};
    std::array<Lane, HAL_MAX_CORES> lanes_{};     // between what others write and what only this core does
    std::array<uint32_t, HAL_MAX_CORES> taken_{}; // of those sent
    CoreId self_{};
    uint32_t sender_ = 0;
};

} // namespace rumpk
