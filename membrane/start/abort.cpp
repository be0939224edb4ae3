// SPDX-License-Identifier: Apache-2.0
//
// Abnormal ends: a line on standard error that says why, then exit code 134 (128 + SIGABRT, as a shell
// shows it), which the kernel reports as 123 and spells out.
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "nexus/console.h"
#include "start/process.h"

namespace nexus::detail {

namespace {

void say(const char* text) {
    (void)console::write(console::Stream::error, std::as_bytes(std::span(text, std::strlen(text))));
}

} // namespace

void die(const char* what) {
    say("libnexus: ");
    say(what);
    say("\n");
    end_cell(abort_code);
}

} // namespace nexus::detail

extern "C" {

[[noreturn]] void abort() {
    const auto handler = signal(SIGABRT, SIG_DFL);
    if (handler != SIG_DFL && handler != SIG_IGN && handler != SIG_ERR) {
        handler(SIGABRT);
    }
    nexus::detail::die("abort() was called");
}

[[noreturn]] void __assert_func(const char* file, int line, const char* function, const char* expression) {
    char number[12];
    itoa(line, number, 10);
    for (const char* part : {file, ":", static_cast<const char*>(number), ": ", function ? function : "",
                             function ? ": " : "", "assertion failed: ", expression, "\n"}) {
        nexus::detail::say(part);
    }
    nexus::detail::end_cell(nexus::detail::abort_code);
}

} // extern "C"
