// SPDX-License-Identifier: Apache-2.0
// Where the console's bytes go to and come from: the HAL's device; or, once boot is over and if the image has
// one (parts::views), the rings of a driver that is a cell; or, when that is gone for good or everything
// ends, the HAL's device again, by polling. docs/decisions/drivers.md, "The console's driver".
//
// Slots of the ring to the driver are of two kinds: all of them are for what cannot wait, the kernel's own
// lines; what can, only goes as far as half. So a line has room even where output waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/machine.h"
#include "core/parts.h"

namespace rumpk {

class Cell;
struct Channel;
struct Fiber;

class ConsolePort {
  public:
    // Boot only: one of the channels with the driver. Nothing goes there yet.
    void connect(Channel& channel);
    // Boot's last deed, before any fiber runs: from now on the device is the driver's, if there is one.
    void hand_over() {
        if (parts::views && out_ != nullptr) {
            state_ = State::driven;
        }
    }

    // Does a driver have the device?
    [[nodiscard]] bool driven() const { return parts::views && state_ == State::driven; }
    [[nodiscard]] bool driven_by(const Cell& cell) const { return driven() && driver() == &cell; }
    // Who drives, while the machine ends: its first fiber. nullptr: nobody, or the driver is dead.
    [[nodiscard]] Fiber* last_driver() const;

    // All masked. As console_read, console_write and device_done of the HAL's table.
    [[nodiscard]] int64_t read(std::byte* buffer, size_t size) {
        return parts::views && state_ != State::device ? receive(buffer, size)
                                                       : machine().console_read(raw(buffer), size);
    }
    [[nodiscard]] int64_t write(hal_console_channel channel, const std::byte* bytes, size_t size) {
        return parts::views && state_ != State::device ? send(channel, bytes, size)
                                                       : machine().console_write(channel, raw(bytes), size);
    }
    void done() {
        if (!parts::views || state_ == State::device) {
            machine().device_done(machine().boot->console_line);
        }
    }
    // Any context. What cannot wait; there is room, so put() cannot fail, for two pieces of a message.
    [[nodiscard]] bool has_room() const { return !driven() || room_for(2); }
    // The same for a line of so many messages; or all the room that there ever is.
    [[nodiscard]] bool has_room_for_line(uint32_t messages) const { return !driven() || room_for(messages); }
    void put(hal_console_channel channel, const std::byte* bytes, size_t size) {
        if (driven()) {
            push(bytes, size);
        } else {
            machine().console_put(channel, raw(bytes), size);
        }
    }

    // Masked. Has the device all that was sent? Who sent it is rung when it may be so.
    [[nodiscard]] bool settled() { return !driven() || ring_is_empty(); }
    // Any context. The driver is dead, and will not come back: what it had not given to the device is given
    // to it now, by polling, and so is all that follows. Input has ended.
    void take_back() {
        if (driven()) {
            poll_from_now_on();
        }
    }

  private:
    enum class State : uint8_t { device, driven, polled };

    // Whole messages, of so many bytes.
    static constexpr size_t most = 28;

    static uint8_t* raw(std::byte* bytes) { return reinterpret_cast<uint8_t*>(bytes); }
    static const uint8_t* raw(const std::byte* bytes) { return reinterpret_cast<const uint8_t*>(bytes); }

    [[nodiscard]] const Cell* driver() const;
    [[nodiscard]] int64_t receive(std::byte* buffer, size_t size);
    [[nodiscard]] int64_t send(hal_console_channel channel, const std::byte* bytes, size_t size);
    [[nodiscard]] bool room_for(uint32_t messages) const;
    [[nodiscard]] bool ring_is_empty();
    void push(const std::byte* bytes, size_t size);
    void poll_from_now_on();

    State state_ = State::device;
    Channel* out_ = nullptr;
    Channel* in_ = nullptr;
};

} // namespace rumpk
