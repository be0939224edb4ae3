// SPDX-License-Identifier: Apache-2.0
//
// Instructions of a function, counted one by one: a child runs it under ptrace.
#pragma once

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

namespace bench {

// Instructions of work(first), up to the end of the call; -1: this host does not let us look.
inline int64_t instructions(void (*work)(void*), void* with) {
    const pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        raise(SIGSTOP);
        work(with);
        raise(SIGUSR1); // a stop that the parent sees
        _exit(0);
    }
    int status = 0;
    int64_t count = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
        return -1;
    }
    while (true) {
        if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0 || waitpid(child, &status, 0) != child ||
            !WIFSTOPPED(status)) {
            return -1;
        }
        if (WSTOPSIG(status) == SIGUSR1) {
            break;
        }
        ++count;
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return count;
}

} // namespace bench
