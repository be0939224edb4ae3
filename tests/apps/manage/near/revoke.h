// SPDX-License-Identifier: Apache-2.0
//
// What the far cell holds is taken from it.
#pragma once

#include <nexus/cell.h>
#include <nexus/peer.h>
#include <nexus/share.h>

namespace manage {

using Lives = nexus::ring<uint64_t>::receiver;

// It is used afterwards, by calls and, if something keeps cells `apart`, by loads.
void serve(const nexus::ManagedCell& cell, Lives& lives, bool apart);
// Others are ended in the middle of it.
void meanwhile(const nexus::ManagedCell& cell, Lives& lives);

} // namespace manage
