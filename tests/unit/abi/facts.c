/* SPDX-License-Identifier: Apache-2.0 */
/* The frozen headers as a C11 compiler sees them. */
#include "abi/broadcast.h"
#include "abi/call.h"
#include "abi/console.h"
#include "abi/errno.h"
#include "abi/hal.h"
#include "abi/image.h"
#include "abi/ring.h"
#include "abi/systable.h"
#include "tests/unit/abi/seen.h"

const struct fact facts_in_c[] = {
#include "tests/unit/abi/facts.h"
};
const size_t facts_in_c_count = sizeof(facts_in_c) / sizeof(facts_in_c[0]);
