// SPDX-License-Identifier: Apache-2.0
//
// A virtio device behind memory-mapped registers (virtio 1.2, 4.2), version 2: not the legacy one. Bring-up
// as 3.1.1 says: begin, add_queue for each queue, start.
#pragma once

#include <chrono>
#include <cstdint>

#include "nexus/device.h"
#include "nexus/fiber.h"

namespace virtio {

class Transport {
  public:
    // Resets the device, whatever it was doing, and agrees on no features but that it is of version 1 of the
    // specification. ENODEV: no device of this kind, or legacy; EIO: it does not do what the specification
    // demands of it.
    [[nodiscard]] static nexus::Result<Transport> begin(nexus::Device device) {
        Transport it(device);
        if (it.get(magic) != is_virtio || it.get(version) != not_legacy ||
            it.get(device_id) != it.device_.facts().virtio) {
            return nexus::error(nexus::Errno::nodev);
        }
        if (!it.reset()) {
            return nexus::error(nexus::Errno::io);
        }
        it.add_status(acknowledged);
        it.add_status(driver);
        it.put(device_features_select, 1);
        const uint32_t offered = it.get(device_features);
        it.put(driver_features_select, 0);
        it.put(driver_features, 0);
        it.put(driver_features_select, 1);
        it.put(driver_features, offered & version_1);
        it.add_status(features_ok);
        if ((offered & version_1) == 0 || (it.get(status) & features_ok) == 0) {
            it.add_status(failed);
            return nexus::error(nexus::Errno::io);
        }
        return it;
    }

    // A queue of `size` descriptors, by the physical addresses of its three parts. EIO: it has no such queue.
    [[nodiscard]] nexus::Result<void> add_queue(uint32_t index, uint32_t size, uint64_t descriptors,
                                                uint64_t available, uint64_t used) {
        put(queue_select, index);
        if (get(queue_ready) != 0 || get(queue_size_max) < size) {
            return nexus::error(nexus::Errno::io);
        }
        put(queue_size, size);
        put_address(queue_descriptors, descriptors);
        put_address(queue_available, available);
        put_address(queue_used, used);
        put(queue_ready, 1);
        return {};
    }
    void start() { add_status(driver_ok); }

    // There is something new in that queue's ring of available buffers.
    void notify(uint32_t queue) { put(queue_notify, queue); }

    // Has it interrupted, and not been answered yet?
    [[nodiscard]] bool interrupted() { return device_.interrupted(); }
    // Its reasons are known, and looked at behind this: what it does meanwhile interrupts anew.
    void acknowledge() { put(interrupt_acknowledge, get(interrupt_status)); }
    // It may interrupt again.
    void go_on() { device_.go_on(); }
    [[nodiscard]] uint64_t wait_channels() const { return device_.wait_channels(); }

    [[nodiscard]] const rumpk_meta_device& facts() const { return device_.facts(); }

  private:
    // 4.2.2
    enum Register : uint32_t {
        magic = 0x000,
        version = 0x004,
        device_id = 0x008,
        device_features = 0x010,
        device_features_select = 0x014,
        driver_features = 0x020,
        driver_features_select = 0x024,
        queue_select = 0x030,
        queue_size_max = 0x034,
        queue_size = 0x038,
        queue_ready = 0x044,
        queue_notify = 0x050,
        interrupt_status = 0x060,
        interrupt_acknowledge = 0x064,
        status = 0x070,
        queue_descriptors = 0x080, // low half; the high one follows, here and below
        queue_available = 0x090,
        queue_used = 0x0a0,
    };
    static constexpr uint32_t is_virtio = 0x74726976; // "virt"
    static constexpr uint32_t not_legacy = 2;
    // 2.1
    static constexpr uint32_t acknowledged = 1;
    static constexpr uint32_t driver = 2;
    static constexpr uint32_t driver_ok = 4;
    static constexpr uint32_t features_ok = 8;
    static constexpr uint32_t failed = 128;
    // 6: feature 32, in the second word
    static constexpr uint32_t version_1 = 1;

    explicit Transport(nexus::Device device) : device_(device) {}

    [[nodiscard]] uint32_t get(Register which) const { return device_.read(which); }
    void put(Register which, uint32_t value) { device_.write(which, value); }
    void put_address(Register low, uint64_t address) {
        device_.write(low, static_cast<uint32_t>(address));
        device_.write(low + 4, static_cast<uint32_t>(address >> 32));
    }
    void add_status(uint32_t bits) { put(status, get(status) | bits); }

    // 4.2.2.1: it has forgotten all once it says 0. It gets a tenth of a second.
    bool reset() {
        put(status, 0);
        for (int i = 0; i < 100 && get(status) != 0; ++i) {
            nexus::sleep_for(std::chrono::milliseconds(1));
        }
        return get(status) == 0;
    }

    nexus::Device device_;
};

} // namespace virtio
