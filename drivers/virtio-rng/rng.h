// SPDX-License-Identifier: Apache-2.0
//
// The driver of virtio's entropy device (virtio 1.2, 5.4): one queue, one buffer at a time. It feeds the
// kernel's `random`, if the image has a channel "entropy" to the kernel, and answers a client, if there is
// one (nexus/entropy.h).
//
// The device is not believed in what it says of its buffers, only in what it writes into them. Where it lies,
// the cell faults, and is begun anew as its cell.toml says; the new life resets the device first of all.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "drivers/virtio/queue.h"
#include "drivers/virtio/transport.h"
#include "nexus/entropy.h"
#include "nexus/peer.h"
#include "nexus/time.h"

namespace virtio {

class Rng {
  public:
    using Seed = std::array<std::byte, 32>;

    // ENOENT: the machine has no such device. Else as Transport::begin and the channels' ends.
    [[nodiscard]] static nexus::Result<Rng> open();
    [[noreturn]] void serve();

  private:
    static constexpr uint16_t queue_size = 2;
    static constexpr uint32_t buffer_size = 256;
    static constexpr uint64_t buffer_offset = 2048; // of the memory that is shared with the device
    static_assert(Queue<queue_size>::bytes <= buffer_offset);
    static constexpr auto seed_period = std::chrono::minutes(1);

    explicit Rng(const Transport& transport);

    void collect();
    void seed_kernel();
    void answer();
    bool answer_one();
    void want_more();
    void wait();
    void draw(std::span<std::byte> out);
    [[nodiscard]] std::byte* buffer() const;

    Transport transport_;
    Queue<queue_size> queue_;
    bool offered_ = false;

    // What the device made and nobody got: the first have_ bytes; the rest is zero.
    std::array<std::byte, sizeof(Seed) + buffer_size> bytes_{};
    uint32_t have_ = 0;

    // Ends that the image does not have, or that have closed, are empty.
    std::optional<nexus::ring<Seed>::sender> seeds_;
    nexus::Instant next_seed_{};
    std::optional<nexus::ring<nexus::EntropyRequest>::receiver> asks_;
    std::optional<nexus::ring<nexus::EntropyAnswer>::sender> answers_;
};

} // namespace virtio
