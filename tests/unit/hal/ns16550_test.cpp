// SPDX-License-Identifier: Apache-2.0
//
// The driver against a port that behaves as the data sheet says: FIFOs of 16,
// a transmitter interrupt that is asserted when the FIFO becomes empty or its
// enable goes from off to on while it is, and cleared by writing a byte.
#include "hal/device/ns16550.h"

#include <deque>
#include <string>

#include <gtest/gtest.h>

using namespace rumpk::hal;

namespace {

struct Port {
    std::deque<uint8_t> input;  // has arrived
    std::deque<uint8_t> output; // waits for the line
    std::string sent;
    uint8_t enable = 0;
    uint8_t fifo_control = 0;
    uint8_t scratch = 0;
    bool deaf = false;           // no port at all
    bool output_pending = false; // the transmitter's interrupt
    uint32_t overruns = 0;
    uint32_t send_after = 0; // status reads until a byte leaves by itself; 0: only when told

    void send(size_t count) {
        while (count-- != 0 && !output.empty()) {
            sent += static_cast<char>(output.front());
            output.pop_front();
            if (output.empty()) {
                output_pending = true;
            }
        }
    }
    bool line() const {
        return ((enable & 1) != 0 && !input.empty()) || ((enable & 2) != 0 && output_pending);
    }
};
Port port;
constexpr uint64_t base = 0x10000000;

struct Access {
    static uint8_t read8(uint64_t address) {
        if (port.deaf) {
            return 0;
        }
        if (address == base) {
            uint8_t byte = port.input.empty() ? 0 : port.input.front();
            if (!port.input.empty()) {
                port.input.pop_front();
            }
            return byte;
        }
        if (address == base + 7) {
            return port.scratch;
        }
        EXPECT_EQ(address, base + 5);
        static uint32_t reads = 0;
        if (port.send_after != 0 && ++reads % port.send_after == 0) {
            port.send(1);
        }
        return static_cast<uint8_t>((port.input.empty() ? 0 : 1) | (port.output.empty() ? 0x60 : 0));
    }
    static void write8(uint64_t address, uint8_t value) {
        switch (address - base) {
        case 0:
            if (port.output.size() == 16) {
                ++port.overruns;
            } else {
                port.output.push_back(value);
            }
            port.output_pending = false;
            break;
        case 1:
            if ((value & 2) != 0 && (port.enable & 2) == 0) {
                port.output_pending = port.output.empty();
            }
            port.enable = value;
            break;
        case 2:
            port.fifo_control = value;
            break;
        case 7:
            port.scratch = value;
            break;
        default:
            EXPECT_EQ(address, base + 4);
        }
    }
    static uint32_t read32(uint64_t) { return 0; }
    static void write32(uint64_t, uint32_t) {}
};

class Serial : public testing::Test {
  protected:
    Serial() {
        port = Port{};
        EXPECT_TRUE(serial.begin());
    }
    int64_t write(const std::string& text) {
        return static_cast<int64_t>(serial.write(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
    }
    std::string read(size_t size) {
        std::string text(size, '?');
        text.resize(serial.read(reinterpret_cast<uint8_t*>(text.data()), size));
        return text;
    }
    static void arrive(const std::string& text) {
        port.input.insert(port.input.end(), text.begin(), text.end());
    }

    Ns16550<Access> serial{base};
};

TEST_F(Serial, BeginsQuietWithFifosAndLosesNoInput) {
    EXPECT_EQ(port.fifo_control & 1, 1);
    EXPECT_EQ(port.fifo_control & 2, 0); // would throw away what has arrived
    arrive("x");
    EXPECT_FALSE(port.line());
}

TEST_F(Serial, NoPortIsNoPort) {
    port.deaf = true;
    EXPECT_FALSE(serial.begin());
}

TEST_F(Serial, ReadsWhatIsThere) {
    EXPECT_EQ(read(8), "");
    arrive("hello world");
    EXPECT_EQ(read(5), "hello");
    EXPECT_EQ(read(100), " world");
}

TEST_F(Serial, AShortReadAsksForMore) {
    EXPECT_EQ(read(8), "");
    arrive("ab");
    EXPECT_TRUE(port.line());
    EXPECT_EQ(read(2), "ab"); // all that was asked for
    arrive("cd");
    EXPECT_FALSE(port.line());
    EXPECT_EQ(read(8), "cd");
    EXPECT_FALSE(port.line());
    arrive("e");
    EXPECT_TRUE(port.line());
}

TEST_F(Serial, AFullReaderIsLeftAlone) {
    read(8);
    arrive("abc");
    EXPECT_EQ(read(0), "");
    EXPECT_FALSE(port.line());
    EXPECT_EQ(read(8), "abc");
}

TEST_F(Serial, WritesAFifoAtATimeAndNeverMore) {
    std::string text(100, 'a');
    EXPECT_EQ(write(text), 16);
    EXPECT_EQ(port.overruns, 0u);
    EXPECT_FALSE(port.line());
    port.send(15);
    EXPECT_FALSE(port.line());
    EXPECT_EQ(write("b"), 0); // not empty yet: nobody knows how much fits
    port.send(1);
    EXPECT_TRUE(port.line());
    EXPECT_EQ(write("b"), 1);
    EXPECT_FALSE(port.line());
    port.send(1);
    EXPECT_FALSE(port.line()); // all was taken: nobody waits for room
    EXPECT_EQ(port.sent, std::string(16, 'a') + "b");
}

TEST_F(Serial, RoomThatCameBetweenIsNotMissed) {
    EXPECT_EQ(write(std::string(17, 'a')), 16);
    // The interrupt was taken and acknowledged by nobody; the FIFO empties; the next write is short again.
    port.send(16);
    port.output_pending = false;
    EXPECT_EQ(write(std::string(40, 'b')), 16);
    port.send(16);
    EXPECT_TRUE(port.line());
}

TEST_F(Serial, BothDirectionsKeepTheirInterrupts) {
    EXPECT_EQ(read(8), "");
    EXPECT_EQ(write(std::string(20, 'a')), 16);
    arrive("x");
    EXPECT_TRUE(port.line());
    EXPECT_EQ(read(1), "x");
    EXPECT_FALSE(port.line());
    port.send(16);
    EXPECT_TRUE(port.line()); // the transmitter's
    EXPECT_EQ(write("rest"), 4);
    EXPECT_EQ(read(8), "");
    arrive("y");
    EXPECT_TRUE(port.line());
}

TEST_F(Serial, PutWritesAllAndTouchesNoInterrupt) {
    read(8);
    uint8_t before = port.enable;
    port.send_after = 3;
    std::string text(100, 'z');
    serial.put(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    serial.flush();
    EXPECT_EQ(port.sent, text);
    EXPECT_EQ(port.overruns, 0u);
    EXPECT_EQ(port.enable, before);
}

} // namespace
