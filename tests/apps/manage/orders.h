// SPDX-License-Identifier: Apache-2.0
//
// What the far cell does when it is told to; what came of it is its answer.
#pragma once

#include <cstdint>

namespace manage {

enum Order : uint64_t {
    wait, // for a bell of `extra`: what yield said
    ring, // its other end: the same
    meta, // looks the channel up: what meta said
    caps, // looks its slot up: the kind, and the epoch times 256
    send, // there: 0, or the error
    load, // of the first word of the ring, where it was
    read, // of the first byte of the share, where it was
    find, // how many of the two it finds by their names
    idle, // nothing, without an answer
};

} // namespace manage
