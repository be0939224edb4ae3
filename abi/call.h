/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The twelve calls and the meta slot: shapes, flags and argument structs.
 *
 * Every call takes up to six 64-bit arguments and returns int64: >= 0 a result,
 * < 0 a negated errno (abi/errno.h). Calls are control operations; data goes
 * over rings. A bad pointer, length, handle, flag or number gets EFAULT,
 * EINVAL, EBADF or ENOSYS and nothing else happens. An argument struct begins
 * with its own size, is copied once before it is looked at, and its reserved
 * fields are zero. Every call may be made from any fiber; none may be made from
 * inside another. docs/calls/ has a page for each.
 *
 * Part of the frozen ABI.
 */
#ifndef RUMPK_ABI_CALL_H
#define RUMPK_ABI_CALL_H

#include "abi/errno.h"
#include "abi/systable.h"

/* The general shape; a call ignores the arguments it does not list. */
typedef int64_t (*rumpk_call)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* Fiber and cell ids: generation in the upper 32 bits, slot in the lower, so
 * that the id of an ended fiber never names its successor. Never 0; bit 63 is
 * never set. */
typedef uint64_t rumpk_fiber_id;

/* Tiers of the Spectrum, highest first. Lower number runs first. */
enum rumpk_tier {
    RUMPK_TIER_PHOTON = 0,
    RUMPK_TIER_MATTER = 1,
    RUMPK_TIER_GRAVITY = 2,
    RUMPK_TIER_VOID = 3,
    RUMPK_TIER_COUNT = 4
};

/* map: handle, offset, len, rights -> address. unveil uses READ, WRITE, EXEC, CREATE. */
#define RUMPK_RIGHT_READ (1u << 0)
#define RUMPK_RIGHT_WRITE (1u << 1)
#define RUMPK_RIGHT_EXEC (1u << 2) /* never together with WRITE: EINVAL */
#define RUMPK_RIGHT_CREATE (1u << 3)
#define RUMPK_HANDLE_MEMORY (~0ull) /* zeroed anonymous memory from the cell's own pool; offset must be 0 */

/* read and write descriptors */
#define RUMPK_FD_INPUT 0u
#define RUMPK_FD_OUTPUT 1u
#define RUMPK_IO_MAX 65536u /* most bytes one read, write or random takes; more is EINVAL */

/* yield(wait, bell, deadline, flags, peers, count) */
#define RUMPK_CHANNEL_RX (1ull << 0) /* the fiber's own rx ring */
#define RUMPK_CHANNEL_TX (1ull << 1) /* the fiber's own tx ring */
/* bits 2..62: capability slots that hold a channel; bit 63: EINVAL (a result is never negative).
 * RUMPK_CHANNEL_CONSOLE is slot 2: the boot rings rx and tx, for any fiber of the cell. A fiber
 * that waits on it wakes when the console driver has published to rx or released from tx; the
 * first fiber may as well wait on RX and TX, which are the same two rings seen as its own. */
#define RUMPK_CHANNEL_CONSOLE (1ull << 2)
#define RUMPK_YIELD_NOWAIT (1u << 0) /* ring only; return at once */
/* First of all, every core that runs fibers passes a full memory barrier, and the caller with them:
 * what parks on a ring whose other end is on another core says it is waiting, passes this, and looks
 * again (docs/rings.md). On one core it costs nothing. */
#define RUMPK_YIELD_BARRIER (1u << 1)
/* Instead of ringing the one peer: should it end otherwise than by itself, by a kill or by the kernel, it
 * rings the caller's rx, once. Of several that asked, the last. On the cell's home core; EPERM elsewhere. */
#define RUMPK_YIELD_END (1u << 2)
#define RUMPK_PEER_TX (1ull << 63) /* in a peers entry: ring the fiber's tx channel, not its rx */
#define RUMPK_PEERS_MAX 64u
#define RUMPK_NEVER (~0ull) /* no deadline; other deadlines are absolute monotonic ns */

/* time */
enum rumpk_clock {
    RUMPK_CLOCK_MONOTONIC = 0, /* ns since reset */
    RUMPK_CLOCK_WALL = 1       /* ns since 1970-01-01 UTC; ENODEV without a clock chip */
};

/* halt(code, scope) */
enum rumpk_scope { RUMPK_SCOPE_FIBER = 0, RUMPK_SCOPE_CELL = 1, RUMPK_SCOPE_MACHINE = 2 };
#define RUMPK_EXIT_MAX 123 /* 0..123 are the application's; the runner's and the kernel's own are above */

/* spawn(args) -> fiber id */
typedef void (*rumpk_entry)(uint64_t argument); /* returning is halt(0, FIBER) */

#define RUMPK_SPAWN_BARE                                                                                     \
    (1u << 0) /* touches rings only: no libc, no heap; may leave the home tier and core */
/* Not a fiber: the cell of the capability in slot `entry`, which waits for that. The call gives the slot. */
#define RUMPK_SPAWN_CELL (1u << 1)
#define RUMPK_SPAWN_ANY_CORE 0xffffffffu /* the caller's core */

struct rumpk_spawn_args {
    uint32_t size;  /* 80 */
    uint32_t flags; /* RUMPK_SPAWN_* */
    uint64_t entry; /* rumpk_entry inside the cell's executable memory */
    uint64_t argument;
    uint32_t tier;       /* rumpk_tier */
    uint32_t core;       /* index, or RUMPK_SPAWN_ANY_CORE */
    uint64_t stack_base; /* 0: a pooled stack of stack_size; else the cell's own memory, 16-byte aligned */
    uint32_t stack_size; /* bytes; 0: the pool's, 4096 unless the manifest says less */
    uint32_t rx_slots;   /* 0: no rx ring; else a power of two */
    uint32_t rx_slot_size;
    uint32_t tx_slots;
    uint32_t tx_slot_size;
    uint32_t budget;  /* number of one of the cell's, from 1; 0: the caller's, none if it has none */
    uint8_t name[16]; /* for traces and panics; need not end in NUL */
};

/* A slot of a cell that the caller manages, by its own slot for that cell: for `meta`, which looks at it, and
 * for `kill`, which takes away for good what is in it. Below 2^32, as no fiber's id is. */
#define RUMPK_THEIR_SLOT(cell, slot) ((uint64_t)(cell) | ((uint64_t)(slot) + 1) << 8)

/* kill(id, reason): the reason, 1..255, shows as -(reason) in rumpk_event_fiber_end. */
#define RUMPK_KILL_REASON_MAX 255u
/* Shows there for a fiber that used up its budget a third time. */
#define RUMPK_END_BUDGET (-256)

/* meta(op, buf, len, index): read-only. Fills at most len bytes and returns
 * the bytes there are, so that a short buffer is noticed; len 0 asks for the size. */
enum rumpk_meta_op {
    RUMPK_META_NULL = 0, /* returns 0 and does nothing: the price of a call */
    RUMPK_META_SELF = 1, /* rumpk_meta_self */
    RUMPK_META_CAPS = 2, /* rumpk_meta_cap of slot `index`, as all slots perhaps RUMPK_THEIR_SLOT; EBADF where
                          * it is empty. Of what was taken away the epoch is left, and has moved */
    RUMPK_META_RING =
        3, /* rumpk_ring_descriptor: index 0 own rx, 1 own tx; (id << 1 | 0 or 1) that fiber's */
    RUMPK_META_SYSTEM = 4,  /* rumpk_meta_system */
    RUMPK_META_FIBER = 5,   /* rumpk_meta_fiber of fiber id `index`; 0 is the caller */
    RUMPK_META_ARGS = 6,    /* bytes: the boot arguments, percent-encoded and separated by single spaces */
    RUMPK_META_VERSION = 7, /* bytes: "rumpk <version> <machine>" */
    RUMPK_META_BUDGET = 8, /* rumpk_meta_budget of the cell's budget `index`, from 1; EINVAL: there is none */
    RUMPK_META_CHANNEL =
        9, /* rumpk_meta_channel of slot `index`; EBADF where it holds no channel between cells */
    RUMPK_META_VIEWS = 10,  /* rumpk_meta_views; ENOSYS where an image has no views */
    RUMPK_META_DEVICE = 11, /* rumpk_meta_device of slot `index`; EBADF where it holds no device */
    RUMPK_META_SHARE = 12,  /* rumpk_meta_share of slot `index`; EBADF where it holds no share */
    RUMPK_META_CELL = 13    /* rumpk_meta_cell of slot `index`; EBADF where it holds no cell */
};

/* Bit numbers of rumpk_meta_self.promises; names and meaning follow OpenBSD's pledge(2). ERROR, the last
 * one, is no permission and has no bit there. */
enum rumpk_promise {
    RUMPK_PROMISE_STDIO = 0,
    RUMPK_PROMISE_RPATH = 1,
    RUMPK_PROMISE_WPATH = 2,
    RUMPK_PROMISE_CPATH = 3,
    RUMPK_PROMISE_DPATH = 4,
    RUMPK_PROMISE_TMPPATH = 5,
    RUMPK_PROMISE_INET = 6,
    RUMPK_PROMISE_MCAST = 7,
    RUMPK_PROMISE_FATTR = 8,
    RUMPK_PROMISE_CHOWN = 9,
    RUMPK_PROMISE_FLOCK = 10,
    RUMPK_PROMISE_UNIX = 11,
    RUMPK_PROMISE_DNS = 12,
    RUMPK_PROMISE_GETPW = 13,
    RUMPK_PROMISE_SENDFD = 14,
    RUMPK_PROMISE_RECVFD = 15,
    RUMPK_PROMISE_TAPE = 16,
    RUMPK_PROMISE_TTY = 17,
    RUMPK_PROMISE_PROC = 18,
    RUMPK_PROMISE_EXEC = 19,
    RUMPK_PROMISE_PROT_EXEC = 20,
    RUMPK_PROMISE_SETTIME = 21,
    RUMPK_PROMISE_PS = 22,
    RUMPK_PROMISE_VMINFO = 23,
    RUMPK_PROMISE_ID = 24,
    RUMPK_PROMISE_PF = 25,
    RUMPK_PROMISE_ROUTE = 26,
    RUMPK_PROMISE_WROUTE = 27,
    RUMPK_PROMISE_AUDIO = 28,
    RUMPK_PROMISE_VIDEO = 29,
    RUMPK_PROMISE_BPF = 30,
    RUMPK_PROMISE_UNVEIL = 31,
    RUMPK_PROMISE_ERROR = 32
};

struct rumpk_meta_self {
    uint32_t size;
    uint32_t cell;  /* index of the window */
    uint64_t fiber; /* the caller */
    uint64_t window_base;
    uint64_t heap_base; /* first byte after the program, page aligned, readable and writable ... */
    uint64_t heap_end;  /* ... up to here, end exclusive */
    uint32_t home_tier;
    uint32_t home_core;
    uint32_t fiber_slots; /* fibers the cell may have at once, the first included */
    uint32_t promises;    /* still held: bit n is rumpk_promise n */
};

struct rumpk_meta_cap {
    uint32_t size;
    uint32_t kind;   /* rumpk_cap_kind */
    uint32_t rights; /* RUMPK_RIGHT_* */
    uint32_t epoch;
    uint64_t object;
};

/* Slots 0 and 1 stay empty: their numbers mean a fiber's own rings. */
#define RUMPK_CAP_SLOTS 64u
enum rumpk_cap_kind {
    RUMPK_CAP_NONE = 0,
    RUMPK_CAP_CONSOLE = 1, /* standard input and output; slot 2 of a cell that has it */
    RUMPK_CAP_MACHINE = 2, /* halt the machine; slot 3 of a cell that has it */
    RUMPK_CAP_CHANNEL =
        3, /* one end of a channel to another cell: with READ it receives, with WRITE it sends */
    RUMPK_CAP_DEVICE =
        4, /* a device that the cell drives, and the end of a channel on which its interrupts come */
    RUMPK_CAP_SHARE = 5, /* bytes of the image that the cell and others read */
    RUMPK_CAP_CELL = 6   /* another cell, which this one may let begin, and end: spawn and kill */
};

struct rumpk_meta_channel {
    uint32_t size;
    uint32_t rights; /* RUMPK_RIGHT_READ or _WRITE, as in its rumpk_meta_cap */
    uint64_t base;   /* of the ring, whose geometry follows as in rumpk_ring_descriptor */
    uint32_t slots;
    uint32_t slot_size;
    uint8_t name[16]; /* the image's for it, NUL-terminated */
};

struct rumpk_meta_device {
    uint32_t size;
    uint32_t virtio;    /* device id of virtio 1.2, 5; 0: it is none of those */
    uint64_t registers; /* address of the first, readable and writable; in the cell's window where addresses
                           are translated */
    uint64_t registers_size; /* bytes of them */
    uint64_t memory;         /* what the device can be told to use, readable and writable; whole pages */
    uint64_t memory_size;    /* bytes; 0: none */
    uint64_t physical;       /* where the device finds that memory */
    uint8_t name[16];        /* the cell's for it, NUL-terminated */
};

/* Bytes that stand in the image once, and that every cell which holds them reads at the same address. */
struct rumpk_meta_share {
    uint32_t size;
    uint32_t cells;   /* that hold them */
    uint64_t base;    /* address of the first byte, which begins a page */
    uint64_t bytes;   /* how many; behind them zeros to the end of what can be read */
    uint8_t name[16]; /* the image's for it, NUL-terminated */
};

enum rumpk_managed_state {
    RUMPK_MANAGED_WAITS = 0, /* to be spawned */
    RUMPK_MANAGED_LIVES = 1,
    RUMPK_MANAGED_ENDED = 2 /* for good, or it is about to begin anew */
};

/* Another cell that the asking one manages. */
struct rumpk_meta_cell {
    uint32_t size;
    uint32_t state;    /* rumpk_managed_state */
    uint64_t restarts; /* how often it has begun anew */
    uint8_t name[32];  /* NUL-terminated */
};

/* A message of a device's channel: it has interrupted. It stays quiet until the message has been released. */
struct rumpk_interrupt {
    uint64_t count; /* so often, this one included, since boot */
};

/* A message from the kernel's console to its driver. Messages the other way are of one byte each: what the
 * device has received. */
struct rumpk_console_output {
    uint32_t
        given; /* 0; the driver's: so many bytes the device has. A later life of the driver goes on there */
    uint8_t bytes[28]; /* as many as the message's length says, less 4 */
};

struct rumpk_meta_views {
    uint32_t size;
    uint32_t reserved;
    uint64_t flushes; /* times that this core forgot translations because it went to another view */
};

struct rumpk_meta_system {
    uint32_t size;
    uint32_t cores;
    uint64_t uptime_ns;
    uint64_t idle_ns;     /* spent waiting for interrupts on this core */
    uint64_t switches;    /* from one fiber to another */
    uint64_t preemptions; /* of which on the return of an interrupt */
    uint64_t timer_interrupts;
    uint64_t timer_empty; /* of which served no deadline */
    uint64_t device_interrupts;
    uint64_t wakes;
    uint64_t memory_total;           /* bytes */
    uint64_t memory_unused;          /* bytes that boot gave to nobody */
    uint64_t allocations_after_boot; /* 0, always */
};

struct rumpk_meta_fiber {
    uint32_t size;
    uint32_t tier;
    uint32_t core;
    uint32_t state; /* rumpk_fiber_state */
    uint64_t id;
    uint64_t switches;
    uint64_t run_ns; /* since counted_since_ns */
    uint8_t name[16];
    uint64_t wake_max_ns;      /* longest from being woken to running, since counted_since_ns */
    uint64_t counted_since_ns; /* when this core began to count times: at the first question for them */
    uint32_t budget;           /* number; 0: none */
    uint32_t strikes;          /* times it has used that up */
};

/* Run time that a fiber may use in each window. */
struct rumpk_meta_budget {
    uint32_t size;
    uint32_t fibers;    /* that may have it at once; 1 or more */
    uint32_t run_us;    /* 1 or more, less than the window */
    uint32_t window_us; /* microseconds */
    uint8_t name[16];   /* NUL-terminated */
};

enum rumpk_fiber_state {
    RUMPK_FIBER_FREE = 0,
    RUMPK_FIBER_READY = 1,
    RUMPK_FIBER_RUNNING = 2,
    RUMPK_FIBER_WAITING = 3
};

/* pledge(promises): the address of a NUL-terminated list of names separated by
 * spaces, at most 255 bytes. Names and meaning follow OpenBSD's pledge(2). */
#define RUMPK_PLEDGE_MAX 255u
/* unveil(path, len, rights): an absolute path; path 0 and len 0 lock the table. */
#define RUMPK_PATH_MAX 255u
#define RUMPK_UNVEIL_MAX 32u

RUMPK_ASSERT(sizeof(struct rumpk_spawn_args) == 80);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, entry) == 8);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, argument) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, tier) == 24);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, core) == 28);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, stack_base) == 32);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, stack_size) == 40);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, rx_slots) == 44);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, rx_slot_size) == 48);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, tx_slots) == 52);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, tx_slot_size) == 56);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, budget) == 60);
RUMPK_ASSERT(offsetof(struct rumpk_spawn_args, name) == 64);
RUMPK_ASSERT(RUMPK_PROMISE_UNVEIL == 31);
RUMPK_ASSERT(sizeof(struct rumpk_meta_self) == 56);
RUMPK_ASSERT(sizeof(struct rumpk_meta_cap) == 24);
RUMPK_ASSERT(sizeof(struct rumpk_meta_channel) == 40);
RUMPK_ASSERT(sizeof(struct rumpk_meta_device) == 64);
RUMPK_ASSERT(offsetof(struct rumpk_meta_device, name) == 48);
RUMPK_ASSERT(sizeof(struct rumpk_meta_share) == 40);
RUMPK_ASSERT(sizeof(struct rumpk_meta_cell) == 48);
RUMPK_ASSERT(sizeof(struct rumpk_interrupt) == 8);
RUMPK_ASSERT(sizeof(struct rumpk_console_output) == 32);
RUMPK_ASSERT(sizeof(struct rumpk_meta_views) == 16);
RUMPK_ASSERT(sizeof(struct rumpk_meta_system) == 96);
RUMPK_ASSERT(sizeof(struct rumpk_meta_fiber) == 80);
RUMPK_ASSERT(offsetof(struct rumpk_meta_fiber, wake_max_ns) == 56);
RUMPK_ASSERT(sizeof(struct rumpk_meta_budget) == 32);

#endif
