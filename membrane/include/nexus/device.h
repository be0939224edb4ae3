// SPDX-License-Identifier: Apache-2.0
//
// For drivers: a device that the image grants to this cell ([[device]] in its cell.toml), its registers, the
// memory that both use, and its interrupts. docs/decisions/drivers.md says what is whose.
#pragma once

#include <cstdint>
#include <string_view>

#include "nexus/peer.h"

namespace nexus {

namespace detail {

// One access of just that size. What was stored before is there when the device is told, and what is loaded
// after it was not taken from before the device said so.
[[nodiscard]] uint32_t read_register(uint64_t address);
void write_register(uint64_t address, uint32_t value);
[[nodiscard]] uint8_t read_byte_register(uint64_t address);
void write_byte_register(uint64_t address, uint8_t value);

} // namespace detail

class Device {
  public:
    // ENOENT: the machine has none, or the image gives this cell none of that name. As open_receiver.
    [[nodiscard]] static Result<Device> open(std::string_view name) {
        for (uint32_t slot = 0; slot + 1 < RUMPK_CAP_SLOTS; ++slot) {
            const auto facts = detail::meta<rumpk_meta_device>(RUMPK_META_DEVICE, slot);
            if (facts && name == reinterpret_cast<const char*>(facts->name)) {
                const auto interrupts = open_receiver<rumpk_interrupt>(name);
                return interrupts ? Result<Device>(Device(*facts, *interrupts)) : error(interrupts.error());
            }
        }
        return error(Errno::noent);
    }

    [[nodiscard]] const rumpk_meta_device& facts() const { return facts_; }

    // `offset`: a multiple of 4, a register's.
    [[nodiscard]] uint32_t read(uint32_t offset) const {
        return detail::read_register(facts_.registers + offset);
    }
    void write(uint32_t offset, uint32_t value) const {
        detail::write_register(facts_.registers + offset, value);
    }

    // Of one whose registers are bytes.
    [[nodiscard]] uint8_t read_byte(uint32_t offset) const {
        return detail::read_byte_register(facts_.registers + offset);
    }
    void write_byte(uint32_t offset, uint8_t value) const {
        detail::write_byte_register(facts_.registers + offset, value);
    }

    // Has it interrupted? Then it is quiet until go_on, before which its reason is to be gone.
    [[nodiscard]] bool interrupted() { return interrupts_.end().peek().has_value(); }
    void go_on() { (void)interrupts_.try_receive(); }
    // To wait for that among others: what go_on has not been called for does not ring again.
    [[nodiscard]] uint64_t wait_channels() const { return interrupts_.wait_channels(); }

  private:
    Device(const rumpk_meta_device& facts, const ring<rumpk_interrupt>::receiver& interrupts)
        : facts_(facts), interrupts_(interrupts) {}

    rumpk_meta_device facts_;
    ring<rumpk_interrupt>::receiver interrupts_;
};

} // namespace nexus
