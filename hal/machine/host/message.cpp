// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "abi/console.h"

namespace rumpk::hal {
namespace {

constexpr uint64_t line_size = 512;

struct Line {
    char text[line_size] = {};
    uint64_t length = 0;

    void add(const char* more) {
        while (*more != '\0' && length < line_size - 1) {
            text[length++] = *more++;
        }
    }
    void send() {
        text[length++] = '\n';
        write_all(STDERR_FILENO, reinterpret_cast<const uint8_t*>(text), length);
    }
};

// The default action of SIGPIPE, even if the signal was ignored or blocked when the
// process began: nobody reads any more, so there is nobody to tell.
[[noreturn]] void end_by_broken_pipe() {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &action, nullptr);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE); // a debugger may have taken the signal away
}

} // namespace

int64_t write_some(int descriptor, const uint8_t* bytes, uint64_t size) {
    for (;;) {
        ssize_t done = write(descriptor, bytes, size);
        if (done >= 0) {
            return done;
        }
        if (errno == EAGAIN) {
            // Somebody else made this open file non-blocking; it is not ours to change.
            struct pollfd wait = {descriptor, POLLOUT, 0};
            poll(&wait, 1, -1);
        } else if (errno == EPIPE) {
            end_by_broken_pipe();
        } else if (errno != EINTR) {
            return -1;
        }
    }
}

bool write_all(int descriptor, const uint8_t* bytes, uint64_t size) {
    while (size > 0) {
        int64_t done = write_some(descriptor, bytes, size);
        if (done < 0) {
            return false;
        }
        bytes += done;
        size -= static_cast<uint64_t>(done);
    }
    return true;
}

void say(const char* text, const char* detail) {
    Line line;
    line.add("rumpk: ");
    line.add(text);
    if (detail != nullptr) {
        line.add(": ");
        line.add(detail);
    }
    line.send();
}

void say_number(const char* text, uint64_t number) {
    char digits[19] = "0x0000000000000000";
    for (int at = 17; at > 1; at--, number >>= 4) {
        digits[at] = "0123456789abcdef"[number & 15];
    }
    Line line;
    line.add("rumpk: ");
    line.add(text);
    line.add(digits);
    line.send();
}

void die(const char* text, const char* detail) {
    say(text, detail);
    _exit(RUMPK_EXIT_USAGE);
}

void die_errno(const char* text) {
    die(text, strerrordesc_np(errno));
}

} // namespace rumpk::hal
