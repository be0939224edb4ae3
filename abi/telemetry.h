/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running kernel tells about itself, and how it is asked (docs/tracing.md).
 *
 * It travels in the console's telemetry channel (abi/console.h): messages of a
 * header and `length` bytes each, nothing between them, little endian. Who asks
 * sends one of the request letters. An image says none of this unasked, except
 * that it sends its trace at its end if it was started with one.
 *
 * Internal to one commit: the kernel and the runner are always of one.
 */
#ifndef RUMPK_ABI_TELEMETRY_H
#define RUMPK_ABI_TELEMETRY_H

#include "abi/call.h"

/* Requests. */
#define RUMPK_REQUEST_REPORT 'r' /* SYSTEM, a CELL for each, one FIBER for each there is, END */
#define RUMPK_REQUEST_STOP 's'   /* the machine ends as if its cell had, and sends its trace */

enum rumpk_telemetry_kind {
    RUMPK_TELEMETRY_SYSTEM = 1, /* struct rumpk_meta_system of the boot core */
    RUMPK_TELEMETRY_FIBER = 2,  /* struct rumpk_telemetry_fiber */
    RUMPK_TELEMETRY_END = 3,    /* nothing: the report, or the trace, is whole */
    RUMPK_TELEMETRY_TRACE =
        4, /* struct rumpk_telemetry_trace, then the core's events, as rumpk_telemetry_trace says */
    RUMPK_TELEMETRY_CELL = 5 /* struct rumpk_telemetry_cell; behind SYSTEM, of cells with a supervisor */
};

struct rumpk_telemetry {
    uint32_t kind;   /* rumpk_telemetry_kind */
    uint32_t length; /* bytes that follow */
};

struct rumpk_telemetry_fiber {
    uint32_t number; /* what trace events call it; a control block's, used by one fiber after the other */
    uint32_t owner;  /* 1: it is the kernel's own; else twice the index of its cell's window */
    struct rumpk_meta_fiber fiber;
};

/* How a cell has ended last. What lives, begun anew or for the first time, has RUMPK_CELL_LIVES besides. */
enum rumpk_telemetry_end {
    RUMPK_CELL_LIVES = 1,
    RUMPK_CELL_ENDED_BY_ITSELF = 2,
    RUMPK_CELL_ENDED_BY_FAULT = 4,
    RUMPK_CELL_ENDED_BY_KERNEL = 6,
    RUMPK_CELL_ENDED_BY_HEARTBEAT = 8
};

struct rumpk_telemetry_cell {
    uint32_t window; /* index */
    uint32_t state;  /* rumpk_telemetry_end */
    uint64_t restarts;
    uint64_t ended_ns; /* when it ended last, since reset; this and all below 0 if it never did */
    int64_t code;      /* by itself: with which */
    uint64_t pc;       /* by a fault of its own */
    uint64_t address;  /* the same */
    uint8_t what[32];  /* the same: its text, NUL-terminated */
    uint8_t fiber[16]; /* who made it end; need not end in NUL */
    uint8_t name[32];  /* the cell's, NUL-terminated */
};

struct rumpk_telemetry_trace {
    uint32_t core;
    uint32_t sender;   /* 1: it is the core that sends this, where the machine met its end */
    uint64_t recorded; /* events since boot. The last n of them follow: number i stands at i modulo n */
    uint64_t raw;      /* raw time now ... */
    uint64_t ns;       /* ... which is so many nanoseconds since reset ... */
    uint64_t unit_ns;  /* ... and 2^32 of raw time are so many */
};

enum rumpk_trace_kind {
    RUMPK_TRACE_SWITCH = 1,    /* the core goes to `fiber`, 0: idle; detail: rumpk_trace_left */
    RUMPK_TRACE_WAKE = 2,      /* `fiber` became ready; detail: rumpk_trace_woken */
    RUMPK_TRACE_SPAWN = 3,     /* `fiber` begins; detail: its tier; value: low bits of its id's generation */
    RUMPK_TRACE_NAME = 4,      /* follows SPAWN: struct rumpk_trace_name */
    RUMPK_TRACE_END = 5,       /* `fiber` has ended */
    RUMPK_TRACE_INTERRUPT = 6, /* detail: rumpk_trace_source; value: the line of a device; of the
                                  timer how late, in units of RUMPK_TRACE_UNIT ns, 65535: or later */
    RUMPK_TRACE_RETURN = 7,    /* all that interrupted has been dealt with; a switch may follow */
    RUMPK_TRACE_MESSAGE = 8    /* sent to another core; value: which */
};

/* Why the core went away from the one before. */
enum rumpk_trace_left {
    RUMPK_TRACE_YIELDED = 0,
    RUMPK_TRACE_WAITS = 1,
    RUMPK_TRACE_OVERTAKEN = 2,   /* it rang or spawned somebody of a higher tier */
    RUMPK_TRACE_INTERRUPTED = 3, /* an interrupt readied somebody of a higher tier */
    RUMPK_TRACE_ENDED = 4
};

#define RUMPK_TRACE_UNIT 64u

enum rumpk_trace_woken { RUMPK_TRACE_BY_BELL = 0, RUMPK_TRACE_BY_DEADLINE = 1, RUMPK_TRACE_BY_ANSWER = 2 };

enum rumpk_trace_source { RUMPK_TRACE_TIMER = 0, RUMPK_TRACE_DEVICE = 1, RUMPK_TRACE_FROM_CORE = 2 };

struct rumpk_trace_event {
    uint64_t raw;   /* time */
    uint32_t fiber; /* number of rumpk_telemetry_fiber, 0: none */
    uint16_t value;
    uint8_t detail;
    uint8_t kind; /* rumpk_trace_kind */
};

/* The name of the fiber whose SPAWN stands before it. */
struct rumpk_trace_name {
    uint8_t name[15]; /* the first bytes of it, the rest 0 */
    uint8_t kind;     /* RUMPK_TRACE_NAME */
};

RUMPK_ASSERT(sizeof(struct rumpk_telemetry) == 8);
RUMPK_ASSERT(sizeof(struct rumpk_telemetry_fiber) == 8 + sizeof(struct rumpk_meta_fiber));
RUMPK_ASSERT(sizeof(struct rumpk_telemetry_cell) == 128);
RUMPK_ASSERT(sizeof(struct rumpk_telemetry_trace) == 40);
RUMPK_ASSERT(sizeof(struct rumpk_trace_event) == 16);
RUMPK_ASSERT(sizeof(struct rumpk_trace_name) == 16);

#endif
