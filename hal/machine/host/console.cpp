// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/console.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "abi/console.h"
#include "hal/machine/host/byte_ring.h"
#include "hal/machine/host/core.h"
#include "hal/machine/host/futex.h"
#include "hal/machine/host/interrupt.h"
#include "hal/machine/host/message.h"

namespace rumpk::hal {
namespace {

constexpr uint64_t ring_size = 65536;

void call(Request& request) {
    if (request.take()) {
        futex_wake(request.word());
    }
}

// Blocks the calling thread until `ready()` holds; `request` is what the other side takes to end it.
template <typename Ready>
void sleep_until(Request& request, Ready ready) {
    bool asked = false;
    while (!ready()) {
        request.set();
        asked = true;
        if (ready()) {
            break;
        }
        futex_wait(request.word(), 1);
    }
    if (asked) {
        call(request); // another thread may sleep on the request that we renewed
    }
}

struct Input {
    ByteRing<ring_size> ring;
    std::atomic<bool> wanted = false; // somebody has read: before that nothing is taken from the descriptor
    std::atomic<bool> ended = false;  // set after the last byte is in the ring
    Request core;                     // the core came up short: raise the line
    Request thread;                   // the thread waits for room, or to be wanted
};
constinit Input input;

// Output keeps the order of its channels: the ring holds the bytes of all, and each write adds a run.
struct Run {
    uint64_t end;     // ring position behind its last byte
    uint32_t channel; // hal_console_channel
};
constexpr uint64_t run_count = 1024;

struct Output {
    ByteRing<ring_size> ring;
    Run runs[run_count] = {};
    alignas(64) std::atomic<uint64_t> runs_tail = 0; // the core's line
    alignas(64) std::atomic<uint64_t> runs_head = 0; // the thread's
    uint64_t written = 0;                            // ring position, the thread's own copy
    Request core;                                    // the core came up short: raise the line
    Request thread;                                  // the thread waits for something to write
    Request flush;                                   // somebody waits for the end of the last run
};
constinit Output output;

// What is asked from outside. Nobody sends letters faster than they are taken, but one who
// does loses some.
constinit ByteRing<64> requests;
constinit int telemetry_descriptor = -1;

int descriptor_of(uint32_t channel) {
    if (channel == HAL_CONSOLE_TELEMETRY) {
        return telemetry_descriptor;
    }
    return channel == HAL_CONSOLE_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
}

// Bytes from standard input; 0: it has ended, or cannot be read any more.
uint64_t read_some(Bytes to) {
    for (;;) {
        ssize_t got = read(STDIN_FILENO, to.at, to.size);
        if (got >= 0) {
            return static_cast<uint64_t>(got);
        }
        if (errno == EAGAIN) {
            struct pollfd wait = {STDIN_FILENO, POLLIN, 0};
            poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return 0;
        }
    }
}

void* input_thread(void*) {
    sleep_until(input.thread, [] { return input.wanted.load(std::memory_order_relaxed); });
    for (;;) {
        sleep_until(input.thread, [] { return input.ring.room().size > 0; });
        uint64_t got = read_some(input.ring.room());
        if (got == 0) {
            // Release pairs with the acquire in console_read: all bytes are in the ring before.
            input.ended.store(true, std::memory_order_release);
        } else {
            input.ring.fill(got);
        }
        if (input.core.take()) {
            device_raise();
        }
        if (got == 0) {
            return nullptr;
        }
    }
}

void* request_thread(void*) {
    uint8_t letters[16];
    for (;;) {
        ssize_t got = read(telemetry_descriptor, letters, sizeof(letters));
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return nullptr; // whoever asked is gone
        }
        if (got > 0) {
            requests.put(letters, static_cast<uint64_t>(got));
            device_raise();
        }
    }
}

[[noreturn]] void lost_output(int descriptor) {
    say(descriptor == STDOUT_FILENO ? "standard output cannot be written"
                                    : "standard error cannot be written",
        strerrordesc_np(errno));
    _exit(RUMPK_EXIT_EMULATOR);
}

// Writes the next piece: runs of one channel together, as far as they lie in one piece.
void write_piece() {
    uint64_t head = output.runs_head.load(std::memory_order_relaxed);
    // Acquire pairs with the release in console_write: without it the runs, or their bytes, might
    // not be complete yet.
    uint64_t tail = output.runs_tail.load(std::memory_order_acquire);
    uint32_t channel = output.runs[head % run_count].channel;
    uint64_t end = output.written;
    for (uint64_t at = head; at != tail && output.runs[at % run_count].channel == channel; at++) {
        end = output.runs[at % run_count].end;
    }
    Bytes piece = output.ring.content();
    if (piece.size > end - output.written) {
        piece.size = end - output.written;
    }
    int64_t done = write_some(descriptor_of(channel), piece.at, piece.size);
    if (done < 0) {
        lost_output(descriptor_of(channel));
    }
    output.written += static_cast<uint64_t>(done);
    output.ring.drop(static_cast<uint64_t>(done));
    while (head != tail && output.runs[head % run_count].end <= output.written) {
        head++;
    }
    // Release pairs with console_write, which may fill the entry anew, and with console_flush.
    output.runs_head.store(head, std::memory_order_release);
}

bool output_empty() {
    return output.runs_head.load(std::memory_order_acquire) ==
           output.runs_tail.load(std::memory_order_acquire);
}

void* output_thread(void*) {
    for (;;) {
        sleep_until(output.thread, [] { return !output_empty(); });
        write_piece();
        if (output_empty()) {
            call(output.flush);
        }
        if (output.core.take()) {
            device_raise();
        }
    }
}

// Bytes that fit, as one run; 0: full.
uint64_t write_run(uint32_t channel, const uint8_t* buffer, uint64_t size) {
    uint64_t tail = output.runs_tail.load(std::memory_order_relaxed);
    // Acquire pairs with write_piece: the entry is not read any more.
    if (tail - output.runs_head.load(std::memory_order_acquire) == run_count) {
        return 0;
    }
    uint64_t done = output.ring.put(buffer, size);
    if (done > 0) {
        output.runs[tail % run_count] = {.end = output.ring.position(), .channel = channel};
        output.runs_tail.store(tail + 1, std::memory_order_release);
        call(output.thread);
    }
    return done;
}

} // namespace

int64_t console_read(uint8_t* buffer, uint64_t size) {
    if (!input.wanted.load(std::memory_order_relaxed)) {
        input.wanted.store(true, std::memory_order_relaxed);
        call(input.thread);
    }
    input.core.withdraw();
    uint64_t done = input.ring.take(buffer, size);
    if (done < size) {
        // Short: ask for the interrupt, then look again, for what came just before anybody had
        // asked. The end is looked at before the ring: once it is set nothing more gets in there.
        input.core.set();
        bool ended = input.ended.load(std::memory_order_acquire);
        done += input.ring.take(buffer + done, size - done);
        if (done == size) {
            input.core.withdraw();
        } else if (ended && done == 0) {
            input.core.withdraw();
            return -RUMPK_EPIPE;
        } else if (ended && input.core.take()) {
            device_raise(); // for the end itself, which the next read tells
        }
    }
    if (done > 0) {
        call(input.thread); // there is room
    }
    return static_cast<int64_t>(done);
}

int64_t console_write(uint32_t channel, const uint8_t* buffer, uint64_t size) {
    if (descriptor_of(channel) < 0) {
        return static_cast<int64_t>(size);
    }
    output.core.withdraw();
    uint64_t done = write_run(channel, buffer, size);
    if (done < size) {
        output.core.set();
        done += write_run(channel, buffer + done, size - done);
        if (done == size) {
            output.core.withdraw();
        }
    }
    return static_cast<int64_t>(done);
}

void console_put(uint32_t channel, const uint8_t* buffer, uint64_t size) {
    console_flush();
    int descriptor = descriptor_of(channel);
    if (descriptor >= 0 && !write_all(descriptor, buffer, size) && descriptor == STDOUT_FILENO) {
        lost_output(descriptor);
    }
}

void console_flush() {
    sleep_until(output.flush, [] { return output_empty(); });
}

uint32_t console_request() {
    uint8_t letter = 0;
    return requests.take(&letter, 1) != 0 ? letter : 0;
}

void console_make(int telemetry) {
    if (telemetry >= 0) {
        telemetry_descriptor = telemetry;
        device_thread_make(request_thread, nullptr);
    }
    device_thread_make(input_thread, nullptr);
    device_thread_make(output_thread, nullptr);
}

} // namespace rumpk::hal
