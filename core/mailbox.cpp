// SPDX-License-Identifier: Apache-2.0
#include "core/mailbox.h"

#include <bit>
#include <new>

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
bool take_from(std::optional<Ring>& ring, Use&& use) {
    if (!ring || ring->empty()) {
        return false;
    }
    const auto taken = ring->consume([&](const ion::Message& next) {
        use(next.tag, __builtin_assume_aligned(next.payload.data(), alignof(uint64_t)), next.payload.size());
    });
    ensure(taken.has_value());
    return true;
}

void ring(CoreId to) {
    this_scheduler().note(RUMPK_TRACE_MESSAGE, nullptr, 0, to.value());
    machine().core_wake(to.value());
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
}

void Mailbox::connect(Mailbox& a, uint32_t slots_at_a, Mailbox& b, uint32_t slots_at_b) {
    connect_one_way(a, b, slots_at_b);
    connect_one_way(b, a, slots_at_a);
}

bool Mailbox::reaches(CoreId core) const {
    return parts::cores && core.value() < lanes_.size() && lanes_[core.value()].requests_out.has_value();
}

bool Mailbox::ask(CoreId to, RequestKind kind, const Request& request) {
    Lane& lane = lanes_[to.value()];
    if (wants_answer(kind) && lane.open == open_requests) {
        return false;
    }
    const auto bytes = std::as_bytes(std::span(&request, 1));
    if (!lane.requests_out->push(static_cast<uint32_t>(kind), bytes)) {
        return false;
    }
    lane.open += wants_answer(kind) ? 1 : 0;
    ring(to);
    return true;
}

bool Mailbox::ask_bell(CoreId to, const FiberName& target, uint64_t channels) {
    const auto sent = lanes_[to.value()].requests_out->produce(
        static_cast<uint32_t>(RequestKind::bell), sizeof(Bell),
        [&](std::byte* payload) { ::new (payload) Bell{target, channels}; });
    if (!sent) {
        return false;
    }
    machine().core_wake(to.value());
    return true;
}

void Mailbox::answer(CoreId to, AnswerKind kind, const Answer& answer) {
    const auto bytes = std::as_bytes(std::span(&answer, 1));
    ensure(lanes_[to.value()].answers_out->push(static_cast<uint32_t>(kind), bytes).has_value());
    ring(to);
}

bool Mailbox::take(CoreId from, Bell& bell) {
    auto& lane = lanes_[from.value()].requests_in;
    if (!lane) {
        return false;
    }
    auto& ring = *lane;
    if (ring.empty()) {
        return false;
    }
    const auto next = ring.peek();
    if (!next || next->tag != static_cast<uint32_t>(RequestKind::bell)) {
        return false;
    }
    bell = *static_cast<const Bell*>(__builtin_assume_aligned(next->payload.data(), alignof(Bell)));
    (void)ring.release(); // peeked: cannot fail
    return true;
}

bool Mailbox::holds(CoreId from) const {
    const Lane& lane = lanes_[from.value()];
    return (lane.answers_in && !lane.answers_in->empty()) || (lane.requests_in && !lane.requests_in->empty());
}

bool Mailbox::take(CoreId from, AnswerKind& kind, Answer& answer) {
    Lane& lane = lanes_[from.value()];
    const bool taken = take_from(lane.answers_in, [&](uint32_t tag, const void* bytes, size_t) {
        kind = static_cast<AnswerKind>(tag);
        __builtin_memcpy(&answer, bytes, sizeof answer);
    });
    if (taken) {
        lane.open -= closes_request(kind) ? 1 : 0;
    }
    return taken;
}

bool Mailbox::take(CoreId from, RequestKind& kind, Request& request) {
    return take_from(lanes_[from.value()].requests_in, [&](uint32_t tag, const void* bytes, size_t length) {
        kind = static_cast<RequestKind>(tag);
        // Of a bell only the front came; the rest of the message is as it was.
        __builtin_memcpy(static_cast<void*>(&request), bytes,
                         length == sizeof(Bell) ? sizeof(Bell) : sizeof request);
    });
}

} // namespace rumpk
