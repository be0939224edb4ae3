// SPDX-License-Identifier: Apache-2.0
//
// Looks for the other cell's secret in its own registers: behind calls in which the other ran, and wherever
// it is interrupted. First without any state of floating point, then with some.
#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"
#include "tests/apps/registers/registers.h"

namespace {

using registers::All;

constexpr uint64_t own = 0x0123456789abcdef;
constexpr uint64_t rounds = 2'000;

// Word by word: in a vector it would stand in the very registers that are looked at.
[[nodiscard, gnu::noinline]] size_t count(const All& seen, uint64_t value) {
    size_t found = 0;
    for (uint64_t word : seen) {
        asm volatile("" : "+r"(word));
        found += word == value ? 1 : 0;
    }
    return found;
}

size_t behind_calls() {
    size_t secrets = 0;
    for (uint64_t i = 0; i < rounds; ++i) {
        nexus::yield();
        All seen;
        registers::look(seen);
        secrets += count(seen, registers::secret);
    }
    return secrets;
}

size_t when_interrupted() {
    size_t secrets = 0;
    for (const uint64_t until = nexus::meta_system()->preemptions + rounds / 10;
         nexus::meta_system()->preemptions < until;) {
        for (int i = 0; i < 100; ++i) {
            All seen;
            registers::look(seen);
            secrets += count(seen, registers::secret);
        }
    }
    return secrets;
}

size_t lost = 0, secrets_beside_own = 0;

void with_own() {
    for (uint64_t i = 0; i < rounds; ++i) {
        registers::fill(own);
        nexus::yield();
        All seen;
        registers::look(seen);
        secrets_beside_own += count(seen, registers::secret);
        for (size_t word = 0; word < seen.size(); ++word) {
            lost += registers::is_kept(word) && seen[word] != own ? 1 : 0;
        }
    }
}

size_t changed = 0;

// Without a call: what the other cell does meanwhile, it does in an interrupt.
void interrupted_with_own() {
    All seen;
    registers::fill(own);
    for (uint64_t i = 0; i < 10 * rounds; ++i) {
        registers::look(seen);
        changed += seen.size() - count(seen, own);
    }
}

} // namespace

int main() {
    const size_t called = behind_calls();
    const size_t interrupted = when_interrupted();
    with_own();
    interrupted_with_own();
    test::equal("secrets behind calls", static_cast<long long>(called), 0);
    test::equal("secrets when interrupted", static_cast<long long>(interrupted), 0);
    test::equal("secrets behind calls, beside own values", static_cast<long long>(secrets_beside_own), 0);
    test::equal("values that a call has to keep and did not", static_cast<long long>(lost), 0);
    test::equal("own values that an interrupt changed", static_cast<long long>(changed), 0);
    return test::result();
}
