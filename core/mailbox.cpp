// SPDX-License-Identifier: Apache-2.0
#include "core/mailbox.h"

#include <bit>
#include <new>

#include "core/copy.h"
#include "core/memory.h"
#include "core/scheduler.h"
#include "ion/ring.h"

namespace rumpk {

namespace {

bool wants_answer(RequestKind kind) {
    return kind == RequestKind::spawn || kind == RequestKind::kill || kind == RequestKind::barrier ||
           kind == RequestKind::stop;
}

bool closes_request(AnswerKind kind) {
    return kind == AnswerKind::reply || kind == AnswerKind::killed;
}

std::byte* make_ring(ion::Geometry geometry) {
    const uint64_t size = align_up(geometry.bytes(), HAL_PAGE_SIZE);
    std::byte* const memory = boot_memory().touch(boot_memory().take_pages(size, "rings between cores"));
    ensure(ion::format({memory, geometry.bytes()}, geometry).has_value());
    return memory;
}

// Nobody closes one of these rings: where there is nothing, there is no more to find out.
template <typename Ring, typename Use>
bool take_from(Ring& ring, Use&& use) {
    if (ring.empty()) {
        return false;
    }
    const auto taken = ring.consume([&](const ion::Message& next) {
        use(next.tag, __builtin_assume_aligned(next.payload.data(), alignof(uint64_t)));
    });
    ensure(taken.has_value());
    return true;
}

// What there is of each request but a spawn.
constexpr size_t front_size = offsetof(Request, spawn);
static_assert(front_size % sizeof(uint64_t) == 0 && sizeof(rumpk_spawn_args) % sizeof(uint64_t) == 0);

// Of a bell's slot that is more than was sent, and nobody looks at it.
void copy_request(void* to, const void* from, bool whole) {
    copy_words(to, from, front_size);
    if (whole) {
        copy_words(static_cast<std::byte*>(to) + front_size, static_cast<const std::byte*>(from) + front_size,
                   sizeof(rumpk_spawn_args));
    }
}

} // namespace

void Mailbox::connect_one_way(Mailbox& from, Mailbox& to, uint32_t slots_at_to) {
    std::byte* const request_ring = make_ring(Requests{});
    Lane& out = from.lanes_[to.self_.value()];
    Lane& in = to.lanes_[from.self_.value()];
    out.requests_out.emplace(request_ring);
    in.requests_in.emplace(request_ring);
    // Ends of the receiver's fibers, answers to its requests, and to those it passed on.
    const auto answers =
        ion::Geometry::make(std::bit_ceil(slots_at_to + 2 * open_requests), slot_size<Answer>);
    ensure(answers.has_value());
    std::byte* const answer_ring = make_ring(*answers);
    out.answers_out.emplace(answer_ring, *answers);
    in.answers_in.emplace(answer_ring, *answers);
    out.sent = &to.sent_[from.self_.value()];
}

void Mailbox::connect(Mailbox& a, uint32_t slots_at_a, Mailbox& b, uint32_t slots_at_b) {
    connect_one_way(a, b, slots_at_b);
    connect_one_way(b, a, slots_at_a);
}

bool Mailbox::reaches(CoreId core) const {
    return parts::cores && core.value() < lanes_.size() && lanes_[core.value()].requests_out.has_value();
}

// Release: who sees the number finds the message.
void Mailbox::ring(const Lane& lane, CoreId to) {
    lane.sent->store(lane.sent->load(std::memory_order_relaxed) + 1, std::memory_order_release);
    machine().core_wake(to.value());
}

bool Mailbox::ask(CoreId to, RequestKind kind, const Request& request) {
    Lane& lane = lanes_[to.value()];
    if (wants_answer(kind) && lane.open == open_requests) {
        return false;
    }
    const bool whole = kind == RequestKind::spawn;
    const auto sent =
        lane.requests_out->produce(static_cast<uint32_t>(kind), whole ? sizeof request : front_size,
                                   [&](std::byte* payload) { copy_request(payload, &request, whole); });
    if (!sent) {
        return false;
    }
    lane.open += wants_answer(kind) ? 1 : 0;
    this_scheduler().note(RUMPK_TRACE_MESSAGE, nullptr, 0, to.value());
    ring(lane, to);
    return true;
}

bool Mailbox::ask_bell(CoreId to, const FiberName& target, uint64_t channels) {
    Lane& lane = lanes_[to.value()];
    const auto sent =
        lane.requests_out->produce(static_cast<uint32_t>(RequestKind::bell), sizeof(Bell),
                                   [&](std::byte* payload) { ::new (payload) Bell{target, channels}; });
    if (!sent) {
        return false;
    }
    ring(lane, to);
    return true;
}

void Mailbox::answer(CoreId to, AnswerKind kind, const Answer& answer) {
    Lane& lane = lanes_[to.value()];
    const auto sent =
        lane.answers_out->produce(static_cast<uint32_t>(kind), sizeof answer,
                                  [&](std::byte* payload) { copy_words(payload, &answer, sizeof answer); });
    ensure(sent.has_value());
    this_scheduler().note(RUMPK_TRACE_MESSAGE, nullptr, 0, to.value());
    ring(lane, to);
}

// Acquire: pairs with ring(). Who sends more behind this has the core interrupted again. What was taken ahead
// of its turn may not be in the number yet.
std::optional<CoreId> Mailbox::next_sender(uint32_t cores) {
    uint32_t sender = sender_;
    for (uint32_t left = cores; left != 0; --left) {
        ++sender;
        sender = sender < cores ? sender : 0;
        const uint32_t sent = sent_[sender].load(std::memory_order_acquire);
        if (static_cast<int32_t>(sent - taken_[sender]) > 0) {
            sender_ = sender;
            return CoreId{sender};
        }
    }
    return {};
}

void Mailbox::come_back() {
    sender_ = sender_ == 0 ? HAL_MAX_CORES : sender_ - 1;
}

bool Mailbox::take(CoreId from, Bell& bell) {
    auto& ring = *lanes_[from.value()].requests_in;
    if (ring.empty()) {
        return false;
    }
    const auto next = ring.peek();
    if (!next || next->tag != static_cast<uint32_t>(RequestKind::bell)) {
        return false;
    }
    bell = *static_cast<const Bell*>(__builtin_assume_aligned(next->payload.data(), alignof(Bell)));
    (void)ring.release(); // peeked: cannot fail
    ++taken_[from.value()];
    return true;
}

bool Mailbox::take(CoreId from, AnswerKind& kind, Answer& answer) {
    Lane& lane = lanes_[from.value()];
    const bool taken = take_from(*lane.answers_in, [&](uint32_t tag, const void* bytes) {
        kind = static_cast<AnswerKind>(tag);
        copy_words(&answer, bytes, sizeof answer);
    });
    if (taken) {
        lane.open -= closes_request(kind) ? 1 : 0;
        ++taken_[from.value()];
    }
    return taken;
}

bool Mailbox::take(CoreId from, RequestKind& kind, Request& request) {
    const bool taken = take_from(*lanes_[from.value()].requests_in, [&](uint32_t tag, const void* bytes) {
        kind = static_cast<RequestKind>(tag);
        copy_request(&request, bytes, kind == RequestKind::spawn);
    });
    taken_[from.value()] += taken ? 1 : 0;
    return taken;
}

} // namespace rumpk
