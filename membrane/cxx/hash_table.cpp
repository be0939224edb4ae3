// SPDX-License-Identifier: Apache-2.0
//
// The bucket counts of the unordered containers.
#include <__hash_table>
#include <cstddef>

namespace std::inline _LIBCPP_ABI_NAMESPACE {

namespace {

// By trial division: rehashing touches every element anyway, and there are more of them than divisors
// to try.
[[nodiscard]] bool is_prime(size_t number) {
    for (size_t divisor = 3; divisor <= number / divisor; divisor += 2) {
        if (number % divisor == 0) {
            return false;
        }
    }
    return number % 2 != 0;
}

} // namespace

// The smallest prime not below `least`; 0 for 0.
size_t __next_prime(size_t least) {
    if (least <= 2) {
        return least == 0 ? 0 : 2;
    }
    size_t number = least | 1;
    while (!is_prime(number)) {
        number += 2;
    }
    return number;
}

} // namespace std::inline _LIBCPP_ABI_NAMESPACE
