/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ION ring in memory: a 128-byte header, then the slots (founding decision
 * K4: Disruptor-style, pre-allocated, one producer and one consumer).
 *
 *      0   producer line: written by the producer alone
 *     64   consumer line: written by the consumer alone
 *    128   slot 0, slot 1, ... slot n-1; n is a power of two
 *
 * Positions count messages from 0 and never wrap in practice (64 bits); message
 * p lives in slot p mod n. A slot is committed by its sequence word: it holds
 * (uint32_t)(p + 1) once message p is complete, and anything else before. The
 * consumer believes the sequence word of the slot it looks at and nothing
 * else, so a half-written slot of a producer that died is never seen.
 *
 * Everything in here may be a lie of the other side. A party keeps its own
 * geometry and positions in private memory, masks every index with them and
 * clamps every length (ion/ring.h does).
 */
#ifndef RUMPK_ABI_RING_H
#define RUMPK_ABI_RING_H

#include "abi/systable.h"

#define RUMPK_RING_HEADER_SIZE 128u
#define RUMPK_RING_LINE_SIZE 64u
#define RUMPK_SLOT_HEADER_SIZE 16u
#define RUMPK_RING_MAX_SLOTS (1u << 20)
#define RUMPK_RING_MAX_SLOT_SIZE (1u << 16)

/* One side's half of the header. Only that side writes it, but for one word: a side that parks on another
 * core says so in `wanted` of the line of the one that is to ring, who looks there after every message
 * and finds the word in its own cache. Its own line is written with every message and would have to move. */
struct rumpk_ring_line {
    uint64_t position;   /* producer: messages published; consumer: messages released */
    uint32_t epoch;      /* moves when this side is restarted or the ring is reset */
    uint32_t closed;     /* not 0: this side will not go on; the reason, a rumpk_ring_close */
    uint32_t waiting;    /* not 0: this side is parked, or about to park, and wants a bell */
    uint32_t high_water; /* most messages this side ever saw outstanding */
    uint64_t waits;  /* how often this side found the ring full (producer) or empty (consumer) and waited */
    uint64_t bells;  /* how often this side rang the other */
    uint32_t wanted; /* written by the OTHER side, if on another core: its `waiting` */
    uint8_t reserved[20];
};

enum rumpk_ring_close {
    RUMPK_RING_OPEN = 0,
    RUMPK_RING_CLOSED = 1, /* an orderly end: nothing more will come */
    RUMPK_RING_BROKEN = 2  /* the other side lied about sequence, length or position */
};

struct rumpk_ring_header {
    struct rumpk_ring_line producer;
    struct rumpk_ring_line consumer;
};

/* Before each payload; the payload is 16-byte aligned. */
struct rumpk_slot_header {
    uint32_t sequence; /* (uint32_t)(position + 1) when committed */
    uint32_t tag;      /* what the message is; each ring has its own tags */
    uint32_t length;   /* payload bytes used, at most slot_size - 16 */
    uint32_t reserved; /* 0 */
};

/*
 * The boot rings of a cell, each with its role and its tags. "Service" is the
 * side that is not the cell: the console driver for rx and tx, the kernel for
 * the others. A tag that is not listed is ignored by the cell and closes the
 * ring as BROKEN at the service.
 *
 *  rx     console -> cell   the cell's standard input
 *  tx     cell -> console   the cell's standard output and standard error
 *  event  kernel -> cell    what happened to the cell's fibers and peers
 *  cmd    cell -> services  requests that carry data (files, sockets, block devices)
 *  done   services -> cell  their completions, in the order in which they finish
 *  input  drivers -> cell   keys, pointers, sensors
 */
enum rumpk_rx_tag {
    RUMPK_RX_DATA = 1, /* payload: bytes of standard input, at least one */
    RUMPK_RX_END = 2   /* no payload: standard input has ended; nothing follows */
};

enum rumpk_tx_tag {
    RUMPK_TX_STDOUT = 1, /* payload: bytes for standard output */
    RUMPK_TX_STDERR = 2  /* payload: bytes for standard error */
};

enum rumpk_event_tag {
    RUMPK_EVENT_FIBER_END = 1, /* payload: rumpk_event_fiber_end; dropped if the ring is full */
    RUMPK_EVENT_PEER_EPOCH = 2 /* payload: rumpk_event_peer_epoch: the party behind a channel was restarted */
};

struct rumpk_event_fiber_end {
    uint64_t fiber;
    int64_t code; /* what it gave to halt, or -(reason) when it was killed */
};

struct rumpk_event_peer_epoch {
    uint64_t channel;
    uint32_t epoch;
    uint32_t reserved;
};

/* cmd and done carry requests of services. A service's page in docs/ lists its
 * operations; the envelope is common, so that completions can be matched. */
enum rumpk_cmd_tag { RUMPK_CMD_REQUEST = 1 };
enum rumpk_done_tag { RUMPK_DONE_COMPLETION = 1 };

struct rumpk_request {
    uint32_t size;    /* of this envelope: 32 */
    uint16_t service; /* a capability slot of the cell */
    uint16_t operation;
    uint64_t cookie; /* comes back in the completion untouched */
    uint64_t offset;
    uint64_t length;
};

struct rumpk_completion {
    uint64_t cookie;
    int64_t result; /* >= 0, or a negated errno; a service this image lacks answers -ENODEV */
};

enum rumpk_input_tag { RUMPK_INPUT_EVENT = 1 };

/* Type, code and value as in the Linux input event interface (virtio 1.2, 5.8). */
struct rumpk_input_event {
    uint16_t type;
    uint16_t code;
    uint32_t value;
    uint64_t time_ns; /* monotonic */
};

RUMPK_ASSERT(sizeof(struct rumpk_ring_line) == RUMPK_RING_LINE_SIZE);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, position) == 0);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, epoch) == 8);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, closed) == 12);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, waiting) == 16);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, high_water) == 20);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, waits) == 24);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, bells) == 32);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, wanted) == 40);
RUMPK_ASSERT(offsetof(struct rumpk_ring_line, reserved) == 44);
RUMPK_ASSERT(sizeof(struct rumpk_ring_header) == RUMPK_RING_HEADER_SIZE);
RUMPK_ASSERT(offsetof(struct rumpk_ring_header, consumer) == 64);
RUMPK_ASSERT(sizeof(struct rumpk_slot_header) == RUMPK_SLOT_HEADER_SIZE);
RUMPK_ASSERT(offsetof(struct rumpk_slot_header, sequence) == 0);
RUMPK_ASSERT(offsetof(struct rumpk_slot_header, tag) == 4);
RUMPK_ASSERT(offsetof(struct rumpk_slot_header, length) == 8);
RUMPK_ASSERT(offsetof(struct rumpk_slot_header, reserved) == 12);
RUMPK_ASSERT(sizeof(struct rumpk_event_fiber_end) == 16);
RUMPK_ASSERT(sizeof(struct rumpk_event_peer_epoch) == 16);
RUMPK_ASSERT(sizeof(struct rumpk_request) == 32);
RUMPK_ASSERT(sizeof(struct rumpk_completion) == 16);
RUMPK_ASSERT(sizeof(struct rumpk_input_event) == 16);

#endif
