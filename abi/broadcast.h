/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broadcast ring in memory: one producer, up to 32 consumers, each of which sees every message.
 *
 *      page 0        the producer's: written by the producer alone
 *      page 1 + k    consumer k's: written by consumer k alone
 *      from there    the slots as in abi/ring.h, written by the producer alone
 *
 * Each party's words have a page of their own, so that a cell can be given its own to write and all
 * others to read only. Slots, sequence words and positions are those of abi/ring.h. The producer may
 * fill the slot of message p once all active consumers have released message p - n.
 *
 * Everything that another party writes may be a lie.
 */
#ifndef RUMPK_ABI_BROADCAST_H
#define RUMPK_ABI_BROADCAST_H

#include "abi/ring.h"

#define RUMPK_BROADCAST_PAGE_SIZE 4096u
#define RUMPK_BROADCAST_MAX_CONSUMERS 32u

/* What a page begins with; the rest of it is not used. The first line is written with every message, the
 * second seldom, so that whoever looks for a sleeper or for an end finds it in its own cache. */
struct rumpk_broadcast_page {
    uint64_t position; /* producer: messages published; consumer: messages released */
    uint8_t reserved_0[56];
    uint32_t epoch;   /* moves when this party is restarted or the ring is made anew */
    uint32_t closed;  /* not 0: this party will not go on; a rumpk_ring_close */
    uint32_t waiting; /* not 0: this party is parked, or about to park, and wants a bell */
    uint32_t active;  /* producer: bit k set: consumer k counts; consumers: 0 */
    uint64_t waits;   /* how often this party found nothing to do and waited */
    uint64_t bells;   /* how often it rang others */
    uint8_t reserved_1[32];
};

RUMPK_ASSERT(sizeof(struct rumpk_broadcast_page) == 128);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, position) == 0);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, epoch) == 64);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, closed) == 68);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, waiting) == 72);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, active) == 76);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, waits) == 80);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, bells) == 88);
RUMPK_ASSERT(offsetof(struct rumpk_broadcast_page, reserved_1) == 96);

#endif
