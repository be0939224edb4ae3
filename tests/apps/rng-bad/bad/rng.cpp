// SPDX-License-Identifier: Apache-2.0
// The driver, as it is.
#include "drivers/virtio-rng/rng.cpp" // NOLINT(bugprone-suspicious-include)
