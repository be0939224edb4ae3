// SPDX-License-Identifier: Apache-2.0
#include "core/console.h"

#include <algorithm>

#include "abi/console.h"
#include "core/cell.h"
#include "core/fiber_start.h"
#include "core/log.h"
#include "core/remote.h"
#include "core/scheduler.h"
#include "core/trace.h"
#include "ion/renew.h"

namespace rumpk {

namespace {

Console the_console;

const uint8_t* raw(const std::byte* bytes) {
    return reinterpret_cast<const uint8_t*>(bytes);
}

} // namespace

Console& console() {
    return the_console;
}

void Console::prepare(bool framed) {
    const bool stream = machine().boot->console_channels == 0;
    encoder_.use_framing(framed && stream);
    decoder_.use_framing(framed && stream);
}

void Console::attach(Fiber& fiber, Cell& cell) {
    fiber_ = &fiber;
    cell_ = &cell;
    rx_.emplace(cell.reached(cell.boot_ring(RUMPK_RING_RX)).pointer(), Cell::rx_geometry());
    tx_.emplace(cell.reached(cell.boot_ring(RUMPK_RING_TX)).pointer(), Cell::tx_geometry());
}

// What waits in pending_ goes first, or the line would change its channel in the middle of a message, or
// worse, of a frame. Whoever is unmasked stays so between two pieces.
size_t Console::put(hal_console_channel channel, std::span<const std::byte> bytes) {
    if (channel == HAL_CONSOLE_TELEMETRY) {
        if (machine().boot->console_channels == 0 && !encoder_.framed()) {
            return bytes.size(); // a person reads
        }
        // A message that is under way is not to be cut. Masked: traces are sent at the very end.
        const auto rest = std::exchange(told_, {});
        if (!rest.empty()) {
            (void)put(channel, rest.subspan(std::exchange(sent_, 0)));
        }
    }
    const size_t all = bytes.size();
    do {
        const InterruptsMasked masked;
        if (!port_.has_room()) {
            break; // before anything is encoded: what is, is sent
        }
        if (pending_at_ != pending_end_) {
            port_.put(pending_channel_, pending_ + pending_at_, pending_end_ - pending_at_);
            pending_at_ = pending_end_ = 0;
        }
        std::byte line[chunk];
        const auto [taken, written] = encoder_.encode(channel, bytes, line);
        port_.put(channel, line, written);
        bytes = bytes.subspan(taken);
    } while (!bytes.empty());
    return all - bytes.size();
}

void Console::begin_panic() {
    port_.take_back();
    (void)put(HAL_CONSOLE_KERNEL, std::span<const std::byte>());
    std::byte frame[3];
    const size_t length = encoder_.panic_frame(frame);
    machine().console_put(HAL_CONSOLE_KERNEL, raw(frame), length);
}

void Console::put_exit(uint8_t code) {
    std::byte frame[3];
    const size_t length = encoder_.exit_frame(code, frame);
    machine().console_put(HAL_CONSOLE_KERNEL, raw(frame), length);
    machine().console_flush();
}

Result<size_t> Console::read_directly(std::span<std::byte> buffer) {
    if (input_open_) {
        return error(Errno::busy);
    }
    if (!input_wanted_ || decoder_.ended()) {
        input_wanted_ = true;
        bell(); // the driver has to say so, or to listen again
    }
    if (decoder_.ended()) {
        return 0;
    }
    const int64_t got = port_.read(buffer.data(), buffer.size());
    if (got < 0) {
        decoder_.end();
        return 0;
    }
    const size_t kept = decoder_.decode(buffer.first(static_cast<size_t>(got)));
    if (kept == 0 && !decoder_.ended()) {
        return error(Errno::again);
    }
    return kept;
}

void Console::open_input() {
    if (!input_open_) {
        input_open_ = input_wanted_ = true;
        bell();
    }
}

void Console::bell() {
    this_scheduler().ring(*fiber_, cell_bit);
}

void Console::device_event() {
    this_scheduler().ring(*fiber_, device_bit);
}

void Console::finish(uint8_t code) {
    finishing_ = true;
    exit_code_ = code;
    bell();
}

// The device's line stays quiet from its interrupt until device_done, so all
// that made it interrupt is dealt with in between, at the fiber's tier. Both
// pumps end armed: with the device's interrupt on for what they wait for, or
// with the ring's wish for a bell set. What comes between the last look and the
// wait is latched on the fiber, so the wait returns at once.
void Console::run() {
    uint64_t woken = 0;
    for (;;) {
        if (!pump_input()) {
            quiet_input();
        }
        take_requests();
        // Asked before the last look at tx: whoever comes in between may publish, and then ask.
        const bool finishes = finishing_;
        const bool renews = parts::restart && renewed_for_ != nullptr;
        if (!pump_output()) {
            const bool told = say_lost();
            if (finishes && settled()) {
                end();
            }
            if (renews) {
                begin_rings_anew();
                continue;
            }
            quiet_output();
            if (!told && settled()) {
                continue; // there is room now; else it is rung for
            }
        }
        const InterruptsMasked masked;
        if ((woken & device_bit) != 0) {
            port_.done();
        }
        const Instant limit = patience();
        woken = this_scheduler().wait(device_bit | cell_bit, limit);
        if (parts::views && (driver_lost_ || (woken == 0 && limit != Instant::never()))) {
            port_.take_back();
        }
    }
}

bool Console::settled() {
    const InterruptsMasked masked;
    return port_.settled();
}

// While the machine ends there is nobody who would restart a driver that hangs. Above it, or a deadline might
// not be looked at.
Instant Console::patience() {
    constexpr Nanoseconds as_long{1'000'000'000};
    if (!parts::views || !finishing_ || !port_.driven()) {
        return Instant::never();
    }
    if (fiber_->tier != Tier::photon) {
        this_scheduler().go_on_in(Tier::photon);
    }
    return Instant{machine().now()} + as_long;
}

// Between two messages, so that nothing is cut. False: there is no room for that, either.
bool Console::say_lost() {
    constexpr uint32_t pieces = 8; // of the line, a chunk each, and what is pending
    if (!parts::views || lost_ == 0) {
        return true;
    }
    if (!port_.has_room_for_line(pieces)) {
        return false;
    }
    const uint64_t lost = std::exchange(lost_, 0);
    print("%lu bytes of the kernel's own were lost: the console's driver had no room", lost);
    lost_ += lost_ != 0 ? lost : 0; // another line came in between, and took its room
    return true;
}

void Console::renew_rings(Fiber& asker, uint64_t bell) {
    renewed_for_ = &asker;
    renewed_bell_ = bell;
    this->bell();
}

// Nobody is at the cell's ends. Of rx the slot that is being filled stays the next one, and nothing that the
// cell wrote is believed: if it lied about what it has released, that is all. All of tx is out.
void Console::begin_rings_anew() {
    const auto memory = [this](rumpk_boot_ring which) {
        const AddressRange ring = cell_->reached(cell_->boot_ring(which));
        return std::span(static_cast<std::byte*>(ring.pointer()), ring.size);
    };
    const uint32_t room = rx_->free(); // a fresh look
    const bool honest = rx_->closed() == ion::Close::open && rx_->peer_closed() == ion::Close::open;
    const uint32_t unread = honest ? Cell::rx_geometry().slots() - room : 0;
    const std::span<std::byte> rx = memory(RUMPK_RING_RX);
    ion::renew(rx, Cell::rx_geometry(), rx_->position() - unread, unread);
    rx_.emplace(*ion::Producer::resume(rx.data(), Cell::rx_geometry()));
    if (unread == 0) {
        end_published_ = false; // who comes is told again
        input_open_ = filled_ != 0;
    }
    const std::span<std::byte> tx = memory(RUMPK_RING_TX);
    ensure(ion::format(tx, Cell::tx_geometry()).has_value());
    tx_.emplace(tx.data(), Cell::tx_geometry());
    sent_ = 0;
    const InterruptsMasked masked;
    this_scheduler().ring(*std::exchange(renewed_for_, nullptr), renewed_bell_);
}

void Console::ring_cell(uint64_t channels) {
    const InterruptsMasked masked;
    cell_->console_bell(channels);
}

// A slot to fill is claimed, or rx is armed and there is none.
bool Console::claim_or_arm() {
    if (rx_->claim()) {
        rx_->disarm();
        return true;
    }
    rx_->arm(); // and look again: the cell may have released and seen nobody waiting
    if (rx_->claim()) {
        rx_->disarm();
        return true;
    }
    rx_->count_wait();
    return false;
}

// Only the device's part is masked: slot and decoder are the driver's own.
void Console::fill_slot(std::span<std::byte> slot, bool& drained) {
    std::byte* const at = slot.data() + filled_;
    const size_t room = std::min(slot.size() - filled_, chunk);
    int64_t got = 0;
    {
        const InterruptsMasked masked;
        got = port_.read(at, room);
    }
    if (got < 0) {
        decoder_.end();
    } else {
        filled_ += decoder_.decode({at, static_cast<size_t>(got)});
    }
    // Only a read that came up short leaves the device's interrupt on.
    drained = got < static_cast<int64_t>(room);
}

// Nobody can take input now: its interrupt would come again and again. A read of
// nothing is a read that took all it asked for.
void Console::quiet_input() {
    const InterruptsMasked masked;
    (void)port_.read(nullptr, 0);
}

// Nothing waits for room any more. What had to wait may have gone out with a line of
// the kernel's, by polling, and then nobody has told the device: its interrupt would
// come again and again, and this fiber be all that runs.
void Console::quiet_output() {
    const InterruptsMasked masked;
    (void)port_.write(pending_channel_, nullptr, 0);
}

bool Console::publish_input() {
    const bool published = filled_ > 0 ? rx_->publish(RUMPK_RX_DATA, filled_).has_value()
                                       : rx_->publish(RUMPK_RX_END, 0).has_value();
    if (published && filled_ == 0) {
        end_published_ = true;
    }
    filled_ = 0;
    if (rx_->peer_waiting()) {
        rx_->count_bell();
        ring_cell(RUMPK_CHANNEL_RX);
    }
    return published;
}

// Moves what has arrived into rx. True: the device is drained and its interrupt
// is on. False: there is no room, or nothing more to come. Bounded: rx fills up,
// as the cell runs meanwhile only if it asked to be woken.
bool Console::pump_input() {
    if (finishing_) {
        return false;
    }
    if (!input_wanted_ || decoder_.ended()) {
        if (!input_open_ || end_published_) {
            return listen();
        }
    } else if (!input_open_) {
        return false; // read(0) looks for itself
    }
    while (!end_published_ && rx_->closed() == ion::Close::open && claim_or_arm()) {
        const std::span<std::byte> slot = rx_->claim()->payload;
        bool drained = false;
        while (filled_ < slot.size() && !drained && !decoder_.ended()) {
            fill_slot(slot, drained);
        }
        if ((filled_ > 0 || decoder_.ended()) && !publish_input()) {
            return false;
        }
        if (drained && !decoder_.ended()) {
            return true;
        }
    }
    return end_published_ && listen();
}

// Nobody takes input now, but somebody may ask: data is dropped, which nobody sends
// before it is wanted or after its end. As pump_input. Bounded: whoever sends more
// than the device holds at once has the time that he takes.
bool Console::listen() {
    if (!decoder_.framed()) {
        return false;
    }
    constexpr size_t few = chunk / 2; // they are decoded masked as well, and that takes as long again
    std::byte dropped[few];
    size_t got = few;
    while (got == few) {
        const InterruptsMasked masked;
        const int64_t came = port_.read(dropped, few);
        if (came < 0) {
            return false; // nor can anybody ask any more
        }
        got = static_cast<size_t>(came);
        (void)decoder_.decode({dropped, got});
    }
    return true;
}

void Console::take_requests() {
    const InterruptsMasked masked;
    Requests asked = decoder_.take_requests();
    while (const uint32_t letter = machine().console_request()) {
        asked.add(letter);
    }
    if (asked.has(RUMPK_REQUEST_REPORT) && told_.empty()) {
        count_time_everywhere(this_scheduler());
        report_.begin(false);
    }
    if (asked.has(RUMPK_REQUEST_STOP)) {
        machine_end_of(*cell_, 0); // whoever asked knows why
    }
}

// Gives the device what is pending. False: it took less; its interrupt is on.
bool Console::flush_pending() {
    while (pending_at_ != pending_end_) {
        const InterruptsMasked masked;
        const int64_t took =
            port_.write(pending_channel_, pending_ + pending_at_, pending_end_ - pending_at_);
        pending_at_ += static_cast<size_t>(took);
        if (pending_at_ != pending_end_) {
            return false;
        }
    }
    return true;
}

// Sends the rest of the message at the head of tx. False: the device is full.
bool Console::send(hal_console_channel channel, std::span<const std::byte> bytes) {
    while (flush_pending()) {
        if (sent_ >= bytes.size()) {
            return true;
        }
        // A private copy: the cell may change the message while it is being encoded.
        std::byte copy[chunk];
        const size_t length = std::min(bytes.size() - sent_, chunk);
        std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(sent_), length, copy);
        // A kernel line that an interrupt prints goes through the same encoder, and behind what is pending.
        const InterruptsMasked masked;
        const auto [taken, written] = encoder_.encode(channel, {copy, length}, pending_);
        sent_ += taken;
        pending_at_ = 0;
        pending_end_ = written;
        pending_channel_ = channel;
    }
    return false;
}

// False: the device is full.
bool Console::say_wanted() {
    if (!flush_pending()) {
        return false; // of an earlier message, or of this one
    }
    if (wanted_said_ || !input_wanted_) {
        return true;
    }
    {
        // A kernel line that an interrupt prints puts out what is pending: all of this or nothing.
        const InterruptsMasked masked;
        pending_at_ = 0;
        pending_end_ = encoder_.input_frame(pending_);
        pending_channel_ = HAL_CONSOLE_KERNEL;
    }
    wanted_said_ = true;
    return flush_pending();
}

// Sends the rest of a report. False: the device is full.
bool Console::pump_report() {
    for (;;) {
        if (told_.empty()) {
            told_ = report_.next();
            if (told_.empty()) {
                return true;
            }
        }
        if (!send(HAL_CONSOLE_TELEMETRY, told_)) {
            return false;
        }
        sent_ = 0;
        told_ = {};
    }
}

// Moves what tx holds to the device, and reports in between. Returns true while output remains.
bool Console::pump_output() {
    for (;;) {
        const bool between = sent_ == 0 || !told_.empty(); // not in the middle of tx's message
        if (between && !(say_wanted() && pump_report())) {
            return true;
        }
        auto message = tx_->peek();
        if (!message) {
            if (message.error() != Errno::again) {
                return false; // closed or broken: there is no more to send
            }
            tx_->arm(); // and look again, as in claim_or_arm
            message = tx_->peek();
            if (!message) {
                return false;
            }
        }
        tx_->disarm();
        if (message->tag != RUMPK_TX_STDOUT && message->tag != RUMPK_TX_STDERR) {
            tx_->close(ion::Close::broken);
            return false;
        }
        const auto channel = message->tag == RUMPK_TX_STDOUT ? HAL_CONSOLE_STDOUT : HAL_CONSOLE_STDERR;
        if (!send(channel, message->payload)) {
            return true;
        }
        sent_ = 0;
        (void)tx_->release();
        if (tx_->peer_waiting()) {
            tx_->count_bell();
            ring_cell(RUMPK_CHANNEL_TX);
        }
    }
}

void Console::end() {
    send_traces();
    // Nobody prints behind the last frame: a budget may be used up just now.
    (void)machine().interrupts_mask();
    put_exit(exit_code_);
    machine().power_off(exit_code_);
    __builtin_unreachable();
}

} // namespace rumpk
