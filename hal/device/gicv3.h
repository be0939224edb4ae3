// SPDX-License-Identifier: Apache-2.0
//
// The generic interrupt controller, version 3, but for its system registers (GIC
// architecture specification, IHI 0069, chapters 4 and 12): one distributor for
// lines 32 and up, and for each core a redistributor with lines 0 to 31.
//
// Every line is of group 1 and level-sensitive. One that a device tree calls
// edge-triggered is held by its device, too, until it is acknowledged: virtio's are
// (virtio 1.2, 4.2.2).
#pragma once

#include "hal/device/register_access.h"

namespace rumpk::hal {

// Of a redistributor's identity.
template <typename Access>
concept RegisterAccess64 = RegisterAccess<Access> && requires(uint64_t address, uint64_t word) {
    { Access::read64(address) } -> std::same_as<uint64_t>;
    { Access::write64(address, word) } -> std::same_as<void>;
};

template <RegisterAccess64 Access>
class Gicv3 {
  public:
    static constexpr uint32_t first_shared_line = 32;
    static constexpr uint64_t distributor_size = 0x10000;
    static constexpr uint64_t redistributor_size = 0x20000;

    constexpr Gicv3() = default;

    // Addresses of the distributor and of the first redistributor, and how many bytes of these there are.
    constexpr Gicv3(uint64_t distributor, uint64_t redistributors, uint64_t size)
        : distributor_(distributor), redistributors_(redistributors), size_(size) {}

    // No shared line enabled, the distributor on. False: it is none of version 3.
    [[nodiscard]] bool begin() {
        uint32_t version = Access::read32(distributor_ + peripheral_id2) >> 4 & 15;
        if (version < 3) {
            return false;
        }
        Access::write32(distributor_ + control, 0);
        wait_for_writes();
        lines_ = first_shared_line * ((Access::read32(distributor_ + type) & 31) + 1);
        lines_ = lines_ < special_lines ? lines_ : special_lines;
        for (uint32_t line = first_shared_line; line < lines_; line += bits) {
            Access::write32(word(distributor_, groups, line), ~0u);
            Access::write32(word(distributor_, disable_bits, line), ~0u);
        }
        Access::write32(distributor_ + control, affinity_routing | group1 | group1_alone);
        wait_for_writes();
        return true;
    }

    // The redistributor of the core that is called so; 0: there is none.
    uint64_t redistributor_of(uint64_t affinity) const {
        for (uint64_t at = 0; at + redistributor_size <= size_; at += redistributor_size) {
            uint64_t identity = Access::read64(redistributors_ + at + redistributor_type);
            if (identity >> 32 == compact(affinity)) {
                return redistributors_ + at;
            }
            if ((identity & last) != 0) {
                break;
            }
        }
        return 0;
    }

    // Of the calling core: awake, and of lines 0 to 31 these enabled. Those of other cores' messages, 0 to
    // 15, come behind all others: a core that rings itself again and again does not keep its timer away.
    void begin_core(uint64_t redistributor, uint32_t lines) {
        uint64_t wake = redistributor + waker;
        Access::write32(wake, Access::read32(wake) & ~processor_sleeps);
        while ((Access::read32(wake) & children_sleep) != 0) {
        }
        uint64_t own = redistributor + own_lines;
        Access::write32(own + groups, ~0u);
        Access::write32(own + disable_bits, ~0u);
        for (uint32_t line = 0; line < first_shared_line; ++line) {
            Access::write8(own + priorities + line, line < message_lines ? low_priority : middle_priority);
        }
        Access::write32(own + enable_bits, lines);
    }

    // A shared line goes to that core. False: no such line.
    bool enable(uint32_t line, uint64_t affinity) {
        if (line < first_shared_line || line >= lines_) {
            return false;
        }
        Access::write8(distributor_ + priorities + line, middle_priority);
        Access::write64(distributor_ + routes + 8 * uint64_t{line}, affinity);
        Access::write32(word(distributor_, enable_bits, line), uint32_t{1} << line % bits);
        return true;
    }

    // Lines of this distributor; valid are first_shared_line to this, end exclusive.
    uint32_t lines() const { return lines_; }

    // ICC_SGI1R_EL1 (12.2.23): line 0 to 15 of one core.
    static constexpr uint64_t message(uint64_t affinity, uint32_t line) {
        uint64_t aff0 = affinity & 0xff;
        return uint64_t{1} << aff0 % 16 | (affinity >> 8 & 0xff) << 16 | uint64_t{line} << 24 |
               (affinity >> 16 & 0xff) << 32 | (aff0 / 16) << 44 | (affinity >> 32 & 0xff) << 48;
    }

  private:
    // 12.9, the distributor's registers; 12.11, a redistributor's. What both have is at one offset.
    static constexpr uint64_t control = 0x0;
    static constexpr uint64_t type = 0x4;
    static constexpr uint64_t groups = 0x80;
    static constexpr uint64_t enable_bits = 0x100;
    static constexpr uint64_t disable_bits = 0x180;
    static constexpr uint64_t priorities = 0x400;
    static constexpr uint64_t routes = 0x6000;
    static constexpr uint64_t peripheral_id2 = 0xffe8;
    static constexpr uint64_t redistributor_type = 0x8;
    static constexpr uint64_t waker = 0x14;
    static constexpr uint64_t own_lines = 0x10000;
    // 12.9.4: with one security state, and as seen from the non-secure of two
    static constexpr uint32_t group1_alone = 1 << 0;
    static constexpr uint32_t group1 = 1 << 1;
    static constexpr uint32_t affinity_routing = 1 << 4;
    static constexpr uint32_t writes_pending = uint32_t{1} << 31;
    // 12.11.35, 12.11.42
    static constexpr uint64_t last = 1 << 4;
    static constexpr uint32_t processor_sleeps = 1 << 1;
    static constexpr uint32_t children_sleep = 1 << 2;
    // 4.8: a lower number comes first; the upper five bits there always are. The lowest of all is never
    // heard.
    static constexpr uint8_t middle_priority = 0x80;
    static constexpr uint8_t low_priority = 0xc0;
    static constexpr uint32_t message_lines = 16;
    static constexpr uint32_t special_lines = 1020;
    static constexpr uint32_t bits = 32;

    static uint64_t word(uint64_t base, uint64_t offset, uint32_t line) {
        return base + offset + 4 * uint64_t{line / bits};
    }
    // Aff3 stands beside the others.
    static constexpr uint64_t compact(uint64_t affinity) {
        return (affinity & 0xffffff) | (affinity >> 32 & 0xff) << 24;
    }
    // Until what was written to the control register is everywhere.
    void wait_for_writes() const {
        while ((Access::read32(distributor_ + control) & writes_pending) != 0) {
        }
    }

    uint64_t distributor_ = 0;
    uint64_t redistributors_ = 0;
    uint64_t size_ = 0;
    uint32_t lines_ = 0;
};

} // namespace rumpk::hal
