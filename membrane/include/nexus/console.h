// SPDX-License-Identifier: Apache-2.0
//
// Standard input, output and error where they are: in the slots of the cell's boot rings. No copy and
// no call a byte; stdio, read() and write() are made of these.
//
// For fibers of the home tier. Several may use the console; a view that input() or room() gave is good
// until the same fiber's next function of this file, or until it waits for anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/ring.h"
#include "nexus/call.h"
#include "nexus/time.h"

namespace nexus::console {

enum class Stream : uint32_t {
    output = RUMPK_TX_STDOUT,
    error = RUMPK_TX_STDERR,
};

// Input

// The oldest bytes not consumed, at least one, as many as lie in a row; empty: standard input has
// ended. Waits for them until the deadline, having flushed what was written. ETIMEDOUT; EAGAIN: the
// deadline had passed before and nothing is there; EIO: the console broke the ring's rules.
[[nodiscard]] Result<std::span<const std::byte>> input(Instant deadline = never);

// The first `bytes` of what input() gave are no longer needed. More than it gave: all of it.
void consume(size_t bytes);

// Output

// Room for at least one byte of that stream: fill some of it from the front, then commit. Waits while
// the console lags behind. ETIMEDOUT; EAGAIN: the deadline had passed before and the ring is full; EPIPE:
// the console has closed; EIO: it broke the ring's rules.
[[nodiscard]] Result<std::span<std::byte>> room(Stream stream, Instant deadline = never);

// The first `bytes` of what room() gave are written. They leave when a message is full, when the
// other stream is written to, at flush() and before input() waits: so both streams stay in order.
void commit(size_t bytes);

// Hands over what was committed, and rings the console if it sleeps. Does not wait for the machine's
// wire: ending the cell does.
void flush();

// Copies all bytes to the stream and flushes. Bytes taken: fewer than given only at the deadline or
// when the console ended meanwhile; an error only if none. What fits in one slot is one message, which no
// other fiber's bytes cut. As room().
[[nodiscard]] Result<size_t> write(Stream stream, std::span<const std::byte> bytes, Instant deadline = never);

// Counters

// One ring, both sides. `waits`: how often that side found it full (producer) or empty (consumer) and
// slept. high_water: the most messages it saw outstanding. Zero slots: the image has no such ring.
struct Statistics {
    uint32_t slots;
    uint32_t slot_size; // bytes
    rumpk_ring_line producer;
    rumpk_ring_line consumer;
};

[[nodiscard]] Statistics input_statistics();
[[nodiscard]] Statistics output_statistics();

} // namespace nexus::console
