// SPDX-License-Identifier: Apache-2.0
#include "core/run_queue.h"

namespace rumpk {

void RunQueue::remove(RunNode& node) {
    List<RunNode>& tier = list(node.tier);
    List<RunNode>::remove(node);
    if (tier.empty()) {
        ready_ &= ~bit(node.tier);
    }
}

} // namespace rumpk
