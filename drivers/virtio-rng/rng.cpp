// SPDX-License-Identifier: Apache-2.0
#include "drivers/virtio-rng/rng.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace virtio {

namespace {

std::byte* memory_of(const Transport& transport) {
    return reinterpret_cast<std::byte*>(static_cast<uintptr_t>(transport.facts().memory));
}

template <class End>
std::optional<End> if_there(const nexus::Result<End>& end) {
    return end ? std::optional<End>(*end) : std::nullopt;
}

} // namespace

nexus::Result<Rng> Rng::open() {
    const auto device = nexus::Device::open("rng");
    if (!device) {
        return nexus::error(device.error());
    }
    if (device->facts().memory_size < buffer_offset + buffer_size) {
        return nexus::error(nexus::Errno::inval);
    }
    const auto transport = Transport::begin(*device);
    if (!transport) {
        return nexus::error(transport.error());
    }
    Rng rng(*transport);
    const Queue<queue_size>& queue = rng.queue_;
    if (const auto added =
            rng.transport_.add_queue(0, queue_size, queue.descriptors(), queue.available(), queue.used());
        !added) {
        return nexus::error(added.error());
    }
    rng.transport_.start();
    return rng;
}

// The device has been reset: it uses none of the memory.
Rng::Rng(const Transport& transport)
    : transport_(transport), queue_(memory_of(transport), transport.facts().physical),
      seeds_(if_there(nexus::open_sender<Seed>("entropy"))),
      asks_(if_there(nexus::open_receiver<nexus::EntropyRequest>("rng.ask"))),
      answers_(if_there(nexus::open_sender<nexus::EntropyAnswer>("rng.bytes"))) {}

void Rng::serve() {
    for (;;) {
        collect();
        seed_kernel();
        answer();
        want_more();
        wait();
    }
}

std::byte* Rng::buffer() const {
    return memory_of(transport_) + buffer_offset;
}

// What the device has brought is copied before it is used, and stays nowhere else.
void Rng::collect() {
    if (!transport_.interrupted()) {
        return;
    }
    transport_.acknowledge();
    const auto used = queue_.take();
    if (used && used->length != 0) {                                // 5.4.6.2: one byte or more
        std::memcpy(bytes_.data() + have_, buffer(), used->length); // there is room: see want_more
        std::memset(buffer(), 0, used->length);
        have_ += used->length;
        offered_ = false;
    } else if (used || used.error() != nexus::Errno::again) {
        __builtin_trap(); // a fault of this cell's, which is begun anew
    }
    transport_.go_on();
}

// Each byte is given once.
void Rng::draw(std::span<std::byte> out) {
    have_ -= static_cast<uint32_t>(out.size());
    std::copy_n(bytes_.begin() + have_, out.size(), out.begin());
    std::fill_n(bytes_.begin() + have_, out.size(), std::byte{});
}

void Rng::seed_kernel() {
    if (!seeds_ || have_ < sizeof(Seed) || nexus::now() < next_seed_) {
        return;
    }
    Seed seed;
    draw(seed);
    next_seed_ = nexus::now() + seed_period;
    const auto sent = seeds_->try_send(seed);
    if (!sent && sent.error() != nexus::Errno::again) {
        seeds_.reset();
    }
    seed.fill(std::byte{});
}

void Rng::answer() {
    while (have_ != 0 && asks_ && answers_ && answer_one()) {
    }
}

// A request is released once its answer has been sent: whoever comes after a death in between answers again.
// False: there is none, or no room for an answer.
bool Rng::answer_one() {
    const auto message = asks_->end().peek();
    if (!message) {
        if (message.error() != nexus::Errno::again) {
            asks_.reset();
        }
        return false;
    }
    if (message->payload.size() != sizeof(nexus::EntropyRequest)) {
        asks_->end().close(ion::Close::broken);
        asks_.reset();
        return false;
    }
    if (answers_->end().full()) {
        return false;
    }
    nexus::EntropyRequest request;
    std::memcpy(&request, message->payload.data(), sizeof request);
    nexus::EntropyAnswer answer{.number = request.number, .size = 0, .bytes = {}};
    answer.size = std::min({request.size, have_, static_cast<uint32_t>(answer.bytes.size())});
    draw(std::span(answer.bytes).first(answer.size));
    const auto sent = answers_->try_send(answer);
    answer.bytes.fill(std::byte{});
    if (!sent) {
        answers_.reset();
        return false;
    }
    (void)asks_->try_receive(); // the one that was answered
    return true;
}

void Rng::want_more() {
    if (have_ < sizeof(Seed) && !offered_) {
        offered_ = true;
        queue_.offer(0, transport_.facts().physical + buffer_offset, buffer_size);
        transport_.notify(0);
    }
}

// Until the device interrupts, somebody asks, there is room for an answer, or the kernel is to be fed again.
void Rng::wait() {
    uint64_t channels = transport_.wait_channels();
    bool idle = !transport_.interrupted();
    if (asks_ && answers_) {
        asks_->end().arm();
        answers_->end().arm();
        channels |= asks_->wait_channels() | answers_->wait_channels();
        idle = idle && (have_ == 0 || asks_->end().empty() || answers_->end().full());
    }
    if (idle) {
        // While the device has the buffer there may be too little for the kernel.
        const auto deadline = seeds_ && !offered_ ? next_seed_ : nexus::never;
        (void)nexus::call::yield(channels, 0, nexus::deadline_of(deadline), 0);
    }
    if (asks_ && answers_) {
        asks_->end().disarm();
        answers_->end().disarm();
    }
}

} // namespace virtio
