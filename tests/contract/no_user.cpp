// SPDX-License-Identifier: Apache-2.0
// In the place of user.cpp, where the architecture has no user privilege.
#include "tests/contract/contract.h"

namespace contract {

uint64_t gate_function(uint64_t) {
    return 0;
}

const Test tests_of_user[] = {{nullptr, nullptr}};

} // namespace contract
