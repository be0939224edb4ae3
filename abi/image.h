/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot table: what the image builder leaves behind the kernel, and the
 * kernel reads instead of any text file. All offsets count from the table's
 * first byte, which is page aligned.
 *
 *      0   rumpk_boot_table
 *     64   rumpk_boot_cell, one a cell, 128 bytes each
 *    ...   each cell's rumpk_meta_budget, 32 bytes each, where it has any
 *    ...   the rumpk_boot_channel, 32 bytes each, if there are any
 *    ...   the rumpk_boot_device, 48 bytes each, if there are any
 *    ...   the rumpk_boot_share, 32 bytes each, if there are any
 *    ...   each cell's ELF, at a multiple of 4096
 *    ...   each share's bytes, at a multiple of 4096
 *
 * Private between one kernel and the builder of the same commit; not ABI.
 */
#ifndef RUMPK_ABI_IMAGE_H
#define RUMPK_ABI_IMAGE_H

#include "abi/call.h"
#include "abi/systable.h"

#define RUMPK_BOOT_TABLE_MAGIC 0x474D4952u /* "RIMG" */
#define RUMPK_BOOT_TABLE_VERSION 1u

#define RUMPK_IMAGE_FUSED (1u << 0) /* one cell, kernel privilege, no gate */

struct rumpk_boot_table {
    uint32_t magic;
    uint32_t version;
    uint64_t size;     /* of everything, this table included */
    uint32_t checksum; /* CRC-32 (ISO 3309, as zlib's) of bytes [64, size) */
    uint32_t flags;
    uint32_t cells;           /* 1..RUMPK_WINDOW_COUNT; the image ends with the first */
    uint32_t console;         /* index of the cell whose standard input and output the console is */
    uint32_t channels_offset; /* of the first rumpk_boot_channel, a multiple of 4; the others follow it */
    uint32_t channels;        /* how many; 0..RUMPK_CHANNELS_MAX */
    uint32_t devices_offset;  /* the same of rumpk_boot_device */
    uint32_t devices;         /* 0..RUMPK_DEVICES_MAX */
    uint32_t shares_offset;   /* and of rumpk_boot_share */
    uint32_t shares;          /* 0..RUMPK_SHARES_MAX */
    uint8_t reserved[8];
};

/* A ring from one cell to another. Cells by their index in the table. The kernel's console is at one end of
 * those to its driver and from it: an image has both, of one cell, or neither. */
struct rumpk_boot_channel {
    uint8_t name[16]; /* NUL-terminated */
    uint32_t from;    /* a cell, or RUMPK_CHANNEL_KERNEL_CONSOLE: output, as abi/console.h says */
    uint32_t to;    /* another cell, RUMPK_CHANNEL_KERNEL: entropy for `random`, or _KERNEL_CONSOLE: input */
    uint32_t slots; /* as a ring is cut: abi/ring.h */
    uint32_t slot_size; /* bytes */
};

#define RUMPK_CHANNELS_MAX 64u
#define RUMPK_CHANNEL_KERNEL 0xffffffffu
#define RUMPK_CHANNEL_KERNEL_CONSOLE 0xfffffffeu
#define RUMPK_ENTROPY_SIZE 32u /* bytes of a message to it, of which each has to be unknown */

/* A device that a cell drives: the first of its kind that no entry before has taken. */
struct rumpk_boot_device {
    uint8_t name[16];       /* NUL-terminated; the driver's for it */
    uint8_t compatible[16]; /* what it is called in a device tree, NUL-terminated; "": it is virtio's */
    uint32_t cell;          /* index */
    uint32_t virtio;        /* device id of virtio 1.2, 5; 0: none of them, `compatible` says which */
    uint32_t memory;        /* bytes that it and its driver share, a multiple of 4096; 0: none */
    uint32_t reserved;
};

#define RUMPK_DEVICES_MAX 32u

/* Bytes of the image that some of its cells read where they are. Whole pages are seen, and what they have
 * behind the bytes is zeros: so many that the bytes end a page, or, where windows are memory, a power of two
 * of pages, which the builder puts at a multiple of its size: one region of the processor's shows it. */
struct rumpk_boot_share {
    uint8_t name[16]; /* NUL-terminated */
    uint32_t offset;  /* of the first byte, a multiple of 4096 */
    uint32_t size;    /* bytes; not 0 */
    uint32_t cells;   /* who reads it: bit n, the cell with index n; not 0 */
    uint32_t reserved;
};

#define RUMPK_SHARES_MAX 16u
/* Where they are seen, in the table's order, if addresses are translated; and so many bytes of them, in
 * pages, an image has at most. */
#define RUMPK_SHARES_BASE 0x04000000ull
#define RUMPK_SHARES_SIZE 0x01000000ull

enum rumpk_restart_policy {
    RUMPK_RESTART_NEVER = 0,
    RUMPK_RESTART_ON_FAULT = 1, /* when its own code faults, or the kernel ends its first or its last fiber */
    RUMPK_RESTART_ALWAYS = 2    /* also when it ends by itself */
};

/* What becomes of a cell that has ended. All zero but `manager`: RUMPK_RESTART_NEVER. */
struct rumpk_boot_supervisor {
    uint8_t policy;            /* rumpk_restart_policy */
    uint8_t manager;           /* the cell that may end it, by its index + 1; 0: nobody. RUMPK_CELL_WAITS */
    uint16_t limit;            /* so many restarts within a window; 1..RUMPK_RESTARTS_MAX */
    uint32_t window_us;        /* not 0 */
    uint32_t backoff_us;       /* wait before the first one; it doubles with each further one in the window */
    uint32_t backoff_limit_us; /* up to this; backoff_us at least */
    uint32_t heartbeat_us; /* longest that its fibers may run without a call, from RUMPK_HEARTBEAT_MIN on; 0:
                              for ever, as for a cell on several cores */
};

#define RUMPK_RESTARTS_MAX 1000u
/* In `manager`: it begins when that cell spawns it. Neither the first nor the console's. */
#define RUMPK_CELL_WAITS 0x80u
#define RUMPK_HEARTBEAT_MIN 1000u

struct rumpk_boot_cell {
    uint8_t name[32]; /* NUL-terminated */
    uint64_t elf_offset;
    uint64_t elf_size;
    uint64_t memory;       /* bytes behind the start of the window: program and heap; a multiple of 4096 */
    uint64_t map_memory;   /* bytes that `map` may hand out; a multiple of 4096 */
    uint32_t window;       /* index */
    uint32_t home_tier;    /* rumpk_tier */
    uint32_t tier_ceiling; /* highest tier (lowest number) it may spawn in */
    uint32_t cores;        /* how many its fibers may run on, the one that boots among them; 1..64 */
    uint32_t fibers;       /* slots, the first fiber included; 1..16384 */
    uint32_t main_stack;   /* bytes of the first fiber's stack; a multiple of 4096 */
    uint32_t fiber_rings;  /* bytes for the rings of each further fiber; a multiple of 4096, 0: none */
    uint32_t
        fiber_stack; /* bytes of a pooled stack: 1024 or 2048, with a canary; 0: 4096, above a guard page */
    uint32_t budgets_offset; /* of its first rumpk_meta_budget, a multiple of 4; the others follow it */
    uint32_t budgets;        /* how many; 0..RUMPK_BUDGETS_MAX. Over all of them at most `fibers` fibers */
    uint32_t first_budget;   /* the first fiber's: 1..budgets, 0: none */
    struct rumpk_boot_supervisor supervisor;
};

#define RUMPK_BUDGETS_MAX 16u

RUMPK_ASSERT(sizeof(struct rumpk_boot_table) == 64);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, size) == 8);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, checksum) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, flags) == 20);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, cells) == 24);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, console) == 28);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, channels_offset) == 32);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, channels) == 36);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, devices_offset) == 40);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, devices) == 44);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, shares_offset) == 48);
RUMPK_ASSERT(offsetof(struct rumpk_boot_table, shares) == 52);
RUMPK_ASSERT(sizeof(struct rumpk_boot_share) == 32);
RUMPK_ASSERT(offsetof(struct rumpk_boot_share, offset) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_boot_share, cells) == 24);
RUMPK_ASSERT(RUMPK_SHARES_BASE + RUMPK_SHARES_SIZE <=
             0x08000000); /* window A, where addresses are translated */
RUMPK_ASSERT(sizeof(struct rumpk_boot_device) == 48);
RUMPK_ASSERT(offsetof(struct rumpk_boot_device, compatible) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_boot_device, cell) == 32);
RUMPK_ASSERT(offsetof(struct rumpk_boot_device, virtio) == 36);
RUMPK_ASSERT(offsetof(struct rumpk_boot_device, memory) == 40);
RUMPK_ASSERT(sizeof(struct rumpk_boot_channel) == 32);
RUMPK_ASSERT(offsetof(struct rumpk_boot_channel, from) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_boot_channel, to) == 20);
RUMPK_ASSERT(offsetof(struct rumpk_boot_channel, slots) == 24);
RUMPK_ASSERT(offsetof(struct rumpk_boot_channel, slot_size) == 28);
RUMPK_ASSERT(sizeof(struct rumpk_boot_cell) == 128);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, elf_offset) == 32);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, memory) == 48);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, map_memory) == 56);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, window) == 64);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, home_tier) == 68);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, tier_ceiling) == 72);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, cores) == 76);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, fibers) == 80);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, main_stack) == 84);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, fiber_rings) == 88);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, fiber_stack) == 92);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, budgets_offset) == 96);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, budgets) == 100);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, first_budget) == 104);
RUMPK_ASSERT(offsetof(struct rumpk_boot_cell, supervisor) == 108);
RUMPK_ASSERT(sizeof(struct rumpk_boot_supervisor) == 20);

/* How a window is laid out: offsets from its base. Program and heap grow from
 * the bottom; what has a fixed place stands at the top. */
#define RUMPK_WINDOW_MAP 0x04000000ull    /* what `map` hands out: up to 32 MiB */
#define RUMPK_WINDOW_STACKS 0x06000000ull /* fiber stacks: 16 MiB */
#define RUMPK_WINDOW_RINGS 0x07000000ull  /* rings of spawned fibers: slot i at + i * fiber_rings: 15 MiB */
#define RUMPK_WINDOW_BOOT_RINGS 0x07f00000ull /* the six boot rings: 512 KiB */
#define RUMPK_WINDOW_CHANNELS 0x07f80000ull   /* its senders' ends, then its devices: 512 KiB, whole pages */

#endif
