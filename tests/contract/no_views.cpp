// SPDX-License-Identifier: Apache-2.0
// In the place of views.cpp, where there is one for all.
#include "tests/contract/contract.h"

namespace contract {

const Test tests_of_views[] = {{nullptr, nullptr}};

} // namespace contract
