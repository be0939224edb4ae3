// SPDX-License-Identifier: Apache-2.0
// Channels between cells (parts::views): a ring that boot sets up in memory that only both ends' views show.
// The kernel does not touch it again while both live: it knows who waits at each end, and passes on bells.
//
// All of it belongs to the core that boots: cells beside others run nowhere else. Masked but for boot.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "core/boot_table.h"
#include "core/cell.h"
#include "core/scheduler.h"
#include "ion/ring.h"

namespace rumpk {

// One end, in a capability slot of its cell, whose object is the end's number: they stand apart from all else
// that a channel has, two by two, so that a bell finds both at once.
struct ChannelEnd {
    Cell* cell = nullptr; // nullptr: the end is the kernel's own
    uint32_t slot = 0;
    Fiber* waiter = nullptr; // who is rung; one at a time
    bool rung = false;       // while nobody waited
};

struct Channel {
    std::string_view name; // in the boot table
    rumpk_ring_descriptor ring{};
    PhysAddr memory{};
    ChannelEnd* ends = nullptr; // two of them: 0 sends, 1 receives
    // The kernel's own end, if it has one: of a device's interrupts, of entropy, of the console. Neither
    // while the cell at the other is given a new life, but for the console's as long as nobody has spoilt
    // them.
    std::optional<ion::Producer> sends;
    std::optional<ion::Consumer> receives;
    void (*heard)(Channel&) = nullptr; // the kernel's end is rung
    bool keeps = false;                // what is under way, when the cell's end dies
};

// Boot only: the cells are there, nothing of them runs. What cannot be done ends the boot with a line.
void prepare_channels(const BootTable& table);

// So many bytes of the cell's window, where its channels and devices are. Whole pages, nothing mapped.
[[nodiscard]] VirtAddr take_channel_room(const Cell& cell, uint64_t size);
// The same with memory behind it, zeroed, which the cell may read and write.
struct MappedRoom {
    VirtAddr place; // as the cell has it
    PhysAddr memory;
};
[[nodiscard]] MappedRoom take_mapped_room(const Cell& cell, uint64_t size);
// One on which the kernel sends a device's interrupts to the cell, in that cell's window.
[[nodiscard]] Channel& make_device_channel(std::string_view name, Cell& cell, ion::Geometry geometry);

// The cell's next free slot, for something of that name. None ends the boot with a line.
[[nodiscard]] uint32_t take_slot(const Cell& cell, std::string_view name);

// Is that one of the two of the console's driver?
[[nodiscard]] bool is_consoles(const Cell& cell, uint32_t slot);
// Of a cell's slot; nullptr: it holds no channel.
[[nodiscard]] const Channel* channel_at(const Cell& cell, uint32_t slot);

// The other ends of these channels, slots of the cell that hold some, are rung.
void ring_channels_of(const Cell& cell, uint64_t channels);
// Without those whose slot has been emptied since it held one (parts::managers).
[[nodiscard]] uint64_t still_held(const Cell& cell, uint64_t channels);
// The running fiber is about to wait for these, or looks: what was rung is latched. EBUSY, and nothing has
// happened: another fiber waits at one of these ends.
[[nodiscard]] Result<void> await_channels(Fiber& fiber, uint64_t channels);
// It waits no more, or has ended.
void leave_channels(Fiber& fiber, uint64_t channels);

// One of a cell with the kernel: whoever waits at the cell's end is rung.
void ring_cell_of(Channel& channel);
// The cell at the other end of one on which the kernel sends is dead: its end, to be used in its place. Not
// if it has closed or spoilt the ring.
[[nodiscard]] std::optional<ion::Consumer> end_of_the_dead(const Channel& channel);
// The cell begins anew: its channels with the kernel are as they were made, but for what those of the console
// keep. Not masked; on_renewed is called masked for each, when it can be used again.
void renew_kernel_channels_of(const Cell& cell, void (*on_renewed)(Channel&));

// An end that is taken from its cell. Masked: who waits there is rung, and from now on it is nobody's; what
// the kernel had at the other is gone. The channel's name, and what the cell's view shows of it.
struct LostEnd {
    uint32_t number;
    std::string_view name;
    AddressRange shown;
};
[[nodiscard]] LostEnd lose_end(const Cell& cell, uint32_t slot);
// Not masked: it takes as long as the ring has slots. Nobody's end is closed, and who waits at the other
// rung.
void close_lost_end(uint32_t number);

// Masked. The cell has begun anew: the cells at the other ends of its channels are told.
void tell_peers_of(const Cell& cell);

// The cell has ended for good: its ends are closed, and who waits at the others is rung. Not masked: it takes
// as long as the rings have slots.
void close_channels_of(const Cell& cell);

} // namespace rumpk
