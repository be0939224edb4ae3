// SPDX-License-Identifier: Apache-2.0
#include "core/console_port.h"

#include <algorithm>

#include "core/cell.h"
#include "core/channels.h"

namespace rumpk {

// As the image says them, in any order.
void ConsolePort::connect(Channel& channel) {
    (channel.ends[0].cell == nullptr ? out_ : in_) = &channel;
}

const Cell* ConsolePort::driver() const {
    return in_->ends[0].cell;
}

Fiber* ConsolePort::last_driver() const {
    if (!driven()) {
        return nullptr;
    }
    Cell& cell = *in_->ends[0].cell;
    return cell.live_fibers() != 0 && !cell.stopping() ? &cell.first_fiber() : nullptr;
}

// What is not one byte is no message of a driver's.
int64_t ConsolePort::receive(std::byte* buffer, size_t size) {
    if (state_ == State::polled) {
        return -RUMPK_EPIPE;
    }
    if (!in_->receives) {
        return 0; // the driver is given a new life
    }
    ion::Consumer& end = *in_->receives;
    size_t got = 0;
    while (got < size) {
        const auto message = end.peek();
        if (!message) {
            break;
        }
        if (message->payload.size() != 1) {
            end.close(ion::Close::broken);
            break;
        }
        buffer[got++] = message->payload.front();
        (void)end.release(); // peeked: cannot fail
    }
    if (got < size) {
        end.arm();
    } else {
        end.disarm();
    }
    if (end.peer_waiting()) {
        ring_cell_of(*in_);
    }
    return static_cast<int64_t>(got);
}

int64_t ConsolePort::send(hal_console_channel channel, const std::byte* bytes, size_t size) {
    if (state_ == State::polled) {
        machine().console_put(channel, raw(bytes), size);
        return static_cast<int64_t>(size);
    }
    if (!out_->sends) {
        return 0; // as above
    }
    ion::Producer& end = *out_->sends;
    size_t sent = 0;
    while (sent < size && end.free() > end.geometry().slots() / 2) {
        const size_t length = std::min(size - sent, most);
        push(bytes + sent, length);
        sent += length;
    }
    if (sent < size) {
        end.arm();
    } else {
        end.disarm();
    }
    return static_cast<int64_t>(sent);
}

bool ConsolePort::room_for(uint32_t messages) const {
    return out_->sends && out_->sends->free() >= std::min(messages, out_->sends->geometry().slots());
}

void ConsolePort::push(const std::byte* bytes, size_t size) {
    rumpk_console_output message{};
    __builtin_memcpy(message.bytes, bytes, size);
    const auto whole =
        std::as_bytes(std::span(&message, 1)).first(offsetof(rumpk_console_output, bytes) + size);
    if (out_->sends->push(0, whole) && out_->sends->peer_waiting()) {
        ring_cell_of(*out_);
    }
}

bool ConsolePort::ring_is_empty() {
    if (!out_->sends) {
        return false;
    }
    ion::Producer& end = *out_->sends;
    end.arm();
    return end.free() == end.geometry().slots();
}

void ConsolePort::poll_from_now_on() {
    state_ = State::polled;
    auto end = end_of_the_dead(*out_);
    while (const auto message =
               end ? end->peek() : ion::Result<ion::Message>(ion::error(ion::Errno::again))) {
        constexpr size_t head = offsetof(rumpk_console_output, bytes);
        rumpk_console_output
            copy{}; // the driver cannot change it any more; what it has written may be anything
        __builtin_memcpy(&copy, message->payload.data(), message->payload.size());
        const size_t length = std::max(message->payload.size(), head) - head;
        const size_t given = std::min<size_t>(copy.given, length);
        machine().console_put(HAL_CONSOLE_KERNEL, copy.bytes + given, length - given);
        (void)end->release();
    }
}

} // namespace rumpk
