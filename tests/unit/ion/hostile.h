// SPDX-License-Identifier: Apache-2.0
//
// A ring whose memory an adversary rewrites before every access of the victim, who is one honest end
// doing arbitrary things. Fed by a generator with a seed (hostile_test.cpp) or by a fuzzer
// (tests/fuzz/ion/ring_fuzz.cpp). What must hold is checked here; what must not be touched is
// AddressSanitizer's to watch.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tests/unit/ion/hooked.h"
#include "tests/unit/ion/shared.h"

namespace ion_test {

#define ION_REQUIRE(what)                                                                                    \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                   \
            std::abort();                                                                                    \
        }                                                                                                    \
    } while (false)

// Where choices come from. A source that is used up gives zeros, and says so.
class Source {
  public:
    virtual uint64_t next(unsigned bytes) = 0;
    virtual bool used_up() = 0;
    uint64_t below(uint64_t limit) { return next(limit > 256 ? 4 : 1) % limit; }

  protected:
    ~Source() = default;
};

// Writes what is likely to hurt to where it is likely to hurt.
class Adversary : public Hook {
  public:
    Adversary(Shared& memory, Source& source) : memory_(memory), source_(source) {}

    void before_access() override {
        ++steps_;
        ION_REQUIRE(steps_ < 8ull * memory_.geometry().slots() + 64); // of one call: it goes round in circles
        for (uint64_t strikes = source_.below(4); strikes > 1; --strikes) {
            strike();
        }
    }

    void new_call(uint64_t near) {
        steps_ = 0;
        near_ = near;
    }
    [[nodiscard]] uint64_t steps() const { return steps_; }

  private:
    uint64_t value() {
        const ion::Geometry geometry = memory_.geometry();
        const uint64_t some = source_.below(2 * geometry.slots() + 2);
        switch (source_.below(8)) {
        case 0:
            return some;
        case 1:
            return near_ + some;
        case 2:
            return near_ - some;
        case 3:
            return geometry.capacity() + some - geometry.slots();
        case 4:
            return ~0ull - some;
        case 5:
            return 1ull << (some % 64);
        case 6:
            return near_ + 1;
        default:
            return source_.next(8);
        }
    }

    void spoil(rumpk_ring_line& line) {
        switch (source_.below(8)) {
        case 0:
            ion::AtomicWords::store(line.closed, static_cast<uint32_t>(value()), std::memory_order_relaxed);
            return;
        case 1:
            ion::AtomicWords::store(line.epoch, static_cast<uint32_t>(value()), std::memory_order_relaxed);
            return;
        case 2:
            ion::AtomicWords::store(line.waiting, static_cast<uint32_t>(value()), std::memory_order_relaxed);
            return;
        case 3: // let it live, or nothing is learned after the first close
            ion::AtomicWords::store(line.closed, uint32_t{RUMPK_RING_OPEN}, std::memory_order_relaxed);
            return;
        case 4:
            ion::AtomicWords::store(line.high_water, static_cast<uint32_t>(value()),
                                    std::memory_order_relaxed);
            return;
        default:
            ion::AtomicWords::store(line.position, value(), std::memory_order_relaxed);
        }
    }

    void strike() {
        const uint64_t kind = source_.below(8);
        if (kind == 0) {
            return spoil(memory_.header().producer);
        }
        if (kind == 1) {
            return spoil(memory_.header().consumer);
        }
        const uint64_t at = near_ + source_.below(memory_.geometry().slots());
        rumpk_slot_header& slot = memory_.slot(at);
        // Mostly what the victim wants to believe: a lie that is not listened to finds nothing.
        const auto what = static_cast<uint32_t>(kind < 6 ? at + 1 : value());
        switch (source_.below(4)) {
        case 0:
            return ion::AtomicWords::store(slot.length, static_cast<uint32_t>(value()),
                                           std::memory_order_relaxed);
        case 1:
            return ion::AtomicWords::store(slot.tag, what, std::memory_order_relaxed);
        default:
            return ion::AtomicWords::store(slot.sequence, what, std::memory_order_relaxed);
        }
    }

    Shared& memory_;
    Source& source_;
    uint64_t steps_ = 0;
    uint64_t near_ = 0;
};

// One honest end and what it may rely on, whatever the ring's memory says.
class Victim {
  public:
    Victim(ion::Geometry geometry, Source& source)
        : memory_(geometry), source_(source), adversary_(memory_, source) {
        HookedWords::hook = &adversary_;
    }
    ~Victim() { HookedWords::hook = nullptr; }

    struct Outcome {
        uint64_t calls = 0;
        uint64_t results = 0; // calls that gave something
        uint64_t broken = 0;  // lies that were noticed
        uint64_t closed = 0;
    };

    template <class Producer>
    Outcome produce(unsigned calls) {
        Producer out(memory_.base(), memory_.geometry());
        while (outcome_.calls < calls && !source_.used_up()) {
            ++outcome_.calls;
            adversary_.new_call(out.position());
            producer_call(out);
            if (note_closed(out.closed())) {
                again(out);
            }
        }
        return outcome_;
    }

    template <class Consumer>
    Outcome consume(unsigned calls) {
        Consumer in(memory_.base(), memory_.geometry());
        while (outcome_.calls < calls && !source_.used_up()) {
            ++outcome_.calls;
            adversary_.new_call(in.position());
            consumer_call(in);
            if (note_closed(in.closed())) {
                again(in);
            }
        }
        return outcome_;
    }

  private:
    // The whole payload lies in the ring, behind a slot's header; touching it is fine.
    void inside(const std::byte* data, uint64_t size) {
        const ion::Geometry geometry = memory_.geometry();
        const auto offset = static_cast<uint64_t>(data - memory_.bytes().data());
        ION_REQUIRE(size <= geometry.capacity());
        ION_REQUIRE(offset >= RUMPK_RING_HEADER_SIZE + RUMPK_SLOT_HEADER_SIZE);
        ION_REQUIRE((offset - RUMPK_RING_HEADER_SIZE) % geometry.slot_size() == RUMPK_SLOT_HEADER_SIZE);
        ION_REQUIRE(offset + size <= geometry.bytes());
        outcome_.results += 1;
    }
    void touch(std::span<std::byte> payload) {
        inside(payload.data(), payload.size());
        std::memset(payload.data(), 0x5a, payload.size());
    }
    void touch(std::span<const std::byte> payload) {
        inside(payload.data(), payload.size());
        for (const std::byte b : payload) {
            sum_ += static_cast<unsigned>(b);
        }
    }

    bool note_closed(ion::Close reason) {
        outcome_.broken += reason == ion::Close::broken;
        outcome_.closed += reason == ion::Close::closed;
        return reason != ion::Close::open;
    }

    // A closed end stays closed. Then the service makes the ring anew, or a successor takes it up.
    template <class End>
    void again(End& end) {
        const bool broken = end.closed() == ion::Close::broken;
        for (int i = 0; i < 3; ++i) {
            adversary_.new_call(end.position());
            const ion::Errno now = look(end);
            ION_REQUIRE(now == (broken ? ion::Errno::io : ion::Errno::pipe));
        }
        ION_REQUIRE(ion::format(memory_.bytes(), memory_.geometry()));
        end = End(memory_.base(), memory_.geometry());
    }
    template <class End>
    static ion::Errno look(End& end) {
        if constexpr (requires { end.claim(); }) {
            const auto got = end.claim();
            return got ? ion::Errno{0} : got.error();
        } else {
            const auto got = end.peek();
            return got ? ion::Errno{0} : got.error();
        }
    }

    template <class T>
    void expect_error(const ion::Result<T>& result) {
        const ion::Errno e = result.error();
        ION_REQUIRE(e == ion::Errno::again || e == ion::Errno::pipe || e == ion::Errno::io);
    }

    template <class End>
    void common_call(End& end) {
        switch (source_.below(6)) {
        case 0:
            end.arm();
            return;
        case 1:
            end.disarm();
            return;
        case 2:
            sum_ += end.peer_waiting();
            return;
        case 3:
            end.count_wait();
            end.count_bell();
            return;
        case 4:
            if (source_.below(16) == 0) {
                end.close();
            }
            return;
        default:
            take_up(end);
        }
    }

    template <class End>
    void take_up(End& end) {
        auto next = End::resume(memory_.base(), memory_.geometry());
        if (next) {
            end = *next;
            return;
        }
        ION_REQUIRE(next.error() == ion::Errno::pipe || next.error() == ion::Errno::io);
        outcome_.broken += next.error() == ion::Errno::io;
        ION_REQUIRE(ion::format(memory_.bytes(), memory_.geometry()));
        end = End(memory_.base(), memory_.geometry());
    }

    template <class Producer>
    void producer_call(Producer& out);
    template <class Consumer>
    void consumer_call(Consumer& in);

    Shared memory_;
    Source& source_;
    Adversary adversary_;
    Outcome outcome_;
    unsigned sum_ = 0;
};

template <class Producer>
void Victim::producer_call(Producer& out) {
    const uint32_t slots = memory_.geometry().slots();
    const auto many = static_cast<uint32_t>(1 + source_.below(2 * slots));
    const uint64_t before = out.position();
    switch (source_.below(8)) {
    case 6:
    case 7: {
        const uint32_t capacity = memory_.geometry().capacity();
        const uint64_t length = source_.below(capacity + 2);
        const auto sent =
            out.produce(7, length, [&](std::byte* payload) { touch(std::span(payload, capacity)); });
        ION_REQUIRE(adversary_.steps() <= 16);
        if (length > capacity) {
            ION_REQUIRE(!sent && sent.error() == ion::Errno::inval && out.position() == before);
            return;
        }
        ION_REQUIRE(out.position() == before + sent.has_value());
        return sent ? void() : expect_error(sent);
    }
    case 0:
    case 1: {
        auto slot = out.claim();
        ION_REQUIRE(adversary_.steps() <= 8);
        if (!slot) {
            return expect_error(slot);
        }
        touch(slot->payload);
        const bool published = out.publish(7, slot->payload.size()).has_value();
        ION_REQUIRE(published && out.position() == before + 1);
        return;
    }
    case 2:
    case 3: {
        auto batch = source_.below(2) == 0 ? out.claim(many) : out.claim_run(many);
        ION_REQUIRE(adversary_.steps() <= 8);
        if (!batch) {
            return expect_error(batch);
        }
        ION_REQUIRE(batch->size() >= 1 && batch->size() <= many && batch->size() <= slots);
        for (uint32_t i = 0; i < batch->size(); ++i) {
            touch((*batch)[i]);
            ION_REQUIRE(batch->describe(i, i, i % 16));
        }
        ION_REQUIRE(out.commit(batch->size()) && out.position() == before + batch->size());
        return;
    }
    case 4:
        ION_REQUIRE(out.free() <= slots && out.position() == before);
        ION_REQUIRE(!out.commit(slots + many));
        return;
    default:
        common_call(out);
    }
}

template <class Consumer>
void Victim::consumer_call(Consumer& in) {
    const uint32_t slots = memory_.geometry().slots();
    const auto many = static_cast<uint32_t>(1 + source_.below(2 * slots));
    const uint64_t before = in.position();
    switch (source_.below(7)) {
    case 5:
    case 6: {
        const bool close = source_.below(32) == 0;
        const auto look = [&](std::span<const std::byte> payload) {
            touch(payload);
            if (close) {
                in.close();
            }
        };
        const auto got = many % 2 == 0
                             ? in.consume(look)
                             : in.consume([&](const ion::Message& message) { look(message.payload); });
        ION_REQUIRE(adversary_.steps() <= 16);
        ION_REQUIRE(in.position() == before + got.has_value());
        return got ? void() : expect_error(got);
    }
    case 0:
    case 1: {
        auto message = in.peek();
        ION_REQUIRE(adversary_.steps() <= 8);
        if (!message) {
            return expect_error(message);
        }
        touch(message->payload);
        ION_REQUIRE(in.release() && in.position() == before + 1);
        return;
    }
    case 2:
    case 3: {
        auto batch = in.peek(many);
        ION_REQUIRE(adversary_.steps() <= 8 + 2ull * (many < slots ? many : slots));
        if (!batch) {
            return expect_error(batch);
        }
        ION_REQUIRE(batch->size() >= 1 && batch->size() <= many && batch->size() <= slots);
        for (const ion::Message message : *batch) {
            touch(message.payload);
        }
        ION_REQUIRE(in.release(batch->size()) && in.position() == before + batch->size());
        ION_REQUIRE(!in.release(slots + 1));
        return;
    }
    default:
        common_call(in);
    }
}

} // namespace ion_test
