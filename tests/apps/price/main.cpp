// SPDX-License-Identifier: Apache-2.0
//
// What a call costs that does nothing, and asking for the time: nanoseconds on a machine that runs in real
// time, instructions where the emulator executes one a nanosecond (./rumpk bench cells). The loop's own
// included.
#include <cstdio>

#include <nexus/call.h>
#include <nexus/time.h>

namespace {

constexpr long rounds = 20'000;

template <class Call>
void measure(const char* name, Call call) {
    const nexus::Instant begun = nexus::now();
    for (long i = 0; i < rounds; ++i) {
        call();
    }
    const auto ns = static_cast<long>((nexus::now() - begun).count());
    std::printf("%s %ld.%02ld\n", name, ns / rounds, ns % rounds * 100 / rounds);
}

} // namespace

int main() {
    const auto* const call = nexus::systable().call;
    // With the arguments that they take, and no more.
    const auto meta =
        reinterpret_cast<int64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t)>(call[RUMPK_CALL_META]);
    const auto time = reinterpret_cast<int64_t (*)(uint64_t)>(call[RUMPK_CALL_TIME]);
    measure("null_call", [=] { (void)meta(RUMPK_META_NULL, 0, 0, 0); });
    measure("time", [=] { (void)time(RUMPK_CLOCK_MONOTONIC); });
    return 0;
}
