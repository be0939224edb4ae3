// SPDX-License-Identifier: Apache-2.0
// The simulated machine's console: a serial line with an interrupt.
#pragma once

#include <cstdint>
#include <string>

namespace rumpk::simulated {

class ConsoleDevice {
  public:
    static constexpr uint32_t line = 10;

    explicit ConsoleDevice(std::string input) : input_(std::move(input)) {}

    // Between points: bytes arrive, room comes.
    void pass_time();
    [[nodiscard]] bool pending() const {
        return enabled_ && !busy_ && ((wants_input_ && arrived_ > taken_) || (wants_room_ && room_ > 0));
    }
    // Will it interrupt some time, if only time passes?
    [[nodiscard]] bool will_interrupt() const {
        return enabled_ && !busy_ && ((wants_input_ && opened_ && taken_ < input_.size()) || wants_room_);
    }
    void take() { busy_ = true; }

    void enable() { enabled_ = true; }
    void done() { busy_ = false; }
    int64_t read(uint8_t* buffer, uint64_t size);
    int64_t write(const uint8_t* buffer, uint64_t size);
    void put(const uint8_t* buffer, uint64_t size) {
        output_.append(reinterpret_cast<const char*>(buffer), size);
    }
    [[nodiscard]] const std::string& output() const { return output_; }

  private:
    std::string input_;
    std::string output_;
    uint64_t arrived_ = 0;
    uint64_t taken_ = 0;
    uint64_t room_ = 16;
    size_t looked_ = 0;   // so much of the output
    bool opened_ = false; // for input
    bool enabled_ = false;
    bool busy_ = false;
    bool wants_input_ = false;
    bool wants_room_ = false;
};

} // namespace rumpk::simulated
