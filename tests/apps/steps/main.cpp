// SPDX-License-Identifier: Apache-2.0
//
//   steps STACK ROUNDS
//
// Calls that take long go in steps, and between two of them a higher tier runs. A Void fiber with a stack of
// so many bytes makes them all the time; Photon fibers come in between and make the same ones; Gravity ends
// the Void fiber wherever it stands and begins another, ROUNDS times. Pages are clean and nobody else's,
// random numbers never come twice, and in the end no page is lost.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <nexus/fiber.h>

#include "tests/apps/check.h"

namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr size_t page = 4096;
constexpr size_t pool = 2 << 20; // as cell.toml says
constexpr uint32_t read_write = RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE;

std::atomic<bool> stop = false;
std::atomic<bool> pause = false;      // no Photon fiber takes pages
std::atomic<uint32_t> photon_has = 0; // so many have some
std::atomic<uint64_t> maps = 0, photon_maps = 0, dirty = 0, foreign = 0, refused = 0, same = 0;

uint64_t next_random(uint64_t& state) {
    state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    return state >> 33;
}

// The first word of each page says whose it is.
void use_pages(uint64_t name, size_t pages, std::atomic<uint64_t>& count) {
    const auto got = nexus::call::map(RUMPK_HANDLE_MEMORY, 0, pages * page, read_write);
    if (!got) {
        return; // others have the pages
    }
    auto* const first = static_cast<uint64_t*>(*got);
    for (size_t at = 0; at < pages * page / sizeof(uint64_t); at += page / sizeof(uint64_t)) {
        dirty.fetch_add(first[at] != 0 || first[at + 511] != 0, relaxed);
        first[at] = name;
        first[at + 511] = name;
    }
    if (name != 0 && pages < 8) {
        nexus::sleep_for(nexus::Duration(2'000)); // only who is not ended here
    }
    for (size_t at = 0; at < pages * page / sizeof(uint64_t); at += page / sizeof(uint64_t)) {
        foreign.fetch_add(first[at] != name || first[at + 511] != name, relaxed);
    }
    refused.fetch_add(!nexus::call::unmap(first, pages * page), relaxed);
    count.fetch_add(1, relaxed);
}

// Two requests in a row, by whomever, never give the same.
void draw() {
    static std::array<std::atomic<uint64_t>, 64> last{};
    static std::atomic<size_t> at = 0;
    std::array<uint64_t, 2> numbers{};
    if (nexus::call::random(std::as_writable_bytes(std::span(numbers)))) {
        for (const auto& other : last) {
            same.fetch_add(other.load(relaxed) == numbers[0], relaxed);
        }
        last[at.fetch_add(1, relaxed) % last.size()].store(numbers[0], relaxed);
    }
}

void unveil(uint64_t number) {
    std::array<char, 40> path{};
    std::memcpy(path.data(), "/a/folder/with/a/name/of/some/length/0", 38);
    path[37] = static_cast<char>('0' + number % 8);
    refused.fetch_add(!nexus::call::unveil({path.data(), 38}, RUMPK_RIGHT_READ), relaxed);
}

void promise() {
    constexpr const char* all =
        "stdio rpath wpath cpath dpath tmppath inet mcast fattr chown flock unix dns getpw "
        "sendfd recvfd tape tty proc exec prot_exec settime ps vminfo id pf route wroute audio "
        "video bpf unveil error";
    refused.fetch_add(!nexus::call::pledge(all), relaxed);
}

// Void.
void work(uint64_t seed) {
    for (uint64_t round = 0; !stop.load(relaxed); ++round) {
        use_pages(seed, 8 + next_random(seed) % 64, maps);
        draw();
        unveil(round);
        promise();
    }
}

// Photon.
void interrupt(uint64_t seed) {
    while (!stop.load(relaxed)) {
        nexus::sleep_for(nexus::Duration(50'000 + next_random(seed) % 500'000));
        if (!pause.load(relaxed)) {
            photon_has.fetch_add(1, relaxed);
            use_pages(seed | 1, 1 + next_random(seed) % 4, photon_maps);
            photon_has.fetch_sub(1, relaxed);
        }
        draw();
        unveil(next_random(seed));
        promise();
    }
}

// What an ended fiber had is its cell's still: all of it goes back, page by page. Photon's would, too, while
// it sleeps.
void unmap_all(std::byte* lowest) {
    pause = true;
    while (photon_has != 0) {
        nexus::sleep_for(nexus::Duration(10'000));
    }
    for (size_t at = 0; at < pool; at += page) {
        (void)nexus::call::unmap(lowest + at, page);
    }
    pause = false;
}

} // namespace

int main(int argc, char** argv) {
    const size_t stack_size = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1024;
    const uint64_t rounds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 100;
    alignas(16) static std::array<std::byte, 65536> stacks;
    const std::span stack = std::span(stacks).first(stack_size);

    const auto whole = nexus::call::map(RUMPK_HANDLE_MEMORY, 0, pool, read_write);
    test::check("the whole pool can be mapped", whole.has_value());
    auto* const lowest = static_cast<std::byte*>(whole.value_or(nullptr));
    unmap_all(lowest);

    for (size_t i = 0; i < 2; ++i) {
        (void)nexus::spawn(interrupt, 77 + i,
                           {.name = "photon",
                            .tier = nexus::Tier::photon,
                            .stack = std::span(stacks).subspan((i + 1) * 16384, stack_size),
                            .bare = true});
    }
    uint64_t state = 5, ended = 0;
    for (uint64_t round = 0; round < rounds; ++round) {
        const auto worker = nexus::spawn(
            work, 1 + round, {.name = "void", .tier = nexus::Tier::void_, .stack = stack, .bare = true});
        nexus::sleep_for(nexus::Duration(100'000 + next_random(state) % 2'000'000));
        ended += worker && nexus::kill(*worker) ? 1 : 0;
        if (round % 4 == 3) {
            unmap_all(lowest);
        }
    }
    stop = true;
    nexus::sleep_for(nexus::Duration(5'000'000));
    unmap_all(lowest);
    const auto again = nexus::call::map(RUMPK_HANDLE_MEMORY, 0, pool, read_write);
    test::check("no page is lost", again && *again == lowest);
    test::equal("fibers ended in the middle", static_cast<long long>(ended), static_cast<long long>(rounds));
    test::check("all came to map", maps.load() != 0 && photon_maps.load() != 0);
    test::equal("pages that were not clean", static_cast<long long>(dirty.load()), 0);
    test::equal("pages that were another's", static_cast<long long>(foreign.load()), 0);
    test::equal("numbers that came twice", static_cast<long long>(same.load()), 0);
    test::equal("calls that were refused", static_cast<long long>(refused.load()), 0);
    std::fprintf(stderr, "%llu maps, %llu of Photon's\n", static_cast<unsigned long long>(maps.load()),
                 static_cast<unsigned long long>(photon_maps.load()));
    return test::result();
}
