// SPDX-License-Identifier: Apache-2.0
#include "hal/device/gicv3.h"

#include <map>

#include <gtest/gtest.h>

#include "hal/device/pl031.h"

using namespace rumpk::hal;

namespace {

constexpr uint64_t distributor = 0x8000000;
constexpr uint64_t redistributors = 0x80a0000;
constexpr uint64_t frame = 0x20000;

// Bytes, as they were written; enable and disable registers act on one set of bits.
struct Controller {
    std::map<uint64_t, uint8_t> bytes;
    std::map<uint64_t, uint32_t> enabled; // by address of the enable register
    uint32_t busy = 0;                    // reads for which a write is still on its way

    uint64_t get(uint64_t address, unsigned size) {
        uint64_t value = 0;
        for (unsigned at = 0; at < size; ++at) {
            value |= uint64_t{bytes[address + at]} << 8 * at;
        }
        return value;
    }
    void set(uint64_t address, uint64_t value, unsigned size) {
        for (unsigned at = 0; at < size; ++at) {
            bytes[address + at] = static_cast<uint8_t>(value >> 8 * at);
        }
    }
};
Controller controller;

// Offset within the distributor, or within a redistributor's second half.
uint64_t offset_of(uint64_t address) {
    return address >= redistributors ? (address - redistributors) % frame - 0x10000 : address - distributor;
}

struct Access {
    static uint8_t read8(uint64_t address) { return controller.bytes[address]; }
    static void write8(uint64_t address, uint8_t value) { controller.bytes[address] = value; }
    static uint32_t read32(uint64_t address) {
        auto value = static_cast<uint32_t>(controller.get(address, 4));
        if (address == distributor && controller.busy != 0) {
            --controller.busy;
            value |= uint32_t{1} << 31;
        }
        if (address >= redistributors && (address - redistributors) % frame == 0x14) {
            // A core that is told to wake up does so a little later.
            value = (value & 2) != 0       ? value | 4
                    : controller.busy != 0 ? (--controller.busy, value | 4)
                                           : value & ~4u;
        }
        return value;
    }
    static void write32(uint64_t address, uint32_t value) {
        uint64_t offset = offset_of(address);
        if (offset >= 0x100 && offset < 0x180) {
            controller.enabled[address] |= value;
        } else if (offset >= 0x180 && offset < 0x200) {
            controller.enabled[address - 0x80] &= ~value;
        } else {
            controller.set(address, value, 4);
        }
    }
    static uint64_t read64(uint64_t address) { return controller.get(address, 8); }
    static void write64(uint64_t address, uint64_t value) { controller.set(address, value, 8); }
};

class Gic : public testing::Test {
  protected:
    Gic() {
        controller = Controller{};
        controller.set(distributor + 0xffe8, 0x3b, 4);
        controller.set(distributor + 4, 8, 4); // 288 lines
        for (uint64_t core = 0; core < 4; ++core) {
            uint64_t affinity = core < 2 ? core : 0x100 + core - 2; // two clusters
            controller.set(redistributors + core * frame + 8, affinity << 32 | (core == 3 ? 1 << 4 : 0), 8);
            controller.set(redistributors + core * frame + 0x14, 6, 4);
        }
    }

    Gicv3<Access> gic{distributor, redistributors, 8 * frame};
};

TEST_F(Gic, BeginsWithNoSharedLine) {
    controller.enabled[distributor + 0x104] = ~0u; // left by firmware
    controller.enabled[distributor + 0x120] = ~0u;
    controller.busy = 3;
    ASSERT_TRUE(gic.begin());
    EXPECT_EQ(gic.lines(), 288u);
    EXPECT_EQ(controller.enabled[distributor + 0x104], 0u);
    EXPECT_EQ(controller.enabled[distributor + 0x120], 0u);
    EXPECT_EQ(controller.get(distributor + 0xa0, 4), ~0u); // lines 256 to 287 are of group 1
    EXPECT_EQ(controller.get(distributor, 4), 0x13u);
}

TEST_F(Gic, NoVersion3IsRefused) {
    controller.set(distributor + 0xffe8, 0x2b, 4);
    EXPECT_FALSE(gic.begin());
}

TEST_F(Gic, LinesEndWhereSpecialOnesBegin) {
    controller.set(distributor + 4, 31, 4); // 1,024, of which the last four are none
    ASSERT_TRUE(gic.begin());
    EXPECT_EQ(gic.lines(), 1020u);
    EXPECT_TRUE(gic.enable(1019, 0));
    EXPECT_FALSE(gic.enable(1020, 0));
}

TEST_F(Gic, FindsEachCoresRedistributor) {
    EXPECT_EQ(gic.redistributor_of(0), redistributors);
    EXPECT_EQ(gic.redistributor_of(1), redistributors + frame);
    EXPECT_EQ(gic.redistributor_of(0x101), redistributors + 3 * frame);
    EXPECT_EQ(gic.redistributor_of(2), 0u);                 // behind the last one all is zero, like core 0
    EXPECT_EQ(gic.redistributor_of(uint64_t{1} << 32), 0u); // Aff3
    Gicv3<Access> short_one(distributor, redistributors, frame + 100);
    EXPECT_EQ(short_one.redistributor_of(0), redistributors);
    EXPECT_EQ(short_one.redistributor_of(1), 0u);
}

TEST_F(Gic, WakesACoreAndEnablesItsOwnLines) {
    uint64_t own = redistributors + frame + 0x10000;
    controller.enabled[own + 0x100] = 0xffff0000;
    controller.busy = 2;
    gic.begin_core(redistributors + frame, 1u << 27 | 1);
    EXPECT_EQ(controller.get(redistributors + frame + 0x14, 4) & 2, 0u);
    EXPECT_EQ(controller.enabled[own + 0x100], 1u << 27 | 1);
    EXPECT_EQ(controller.get(own + 0x80, 4), ~0u);
    EXPECT_EQ(controller.bytes[own + 0x400 + 27], 0x80);
    EXPECT_GT(controller.bytes[own + 0x400 + 15], 0x80);         // messages come behind the timer
    EXPECT_EQ(controller.get(redistributors + 0x14, 4) & 2, 2u); // its neighbour sleeps on
}

TEST_F(Gic, EnablesSharedLinesForOneCore) {
    ASSERT_TRUE(gic.begin());
    EXPECT_TRUE(gic.enable(33, 0x101));
    EXPECT_EQ(controller.enabled[distributor + 0x104], 2u);
    EXPECT_EQ(controller.get(distributor + 0x6000 + 8 * 33, 8), 0x101u);
    EXPECT_EQ(controller.bytes[distributor + 0x400 + 33], 0x80);
    EXPECT_FALSE(gic.enable(31, 0)); // a core's own
    EXPECT_FALSE(gic.enable(288, 0));
}

TEST_F(Gic, MessagesNameOneCore) {
    EXPECT_EQ(Gicv3<Access>::message(0, 0), 1u);
    EXPECT_EQ(Gicv3<Access>::message(3, 2), 2u << 24 | 1u << 3);
    EXPECT_EQ(Gicv3<Access>::message(0x0211, 0), uint64_t{1} << 44 | 2u << 16 | 1u << 1); // Aff0 17
    EXPECT_EQ(Gicv3<Access>::message(0x05'0004'0300, 0),
              uint64_t{5} << 48 | uint64_t{4} << 32 | 3u << 16 | 1u);
}

TEST_F(Gic, ClockChipCountsSeconds) {
    controller.set(0x9010000, 1'800'000'000, 4);
    EXPECT_EQ(pl031_now<Access>(0x9010000), 1'800'000'000'000'000'000u);
}

} // namespace
