// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "hal/device/clint.h"
#include "hal/device/goldfish_rtc.h"
#include "hal/device/plic.h"
#include "hal/device/sifive_test.h"

using namespace rumpk::hal;

namespace {

std::map<uint64_t, uint32_t> registers;
std::vector<std::pair<uint64_t, uint32_t>> written;

struct Access {
    static uint8_t read8(uint64_t) { return 0; }
    static uint32_t read32(uint64_t address) { return registers[address]; }
    static void write8(uint64_t, uint8_t) {}
    static void write32(uint64_t address, uint32_t value) {
        registers[address] = value;
        written.emplace_back(address, value);
    }
};

class Devices : public testing::Test {
  protected:
    Devices() {
        registers.clear();
        written.clear();
    }
};

constexpr uint64_t base = 0x100000;

TEST_F(Devices, PlicUsesTheContextsRegisters) {
    Plic<Access> plic(base, 96);
    registers[base + 0x2000 + 3 * 0x80] = 0xffffffff; // left by firmware
    registers[base + 0x2000 + 3 * 0x80 + 12] = 0xffffffff;
    registers[base + 0x203000] = 7;
    plic.begin(3);
    EXPECT_EQ(registers[base + 0x2000 + 3 * 0x80], 0u);
    EXPECT_EQ(registers[base + 0x2000 + 3 * 0x80 + 12], 0u); // line 96 is in the fourth word
    EXPECT_EQ(registers[base + 0x203000], 0u);

    EXPECT_TRUE(plic.enable(3, 10));
    EXPECT_TRUE(plic.enable(3, 33));
    EXPECT_TRUE(plic.enable(3, 32));
    EXPECT_EQ(registers[base + 4 * 10], 1u);
    EXPECT_EQ(registers[base + 0x2000 + 3 * 0x80], 1u << 10);
    EXPECT_EQ(registers[base + 0x2000 + 3 * 0x80 + 4], 3u);

    registers[base + 0x203004] = 10;
    EXPECT_EQ(plic.claim(3), 10u);
    plic.complete(3, 33);
    EXPECT_EQ(registers[base + 0x203004], 33u);
}

TEST_F(Devices, PlicRefusesLinesThatAreNotThere) {
    Plic<Access> plic(base, 96);
    EXPECT_FALSE(plic.enable(0, 0));
    EXPECT_FALSE(plic.enable(0, 97));
    EXPECT_FALSE(plic.enable(0, ~0u));
    EXPECT_TRUE(written.empty());
    EXPECT_TRUE(plic.enable(0, 96));
}

TEST_F(Devices, ClintHasAWordAndATimerForEachHart) {
    Clint<Access> clint(base);
    clint.ring(3);
    EXPECT_EQ(registers[base + 12], 1u);
    clint.quiet(3);
    EXPECT_EQ(registers[base + 12], 0u);
    written.clear();
    clint.set_timer(2, 0x123456789abcdef0);
    EXPECT_EQ(registers[base + 0x4010], 0x9abcdef0u);
    EXPECT_EQ(registers[base + 0x4014], 0x12345678u);
    // In between it is never earlier than the old value and the new one.
    ASSERT_EQ(written.size(), 3u);
    EXPECT_EQ(written[0], (std::pair<uint64_t, uint32_t>{base + 0x4014, ~0u}));
    EXPECT_EQ(written[1].first, base + 0x4010);
}

TEST_F(Devices, FinisherTellsCodes) {
    auto word = [](uint32_t code) {
        sifive_test_finish<Access>(base, code);
        return registers[base];
    };
    EXPECT_EQ(word(0), 0x5555u);
    EXPECT_EQ(word(1), 0x13333u);
    EXPECT_EQ(word(126), 0x7e3333u);
    EXPECT_EQ(word(0xffff), 0xffff3333u);
    // Never success for what does not fit.
    EXPECT_EQ(word(0x10000), 0xffff3333u);
}

TEST_F(Devices, RtcHasTwoWords) {
    registers[base] = 0x89abcdef;
    registers[base + 4] = 0x01234567;
    EXPECT_EQ(goldfish_rtc_now<Access>(base), 0x0123456789abcdefu);
}

} // namespace
