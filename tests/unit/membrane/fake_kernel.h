// SPDX-License-Identifier: Apache-2.0
//
// A kernel played by the test: the SysTable stands at its real address, the boot rings in memory of
// this object, with the test at their other ends. One at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "abi/call.h"
#include "ion/ring.h"

namespace test {

inline constexpr uint32_t slots = 4;
inline constexpr uint32_t slot_size = 48;
inline constexpr uint32_t fiber_slots = 128; // of the cell
inline constexpr uint32_t capacity = slot_size - RUMPK_SLOT_HEADER_SIZE;

struct Yield {
    uint64_t wait;
    uint64_t bell;
    uint64_t deadline;
    uint64_t flags;
    std::vector<uint64_t> peers;
};

class FakeKernel {
  public:
    FakeKernel();
    ~FakeKernel();
    FakeKernel(const FakeKernel&) = delete;
    FakeKernel& operator=(const FakeKernel&) = delete;

    // The console's ends of the boot rings.
    ion::Producer& rx() { return *rx_; }
    ion::Consumer& tx() { return *tx_; }

    // Takes both rings out of the table, as in an image without them.
    void hide_rings();

    // All that tx holds, released: "o:text" and "e:text" by tag, one string a message.
    std::vector<std::string> drain();
    void feed(std::string_view text);
    void end_input();

    // What a yield that waits does; its result is the call's. Unset: the test did not expect one to wait.
    std::function<int64_t(const Yield&)> on_wait;
    std::vector<Yield> bells; // yields with NOWAIT

    // Other calls' answers.
    std::function<int64_t(std::span<char>)> on_read; // read(0)
    std::string written;                             // by write(1)
    std::function<int64_t(const rumpk_spawn_args&)> on_spawn;
    std::function<int64_t(uint64_t, uint64_t)> on_kill;
    std::function<bool(uint64_t)> is_alive = [](uint64_t) { return false; }; // meta(FIBER)
    uint64_t self = 0x1'0000'0000;
    int64_t now = 1000;
    std::optional<uint64_t> drawn; // by random, again and again; not set: the machine gives none
    std::function<void()> on_time; // before each answer of the clock: what happens at that moment
    std::string arguments;
    std::string first_fiber_name = "program";
    uint32_t tier = 0; // the caller's; home is 0, on core 0
    uint32_t meta_calls = 0;

  private:
    std::vector<std::byte> memory_; // of both rings
    std::optional<ion::Producer> rx_;
    std::optional<ion::Consumer> tx_;
};

} // namespace test
