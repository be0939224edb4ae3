// SPDX-License-Identifier: Apache-2.0
//
// The driver against a port that behaves as the technical reference manual says:
// FIFOs of 16, an output interrupt that is latched when the FIFO drains to its level
// and stays until it is cleared, an input interrupt at the level or by time-out.
#include "hal/device/pl011.h"

#include <deque>
#include <string>

#include <gtest/gtest.h>

using namespace rumpk::hal;

namespace {

struct Port {
    std::deque<uint8_t> input;  // has arrived
    std::deque<uint8_t> output; // waits for the line
    std::string sent;
    uint32_t mask = 0;
    uint32_t line_control = 0;
    uint32_t control = 0;
    uint32_t levels = 0x12;
    bool deaf = false;           // no port at all
    bool output_latched = false; // the transmitter's interrupt
    uint32_t overruns = 0;
    uint32_t send_after = 0; // flag reads until a byte leaves by itself; 0: only when told

    // An eighth of 16.
    static constexpr size_t low = 2;
    void send(size_t count) {
        while (count-- != 0 && !output.empty()) {
            sent += static_cast<char>(output.front());
            output.pop_front();
            if (output.size() == low) {
                output_latched = true;
            }
        }
    }
    // The time-out is as good as over: what is there interrupts.
    bool line() const {
        return ((mask & 1 << 6) != 0 && !input.empty()) || ((mask & 1 << 5) != 0 && output_latched);
    }
};
Port port;
constexpr uint64_t base = 0x9000000;

struct Access {
    static uint8_t read8(uint64_t) {
        ADD_FAILURE() << "registers have 32 bits";
        return 0;
    }
    static void write8(uint64_t, uint8_t) { ADD_FAILURE() << "registers have 32 bits"; }
    static uint32_t read32(uint64_t address) {
        if (port.deaf) {
            return 0;
        }
        switch (address - base) {
        case 0x00: {
            uint8_t byte = port.input.empty() ? 0 : port.input.front();
            if (!port.input.empty()) {
                port.input.pop_front();
            }
            return byte;
        }
        case 0x18: {
            static uint32_t reads = 0;
            if (port.send_after != 0 && ++reads % port.send_after == 0) {
                port.send(1);
            }
            return (port.output.empty() ? 0u : 1u << 3) | (port.input.empty() ? 1u << 4 : 0u) |
                   (port.output.size() >= 16 ? 1u << 5 : 0u);
        }
        case 0x2c:
            return port.line_control;
        case 0xff0:
            return 0x0d;
        case 0xff4:
            return 0xf0;
        case 0xff8:
            return 0x05;
        case 0xffc:
            return 0xb1;
        default:
            ADD_FAILURE() << std::hex << address;
            return 0;
        }
    }
    static void write32(uint64_t address, uint32_t value) {
        switch (address - base) {
        case 0x00:
            if (port.output.size() == 16) {
                ++port.overruns;
            } else {
                port.output.push_back(static_cast<uint8_t>(value));
            }
            break;
        case 0x2c:
            port.line_control = value;
            break;
        case 0x30:
            port.control = value;
            break;
        case 0x34:
            port.levels = value;
            break;
        case 0x38:
            port.mask = value;
            break;
        case 0x44:
            port.output_latched = port.output_latched && (value & 1 << 5) == 0;
            break;
        default:
            ADD_FAILURE() << std::hex << address;
        }
    }
};

class PrimeCell : public testing::Test {
  protected:
    PrimeCell() {
        port = Port{};
        EXPECT_TRUE(serial.begin());
    }
    uint64_t write(const std::string& text) {
        return serial.write(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    }
    std::string read(size_t size) {
        std::string text(size, '?');
        text.resize(serial.read(reinterpret_cast<uint8_t*>(text.data()), size));
        return text;
    }
    static void arrive(const std::string& text) {
        port.input.insert(port.input.end(), text.begin(), text.end());
    }

    Pl011<Access> serial{base};
};

TEST_F(PrimeCell, BeginsQuietWithFifosOn) {
    EXPECT_EQ(port.line_control, 1u << 4);
    EXPECT_EQ(port.control, 0x301u);
    EXPECT_EQ(port.levels, 0u);
    arrive("x");
    EXPECT_FALSE(port.line());
}

TEST_F(PrimeCell, KeepsTheFormatThatFirmwareSet) {
    port.line_control = 0x60;
    EXPECT_TRUE(serial.begin());
    EXPECT_EQ(port.line_control, 0x70u);
}

TEST_F(PrimeCell, NoPortIsNoPort) {
    port.deaf = true;
    EXPECT_FALSE(serial.begin());
}

TEST_F(PrimeCell, AShortReadAsksForMore) {
    EXPECT_EQ(read(8), "");
    arrive("ab");
    EXPECT_TRUE(port.line());
    EXPECT_EQ(read(2), "ab"); // all that was asked for
    arrive("cd");
    EXPECT_FALSE(port.line());
    EXPECT_EQ(read(0), "");
    EXPECT_FALSE(port.line());
    EXPECT_EQ(read(8), "cd");
    arrive("e");
    EXPECT_TRUE(port.line());
}

TEST_F(PrimeCell, WritesWhatFitsAndHearsOfRoom) {
    EXPECT_EQ(write(std::string(40, 'a')), 16u);
    EXPECT_EQ(port.overruns, 0u);
    EXPECT_FALSE(port.line());
    port.send(13);
    EXPECT_FALSE(port.line());
    port.send(1);
    EXPECT_TRUE(port.line());
    EXPECT_EQ(write(std::string(5, 'b')), 5u);
    EXPECT_FALSE(port.line()); // all was taken: nobody waits for room
    port.send(16);
    EXPECT_FALSE(port.line());
}

TEST_F(PrimeCell, RoomThatCameBetweenIsNotMissed) {
    EXPECT_EQ(write(std::string(17, 'a')), 16u);
    port.send(16); // latched, and taken by nobody
    EXPECT_EQ(write(std::string(40, 'b')), 16u);
    EXPECT_FALSE(port.line()); // that of the first filling is over
    port.send(14);
    EXPECT_TRUE(port.line());
}

TEST_F(PrimeCell, BothDirectionsKeepTheirInterrupts) {
    EXPECT_EQ(read(8), "");
    EXPECT_EQ(write(std::string(20, 'a')), 16u);
    arrive("x");
    EXPECT_TRUE(port.line());
    EXPECT_EQ(read(1), "x");
    EXPECT_FALSE(port.line());
    port.send(16);
    EXPECT_TRUE(port.line()); // the transmitter's
    EXPECT_EQ(write("rest"), 4u);
    EXPECT_EQ(read(8), "");
    arrive("y");
    EXPECT_TRUE(port.line());
}

TEST_F(PrimeCell, PutWritesAllAndTouchesNoInterrupt) {
    read(8);
    uint32_t before = port.mask;
    port.send_after = 3;
    std::string text(100, 'z');
    serial.put(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    serial.flush();
    EXPECT_EQ(port.sent, text);
    EXPECT_EQ(port.overruns, 0u);
    EXPECT_EQ(port.mask, before);
}

} // namespace
