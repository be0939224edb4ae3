/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SysTable: the one thing an application and the kernel agree on.
 *
 * 240 bytes at a fixed address, written once before the first cell runs and
 * read-only from then on (founding decision A2). Applications hard-code the
 * address of their architecture; there is no discovery. Little endian, and a
 * pointer takes eight bytes on every machine, 8-bit ones included.
 *
 * Compiled on both sides. Frozen: no field moves, ever.
 */
#ifndef RUMPK_ABI_SYSTABLE_H
#define RUMPK_ABI_SYSTABLE_H

#include <stddef.h>
#include <stdint.h>

#define RUMPK_SYSTABLE_MAGIC 0x4E585553u /* "SUXN" in memory: the bytes 53 55 58 4E */
#define RUMPK_SYSTABLE_SIZE 240u
#define RUMPK_ABI_VERSION 1u

/* Where the table stands, by architecture. The build picks one per machine and
 * hands it to both sides as RUMPK_SYSTABLE_ADDRESS. */
#define RUMPK_SYSTABLE_RISCV64 0x83000000ull
#define RUMPK_SYSTABLE_AARCH64 0x50000000ull
#define RUMPK_SYSTABLE_X86_64 0x50000000ull
#define RUMPK_SYSTABLE_HOSTED 0x50000000ull

/* features */
#define RUMPK_FEATURE_GATED (1ull << 0) /* calls trap: cells run at user privilege */
#define RUMPK_FEATURE_MMU (1ull << 1)   /* rights are enforced by page tables */
#define RUMPK_FEATURE_PMP (1ull << 2)   /* rights are enforced by protected regions */
#define RUMPK_FEATURE_SMP (1ull << 3)   /* more than one core runs fibers */

/* Index of each call in rumpk_systable.call, in the founding text's order. */
enum rumpk_call_number {
    RUMPK_CALL_PLEDGE,
    RUMPK_CALL_UNVEIL,
    RUMPK_CALL_READ,
    RUMPK_CALL_WRITE,
    RUMPK_CALL_MAP,
    RUMPK_CALL_UNMAP,
    RUMPK_CALL_SPAWN,
    RUMPK_CALL_KILL,
    RUMPK_CALL_YIELD,
    RUMPK_CALL_TIME,
    RUMPK_CALL_RANDOM,
    RUMPK_CALL_HALT,
    RUMPK_CALL_META,
    RUMPK_CALL_COUNT
};

/* Index of each boot ring in rumpk_systable.ring; roles in abi/ring.h. */
enum rumpk_boot_ring {
    RUMPK_RING_RX,
    RUMPK_RING_TX,
    RUMPK_RING_EVENT,
    RUMPK_RING_CMD,
    RUMPK_RING_DONE,
    RUMPK_RING_INPUT,
    RUMPK_RING_COUNT
};

/* Where cell A's ring stands and how it is cut. Cell k's stands at
 * base + k * RUMPK_WINDOW_SIZE; the geometry is common to all cells. */
struct rumpk_ring_descriptor {
    uint64_t base;      /* virtual address of the header; 0: this image has no such ring */
    uint32_t slots;     /* a power of two */
    uint32_t slot_size; /* bytes, slot header included; a multiple of 16 */
};

/* All zero where there is no framebuffer. */
struct rumpk_framebuffer {
    uint64_t base;
    uint32_t width;  /* pixels */
    uint32_t height; /* pixels */
    uint32_t stride; /* bytes from one line to the next */
    uint32_t format; /* 0: none; 1: 32 bits, blue in the lowest byte, then green, red, unused */
};

struct rumpk_systable {
    uint32_t magic;
    uint16_t size;
    uint16_t abi;
    uint64_t features;
    uint64_t call[RUMPK_CALL_COUNT]; /* addresses of functions of the shapes in abi/call.h */
    struct rumpk_ring_descriptor ring[RUMPK_RING_COUNT];
    struct rumpk_framebuffer framebuffer;
};

/* Windows: cell k's is [A + k * SIZE, A + (k + 1) * SIZE), end exclusive. Where nothing translates addresses
 * they lie in memory, and the build hands to both sides where the first does. */
#ifdef RUMPK_WINDOWS_IN_MEMORY
#define RUMPK_WINDOW_A RUMPK_WINDOWS_IN_MEMORY
#define RUMPK_WINDOWS_ARE_MEMORY 1
#else
#define RUMPK_WINDOW_A 0x08000000ull
#define RUMPK_WINDOWS_ARE_MEMORY 0
#endif
#define RUMPK_WINDOW_SIZE 0x08000000ull
#define RUMPK_WINDOW_COUNT 7u

#ifdef __cplusplus
#define RUMPK_ASSERT(what) static_assert(what, #what)
#else
#define RUMPK_ASSERT(what) _Static_assert(what, #what)
#endif

RUMPK_ASSERT(sizeof(struct rumpk_systable) == RUMPK_SYSTABLE_SIZE);
RUMPK_ASSERT(offsetof(struct rumpk_systable, magic) == 0);
RUMPK_ASSERT(offsetof(struct rumpk_systable, size) == 4);
RUMPK_ASSERT(offsetof(struct rumpk_systable, abi) == 6);
RUMPK_ASSERT(offsetof(struct rumpk_systable, features) == 8);
RUMPK_ASSERT(offsetof(struct rumpk_systable, call) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_systable, ring) == 120);
RUMPK_ASSERT(offsetof(struct rumpk_systable, framebuffer) == 216);
RUMPK_ASSERT(sizeof(struct rumpk_ring_descriptor) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_ring_descriptor, slots) == 8);
RUMPK_ASSERT(offsetof(struct rumpk_ring_descriptor, slot_size) == 12);
RUMPK_ASSERT(sizeof(struct rumpk_framebuffer) == 24);
RUMPK_ASSERT(offsetof(struct rumpk_framebuffer, width) == 8);
RUMPK_ASSERT(offsetof(struct rumpk_framebuffer, height) == 12);
RUMPK_ASSERT(offsetof(struct rumpk_framebuffer, stride) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_framebuffer, format) == 20);
RUMPK_ASSERT(RUMPK_CALL_COUNT == 13);
RUMPK_ASSERT(RUMPK_RING_COUNT == 6);

#endif
