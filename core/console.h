// SPDX-License-Identifier: Apache-2.0
// The console driver: a fiber of the kernel that moves bytes between the console
// device and the boot rings rx and tx of the cell, in both directions, with
// back-pressure: a full rx ring leaves the bytes in the device, a full device
// leaves the messages in the tx ring. Nothing is ever dropped.
//
// On a machine whose console is one byte stream it speaks the framing of
// abi/console.h when the boot option says so.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "core/console_port.h"
#include "core/fiber.h"
#include "core/framing.h"
#include "core/report.h"
#include "core/result.h"
#include "ion/consumer.h"
#include "ion/producer.h"

namespace rumpk {

class Cell;

class Console {
  public:
    // Before anything is printed. framed: as the boot option says; ignored where
    // the device carries channels.
    void prepare(bool framed);

    // The fiber's body; never returns. `attach` comes first.
    [[noreturn]] void run();
    void attach(Fiber& fiber, Cell& cell);

    [[nodiscard]] bool attached() const { return fiber_ != nullptr; }
    [[nodiscard]] Fiber& fiber() { return *fiber_; }

    // Where the bytes go.
    [[nodiscard]] ConsolePort& port() { return port_; }

    // Any context. Prints at once, polling, behind what was already on its way to the device. Where that is a
    // driver's, into the ring to it: how much of it found room.
    size_t put(hal_console_channel channel, std::span<const std::byte> bytes);
    // The kernel's own; what finds no room is lost, and counted.
    void put(hal_console_channel channel, std::string_view text) {
        const size_t taken = put(channel, std::as_bytes(std::span(text)));
        if (parts::views) {
            lost_ += text.size() - taken;
        }
    }
    // The first line of a panic: makes the line fit for text in any state.
    void begin_panic();
    // The last frame. The machine ends after it.
    void put_exit(uint8_t code);

    // Masked. read(0): bytes that arrived and that the rx ring has not seen. EAGAIN:
    // none. EBUSY: the cell reads its rx ring, all further input goes there. 0: the end.
    [[nodiscard]] Result<size_t> read_directly(std::span<std::byte> buffer);

    // Masked. The cell wants its input over the rx ring from now on. The first time it waits for it.
    void open_input();
    [[nodiscard]] bool input_open() const { return input_open_; }
    // Masked. A bell from the cell: it released from rx or published to tx.
    void bell();
    // Masked. The device's interrupt.
    void device_event();
    // Masked. When all of tx is out, the machine ends with this code.
    void finish(uint8_t code);
    [[nodiscard]] bool finishing() const { return finishing_; }
    // Masked. The driver is dead for good, or the machine ends without it.
    void lose_driver() {
        driver_lost_ = true;
        bell();
    }
    // Masked. The cell begins anew: its boot rings do, too. What it had not released of rx comes again, and
    // what it had published to tx goes out. `asker` is rung when that is done.
    void renew_rings(Fiber& asker, uint64_t bell);

  private:
    enum : uint64_t { device_bit = 1, cell_bit = 2 };
    static constexpr size_t chunk = 16; // bytes moved with interrupts masked

    void begin_rings_anew();
    [[nodiscard]] bool say_lost();
    [[nodiscard]] bool settled();
    [[nodiscard]] Instant patience();
    bool pump_input();
    bool listen();
    void take_requests();
    bool say_wanted();
    bool pump_report();
    bool pump_output();
    bool send(hal_console_channel channel, std::span<const std::byte> bytes);
    bool flush_pending();
    void fill_slot(std::span<std::byte> slot, bool& drained);
    void quiet_input();
    void quiet_output();
    bool publish_input();
    bool claim_or_arm();
    void ring_cell(uint64_t channels);
    [[noreturn]] void end();

    Fiber* fiber_ = nullptr;
    Cell* cell_ = nullptr;
    std::optional<ion::Producer> rx_;
    std::optional<ion::Consumer> tx_;

    ConsolePort port_;
    bool driver_lost_ = false;
    uint64_t lost_ = 0; // bytes of the kernel's own that had no room

    LineEncoder encoder_;
    LineDecoder decoder_;

    // Input: bytes already in the claimed slot.
    size_t filled_ = 0;
    bool input_open_ = false;   // the cell reads its rx ring
    bool input_wanted_ = false; // it reads, there or with read(0)
    bool wanted_said_ = false;
    bool end_published_ = false;

    // What was asked for by somebody outside.
    Report report_;
    std::span<const std::byte> told_; // the report's message under way; empty: none

    // Output: bytes of the peeked message, or of told_, already encoded; encoded bytes not yet taken by the
    // device.
    size_t sent_ = 0;
    std::byte pending_[chunk]{};
    size_t pending_at_ = 0;
    size_t pending_end_ = 0;
    hal_console_channel pending_channel_{};

    bool finishing_ = false;
    uint8_t exit_code_ = 0;

    // Who waits for the rings' renewal; nullptr: nobody.
    Fiber* renewed_for_ = nullptr;
    uint64_t renewed_bell_ = 0;
};

[[nodiscard]] Console& console();

} // namespace rumpk
