/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured, as nanoseconds an operation unless said otherwise. `ours_` is compiled as kernel or
 * cell code and runs the shipped code through its public way; `peer_` is compiled for the host. All of it
 * runs on the cell's first fiber.
 */
#ifndef RUMPK_BENCH_FIBERS_BENCH_H
#define RUMPK_BENCH_FIBERS_BENCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the trampoline finds bench_start. */
#define BENCH_DOORSTEP 0x5f000000ull

/* Spawned fibers begin here, with a bench_entry. */
struct bench_entry {
    void (*function)(uint64_t);
    uint64_t argument;
};

/* The cell's first fiber; returning ends the program. */
void bench_start(void (*enter)(uint64_t));

/* ns of processor time that this process has used: what other programs take meanwhile does not count. Costs a
 * call of the host's kernel, some 0.3 us. */
uint64_t bench_now(void);
/* ns of the clock on the wall, for what two processors do together. */
uint64_t bench_clock(void);

void ours_begin(void (*enter)(uint64_t));
void (*ours_entry(void))(uint64_t); /* what it was given: where a spawned fiber begins */
uint32_t ours_fiber_slots(void);
double ours_switch(uint64_t switches);       /* the HAL table's context_switch */
double ours_plain_switch(uint64_t switches); /* the same without the control words; not shipped */
double ours_yield(uint32_t fibers, uint64_t rounds);
double ours_counted_yield(uint32_t fibers, uint64_t rounds); /* from here on times are counted */
double ours_pingpong(uint64_t rounds);
double ours_spawn_end(uint64_t count);
double ours_resume(uint64_t resumes);
double ours_task_bytes(uint32_t count); /* bytes a task */
uint64_t ours_memory_unused(void);      /* bytes that boot gave to nobody */
/* Bytes of a core's storage for so many fibers' deadlines. Boot takes it before the program's memory, whose
 * alignment to a large page swallows it: it does not show in the above. */
uint64_t ours_deadline_bytes(uint32_t fibers);

/* A round trip to a fiber on another core, which spins or parks until the message is there, and that of a
 * bare cache line between the two, in turns. 0: there is no other core. */
struct message_figures {
    double message, line;
};
struct message_figures ours_message(uint64_t trips, int parks);

/* One of the two contexts has raised these exception flags, the other none. */
double peer_switch(uint64_t switches, int raised);
double peer_yield(uint32_t fibers, uint64_t rounds);
double peer_pingpong(uint64_t rounds);
double peer_pingpong_cores(uint64_t rounds); /* wall-clock time, two processors */
double peer_spawn_end(uint64_t count);
double peer_resume(uint64_t resumes);

struct deadline_figures {
    double insert, cancel_insert, expire;
    double worst; /* the longest of all cancels with an insert and all expiries; the clock's two reads
                     included */
};
struct deadline_figures ours_deadlines(uint32_t pending, const uint64_t* keys, uint32_t operations);
struct deadline_figures peer_deadlines(uint32_t pending, const uint64_t* keys, uint32_t operations);

#ifdef __cplusplus
}
#endif

#endif
