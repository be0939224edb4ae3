// SPDX-License-Identifier: Apache-2.0
//
// Ways to wait that go through the host: a futex, a pipe, and the ring that parks on the futex.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "bench/rings/contestants.h"

namespace bench {

// A latched bell: rung before the sleep or during it, it ends the sleep.
class Bell {
  public:
    void ring() {
        if (rung_.exchange(1, std::memory_order_seq_cst) == 0) {
            syscall(SYS_futex, &rung_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
        }
    }
    void sleep() {
        while (rung_.exchange(0, std::memory_order_seq_cst) == 0) {
            syscall(SYS_futex, &rung_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
        }
    }

  private:
    alignas(128) std::atomic<uint32_t> rung_ = 0;
};

// One way of a round trip with nothing but the bell in it.
class BareFutex {
  public:
    static constexpr const char* name = "futex";
    explicit BareFutex(uint32_t) {}
    bool push(uint64_t) {
        bell_.ring();
        return true;
    }
    bool pop(uint64_t& sum) {
        bell_.sleep();
        sum += 0;
        return true;
    }

  private:
    Bell bell_;
};

// The ring, whose consumer parks at once when there is nothing.
class ParkedIon {
  public:
    static constexpr const char* name = "ion";
    explicit ParkedIon(uint32_t capacity)
        : geometry_(*ion::Geometry::make(capacity, 64)), memory_(allocate(geometry_.bytes())),
          out_(format(), geometry_), in_(memory_.get(), geometry_) {}

    bool push(uint64_t p) {
        if (!out_.push(1, std::as_bytes(std::span(&p, 1)))) {
            return false;
        }
        if (out_.peer_waiting()) {
            out_.count_bell();
            bell_.ring();
        }
        return true;
    }
    bool pop(uint64_t& sum) {
        auto message = in_.peek();
        while (!message) {
            in_.arm();
            message = in_.peek();
            if (!message) {
                in_.count_wait();
                bell_.sleep();
                message = in_.peek();
            }
            in_.disarm();
        }
        sum += message->payload.size();
        return in_.release().has_value();
    }

  private:
    void* format() {
        (void)ion::format({memory_.get(), geometry_.bytes()}, geometry_);
        return memory_.get();
    }

    ion::Geometry geometry_;
    Memory memory_;
    alignas(128) ion::BasicProducer<AcrossCores> out_;
    alignas(128) ion::BasicConsumer<AcrossCores> in_;
    Bell bell_;
};

class Pipe {
  public:
    static constexpr const char* name = "pipe";
    explicit Pipe(uint32_t) {
        if (pipe(ends_) != 0) {
            std::perror("rings: pipe");
            std::exit(1);
        }
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close(ends_[0]);
        close(ends_[1]);
    }
    bool push(uint64_t p) {
        char message[64] = {};
        std::memcpy(message, &p, sizeof p);
        return write(ends_[1], message, sizeof message) == sizeof message;
    }
    bool pop(uint64_t& sum) {
        char message[64];
        sum += static_cast<uint64_t>(read(ends_[0], message, sizeof message)) / sizeof message;
        return true;
    }

  private:
    int ends_[2] = {};
};

} // namespace bench
