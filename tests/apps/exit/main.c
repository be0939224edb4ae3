// SPDX-License-Identifier: Apache-2.0
//
// exit N [HOW]: ends with code N. HOW: `return` from main (that is what happens without it), `exit`, `_exit`,
// `fiber` (the first fiber ends alone, and with it the program), `machine`, or `handlers`, which shows in
// which order handlers and destructors run.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/call.h"

static int64_t halt(uint64_t code, uint64_t scope) {
    const struct rumpk_systable* table = (const struct rumpk_systable*)RUMPK_SYSTABLE_ADDRESS;
    return ((rumpk_call)table->call[RUMPK_CALL_HALT])(code, scope, 0, 0, 0, 0);
}

static void first(void) {
    puts("first registered, last run");
}

static void second(void) {
    puts("second registered");
    atexit(first); // runs next, before the one registered earlier
}

static void many(void) {
    static int count;
    ++count;
    if (count == 100) {
        puts("one hundred handlers run");
    }
}

__attribute__((destructor)) static void destructor(void) {
    fputs("destructor, after all handlers", stdout); // no newline: flushed at the very end
}

static void register_handlers(void) {
    atexit(first);
    atexit(second);
    for (int i = 0; i < 100; ++i) {
        atexit(many);
    }
}

int main(int argc, char** argv) {
    const int code = argc > 1 ? atoi(argv[1]) : 0;
    const char* how = argc > 2 ? argv[2] : "return";
    if (strcmp(how, "handlers") == 0) {
        register_handlers();
    } else if (strcmp(how, "exit") == 0) {
        exit(code);
    } else if (strcmp(how, "_exit") == 0) {
        fputs("what stdio still holds is lost", stdout);
        _exit(code);
    } else if (strcmp(how, "fiber") == 0) {
        halt((uint64_t)code, RUMPK_SCOPE_FIBER);
    } else if (strcmp(how, "machine") == 0) {
        halt((uint64_t)code, RUMPK_SCOPE_MACHINE);
    }
    return code;
}
