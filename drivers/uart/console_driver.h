// SPDX-License-Identifier: Apache-2.0
//
// The console's driver, whatever its port: moves bytes from the ring "console.out" to the port, and from the
// port to the ring "console.in". A byte is told of, in the ring, right behind the access that gives or takes
// it, with nothing in between that could fault: so whatever fault of its own ends this cell, its next life
// goes on at the very byte.
//
// A port has no say in what is sent; where a ring is impossible, the cell faults, and is begun anew as its
// cell.toml says.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nexus/device.h"
#include "nexus/fiber.h"
#include "nexus/peer.h"
#include "nexus/time.h"

namespace uart {

// What the port is to interrupt for.
struct Wish {
    bool input = false;
    bool room = false;
};

// Port(device); begin(): is it one? It forgets nothing that has arrived. takes_more(): may put() come?
// has_more(): may get()? After want() the line is raised as soon as one of the wishes is so.
template <class Port>
class ConsoleDriver {
  public:
    // ENOENT: the machine has no such port, or the image no such channels; ENODEV: it does not behave like
    // one.
    [[nodiscard]] static nexus::Result<ConsoleDriver> open() {
        const auto device = nexus::Device::open("uart");
        if (!device) {
            return nexus::error(device.error());
        }
        const auto out = nexus::open_receiver<rumpk_console_output>("console.out");
        if (!out) {
            return nexus::error(out.error());
        }
        const auto in = nexus::open_sender<uint8_t>("console.in");
        if (!in) {
            return nexus::error(in.error());
        }
        ConsoleDriver driver(*device, *out, *in);
        return driver.port_.begin() ? nexus::Result<ConsoleDriver>(driver)
                                    : nexus::error(nexus::Errno::nodev);
    }

    [[noreturn]] void serve() {
        for (;;) {
            const Wish wish{.input = take_input(), .room = give_output()};
            port_.want(wish);
            if (device_.interrupted()) {
                device_.go_on(); // what it was for is done, or no longer wished for
            }
            wait(wish);
        }
    }

  private:
    using Output = nexus::ring<rumpk_console_output>::receiver;
    using Input = nexus::ring<uint8_t>::sender;

    ConsoleDriver(const nexus::Device& device, const Output& out, const Input& in)
        : device_(device), port_(device), out_(out), in_(in) {}

    // True: there is output left, and the port has no room.
    bool give_output() {
        for (bool released = false;; released = true) {
            const auto message = out_.end().peek();
            if (!message) {
                fault_unless_empty(message.error());
                ring_if_waiting(out_, released);
                return false;
            }
            if (!give(message->payload)) {
                ring_if_waiting(out_, released);
                return true;
            }
            (void)out_.end().release(); // peeked: cannot fail
        }
    }

    // All of a message; false: some is left. The kernel does not change what it has sent.
    bool give(std::span<const std::byte> payload) {
        constexpr size_t head = offsetof(rumpk_console_output, bytes);
        if (payload.size() < head) {
            __builtin_trap();
        }
        auto& message =
            *const_cast<rumpk_console_output*>(reinterpret_cast<const rumpk_console_output*>(payload.data()));
        const std::atomic_ref given(message.given); // so that each store is made, in its place
        const size_t size = payload.size() - head;
        for (uint32_t at = given.load(std::memory_order_relaxed); at < size; ++at) {
            if (!port_.takes_more()) {
                return false;
            }
            const uint8_t byte = message.bytes[at];
            port_.put(byte);
            given.store(at + 1, std::memory_order_relaxed);
        }
        return true;
    }

    // True: the port has no more now. False: there may be more, and no room for it.
    bool take_input() {
        for (bool published = false;; published = true) {
            const bool more = port_.has_more();
            const auto room = more ? in_.end().claim() : nexus::error(nexus::Errno::again);
            if (!room) {
                fault_unless_empty(room.error());
                ring_if_waiting(in_, published);
                return !more;
            }
            room->payload.front() = static_cast<std::byte>(port_.get());
            (void)in_.end().publish(0, 1); // claimed: cannot fail
        }
    }

    // As when nothing or no room is in a ring that is well.
    static void fault_unless_empty(nexus::Errno error) {
        if (error != nexus::Errno::again) {
            __builtin_trap();
        }
    }

    template <class End>
    static void ring_if_waiting(End& end, bool moved) {
        if (moved && end.end().peer_waiting()) {
            end.end().count_bell();
            (void)nexus::call::yield(0, end.wait_channels(), 0, RUMPK_YIELD_NOWAIT);
        }
    }

    // Until the device interrupts or, as far as it does not, a ring has changed.
    void wait(Wish wish) {
        uint64_t channels = device_.wait_channels();
        bool idle = !device_.interrupted();
        if (!wish.room) {
            out_.end().arm();
            channels |= out_.wait_channels();
            idle = idle && out_.end().empty();
        }
        if (!wish.input) {
            in_.end().arm();
            channels |= in_.wait_channels();
            idle = idle && in_.end().full();
        }
        if (idle) {
            (void)nexus::call::yield(channels, 0, RUMPK_NEVER, 0);
        }
        out_.end().disarm();
        in_.end().disarm();
    }

    nexus::Device device_;
    Port port_;
    Output out_;
    Input in_;
};

} // namespace uart
