// SPDX-License-Identifier: Apache-2.0
//
//   wake load N     a Photon fiber wakes N times while the rest of the system does what it can
//   wake calls N    the same while a Void fiber makes every call with its largest arguments, twice at least
//
// It measures nothing itself: the emulator's meter (bench/meter) counts the instructions from the interrupt
// to `wake_mark`, and those executed while interrupts are masked. At the end it says how late the fiber ever
// was, in nanoseconds, which are instructions there.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <nexus/fiber.h>

namespace {

constexpr auto relaxed = std::memory_order_relaxed;
std::atomic<bool> stop = false;
std::atomic<uint64_t> wakes = 0;
std::atomic<uint64_t> rounds = 0; // of what is done meanwhile
std::atomic<uint64_t> pending = 0;
nexus::Duration latest{}; // from a moment that was asked for to the fiber's own first instructions

uint64_t next_random(uint64_t& state) {
    state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    return state >> 33;
}

} // namespace

// The first instruction of the woken fiber's own.
extern "C" [[gnu::noinline]] void wake_mark() {
    wakes.fetch_add(1, relaxed);
}

namespace {

// Photon.
void wake(uint64_t seed) {
    while (!stop.load(relaxed)) {
        const nexus::Instant moment = nexus::now() + nexus::Duration(4'000 + next_random(seed) % 16'384);
        nexus::sleep_until(moment);
        wake_mark();
        latest = std::max(latest, nexus::Duration(nexus::now() - moment));
    }
}

// Void: only its end is ever asked for.
void spin(uint64_t) {
    while (!stop.load(relaxed)) {
        rounds.fetch_add(1, relaxed);
    }
}

// Thousands of these hold deadlines; every few microseconds one of them is due.
void sleep_again(uint64_t seed) {
    pending.fetch_add(1, relaxed);
    while (!stop.load(relaxed)) {
        nexus::sleep_for(nexus::Duration(next_random(seed) % 240'000'000));
    }
}

void end_at_once(uint64_t) {}

// Gravity, with its own deadlines: spawns, lets end, kills, prints.
void disturb(uint64_t wanted) {
    const nexus::FiberOptions bare = {.name = "short", .bare = true};
    for (uint64_t round = 0; wakes.load(relaxed) < wanted; ++round) {
        (void)nexus::spawn(end_at_once, 0, bare);
        const auto victim = nexus::spawn(sleep_again, round, bare);
        nexus::yield();
        if (victim) {
            (void)nexus::kill(*victim);
            pending.fetch_sub(1, relaxed);
        }
        if (round % 16 == 0) {
            std::printf("round %llu, a line of text for the console that is not short\n",
                        static_cast<unsigned long long>(round));
            std::fflush(stdout);
        }
        nexus::sleep_for(nexus::Duration(30'000));
    }
}

bool load(uint64_t wanted) {
    uint64_t sleepers = 0;
    while (sleepers < 16'290 && nexus::spawn(sleep_again, sleepers, {.name = "sleeper", .bare = true})) {
        if (++sleepers % 1024 == 0) {
            nexus::yield();
        }
    }
    nexus::yield();
    const bool began =
        nexus::spawn(spin, 0, {.name = "spinning", .tier = nexus::Tier::void_, .bare = true}) &&
        nexus::spawn(spin, 0, {.name = "never", .tier = nexus::Tier::void_, .bare = true}) &&
        nexus::spawn(wake, 1, {.name = "photon", .tier = nexus::Tier::photon, .bare = true});
    disturb(wanted);
    std::printf("deadlines %llu\n", static_cast<unsigned long long>(pending.load()));
    return began && sleepers > 16'000 && rounds.load() != 0;
}

// --- Every call, with as much as it takes ----------------------------------------------------------

constexpr size_t buffer_size = RUMPK_IO_MAX;
alignas(4096) std::array<std::byte, buffer_size> buffer;
alignas(16) std::array<std::byte, 4096> stack_of_calls;
std::array<uint64_t, RUMPK_PEERS_MAX> peers;

// All promises over and over, up to the limit; the last name is the last in the kernel's list.
std::array<char, RUMPK_PLEDGE_MAX + 1> promises() {
    constexpr const char all[] =
        "stdio rpath wpath cpath dpath tmppath inet mcast fattr chown flock unix dns getpw "
        "sendfd recvfd tape tty proc exec prot_exec settime ps vminfo id pf route wroute "
        "audio video bpf unveil";
    std::array<char, RUMPK_PLEDGE_MAX + 1> text{};
    std::memset(text.data(), ' ', RUMPK_PLEDGE_MAX);
    std::memcpy(text.data(), all, sizeof all - 1);
    for (size_t at = sizeof all; at + 7 <= RUMPK_PLEDGE_MAX; at += 7) {
        std::memcpy(text.data() + at, "unveil ", 7);
    }
    return text;
}

// Paths of the greatest length that differ in their last byte.
void unveil_long(uint64_t round) {
    std::array<char, RUMPK_PATH_MAX> path{};
    std::memset(path.data(), 'p', path.size());
    path[0] = '/';
    path.back() = static_cast<char>('a' + round % 26);
    (void)nexus::call::unveil({path.data(), path.size()}, RUMPK_RIGHT_READ);
}

void map_all() {
    constexpr size_t most = 32 << 20;
    constexpr uint32_t rights = RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE;
    if (auto whole = nexus::call::map(RUMPK_HANDLE_MEMORY, 0, most, rights)) {
        std::byte* const begin = static_cast<std::byte*>(*whole);
        begin[most - 1] = std::byte{1};
        (void)nexus::call::unmap(begin, most / 2);
        (void)nexus::call::unmap(begin + most / 2, most / 2);
    }
    if (auto first = nexus::call::map(RUMPK_HANDLE_MEMORY, 0, most / 2, rights)) {
        (void)nexus::call::map(RUMPK_HANDLE_MEMORY, 0, most, rights); // no room: all pages are looked at
        (void)nexus::call::unmap(*first, most / 2);
    }
}

void look_at_all(uint64_t round) {
    for (uint32_t what = RUMPK_META_NULL; what <= RUMPK_META_VERSION + 1; ++what) {
        (void)nexus::call::meta(what, buffer, what == RUMPK_META_CAPS ? round % 4 : 0);
    }
    (void)nexus::call::time(RUMPK_CLOCK_WALL);
}

// Void, and on its home core: the calls that only that one may make are among them.
void call_all(uint64_t count) {
    const auto text = promises();
    std::memset(buffer.data(), '.', buffer.size());
    for (uint64_t round = 0; !stop.load(relaxed); ++round) {
        (void)nexus::call::pledge(text.data());
        unveil_long(round);
        (void)nexus::call::read(RUMPK_FD_INPUT, buffer);
        std::memset(buffer.data(), '.', 4096);
        (void)nexus::call::write(RUMPK_FD_OUTPUT,
                                 std::span(buffer).first(round % 16 == 0 ? buffer_size : 1024));
        (void)nexus::call::random(std::span(buffer).first(round % 4 == 0 ? buffer_size : 4096));
        map_all();
        look_at_all(round);
        (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_BARRIER,
                                 std::span(peers).first(count));
        rounds.fetch_add(1, relaxed);
    }
}

bool calls(uint64_t wanted) {
    size_t sleepers = 0;
    for (uint64_t& peer : peers) {
        if (const auto fiber = nexus::spawn(sleep_again, sleepers, {.name = "peer", .bare = true})) {
            peer = static_cast<uint64_t>(*fiber);
            ++sleepers;
        }
    }
    const bool began =
        nexus::spawn(wake, 1, {.name = "photon", .tier = nexus::Tier::photon, .bare = true}) &&
        nexus::spawn(call_all, sleepers,
                     {.name = "calls", .tier = nexus::Tier::void_, .stack = stack_of_calls, .bare = true});
    while (wakes.load(relaxed) < wanted || rounds.load(relaxed) < 2) {
        nexus::sleep_for(nexus::Duration(1'000'000));
    }
    return began && sleepers == peers.size();
}

} // namespace

int main(int argc, char** argv) {
    const uint64_t wanted = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000;
    const bool fine = argc > 1 && std::strcmp(argv[1], "calls") == 0 ? calls(wanted) : load(wanted);
    stop = true;
    std::printf("\nlate %llu\n", static_cast<unsigned long long>(latest.count()));
    return fine ? 0 : 1;
}
