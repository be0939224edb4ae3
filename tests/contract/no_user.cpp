// SPDX-License-Identifier: Apache-2.0
// In the place of user.cpp, where the architecture has no user privilege.
#include "tests/contract/contract.h"

namespace contract {

uint64_t gate_function(uint64_t) {
    return 0;
}

const Test tests_of_user[] = {{nullptr, nullptr}};

// Nobody asks.
void program_prepare_waiting() {}
bool program_waits() {
    return false;
}
bool program_has_begun() {
    return false;
}
void program_go_on() {}

} // namespace contract
