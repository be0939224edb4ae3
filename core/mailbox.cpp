// SPDX-License-Identifier: Apache-2.0
#include "core/mailbox.h"

#include <bit>
#include <new>

#include "core/memory.h"
#include "core/scheduler.h"
#include "ion/ring.h"

namespace rumpk {

namespace {

// A type's slot: the ring's 16 bytes before it, rounded up to 16.
template <typename T>
constexpr uint64_t slot_size = (sizeof(T) + RUMPK_SLOT_HEADER_SIZE + 15) / 16 * 16;

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

template <typename T, typename Kind>
bool take_from(std::optional<ion::Consumer>& ring, Kind& kind, T& message) {
    if (!ring || ring->empty()) { // nobody closes one: there is no more to find out
        return false;
    }
    const auto taken = ring->consume([&](const ion::Message& next) {
        kind = static_cast<Kind>(next.tag);
        const void* const from = __builtin_assume_aligned(next.payload.data(), alignof(T));
        // Of a bell only the front came; the rest of the message is as it was.
        if (next.payload.size() == sizeof(BellFront)) {
            __builtin_memcpy(static_cast<void*>(&message), from, sizeof(BellFront));
        } else {
            __builtin_memcpy(&message, from, sizeof message);
        }
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
    const ion::Geometry requests = ion::Geometry::of(open_requests, slot_size<Request>);
    std::byte* const request_ring = make_ring(requests);
    Lane& out = from.lanes_[to.self_.value()];
    Lane& in = to.lanes_[from.self_.value()];
    out.requests_out.emplace(request_ring, requests);
    in.requests_in.emplace(request_ring, requests);
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
        static_cast<uint32_t>(RequestKind::bell), sizeof(BellFront),
        [&](std::byte* payload) { ::new (payload) BellFront{target, channels}; });
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

bool Mailbox::take(CoreId from, AnswerKind& kind, Answer& answer) {
    Lane& lane = lanes_[from.value()];
    if (!take_from(lane.answers_in, kind, answer)) {
        return false;
    }
    lane.open -= closes_request(kind) ? 1 : 0;
    return true;
}

bool Mailbox::take(CoreId from, RequestKind& kind, Request& request) {
    return take_from(lanes_[from.value()].requests_in, kind, request);
}

} // namespace rumpk
