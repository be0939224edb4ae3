// SPDX-License-Identifier: Apache-2.0
//
// The clocks: monotonic never goes back and moves, the wall is in this century, POSIX's faces of both
// agree. With the argument `wall` prints the seconds since 1970, too.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <sys/time.h>
#include <unistd.h>

#include <nexus/fiber.h>
#include <nexus/meta.h>
#include <nexus/time.h>

#include "tests/apps/check.h"

namespace {

constexpr time_t year_2020 = 1'577'836'800;
constexpr time_t year_2100 = 4'102'444'800;

void check_monotonic() {
    nexus::Instant last = nexus::now();
    const nexus::Instant first = last;
    bool backwards = false;
    for (int i = 0; i < 100'000; ++i) {
        const nexus::Instant next = nexus::now();
        backwards |= next < last;
        last = next;
    }
    test::check("monotonic never goes back", !backwards);
    test::check("monotonic moves", last > first);

    timespec time{};
    test::equal("clock_gettime(CLOCK_MONOTONIC)", clock_gettime(CLOCK_MONOTONIC, &time), 0);
    const auto posix = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    const auto apart = posix - last.time_since_epoch();
    test::check("it is the native clock", apart.count() >= 0 && apart < std::chrono::seconds(1));
    test::check("an unknown clock is EINVAL",
                clock_gettime(static_cast<clockid_t>(99), &time) == -1 && errno == EINVAL);
    test::check("a null pointer is EFAULT", clock_gettime(CLOCK_MONOTONIC, nullptr) == -1 && errno == EFAULT);
}

void check_wall(bool print) {
    const auto wall = nexus::wall_clock();
    if (!wall) {
        test::check("no wall clock is ENODEV", wall.error() == nexus::Errno::nodev);
        test::check("time() is -1 then", time(nullptr) == static_cast<time_t>(-1));
        return;
    }
    const time_t now = time(nullptr);
    if (print) {
        std::printf("wall %lld\n", static_cast<long long>(now));
    }
    test::check("the wall is in this century", now > year_2020 && now < year_2100);
    timespec time{};
    timeval value{};
    test::check("clock_gettime(CLOCK_REALTIME)",
                clock_gettime(CLOCK_REALTIME, &time) == 0 && time.tv_sec - now <= 1);
    test::check("gettimeofday", gettimeofday(&value, nullptr) == 0 && value.tv_sec - now <= 1);
    tm parts{};
    test::check("gmtime_r knows the year", gmtime_r(&now, &parts) != nullptr && parts.tm_year >= 120);
    char text[32];
    test::check("strftime", std::strftime(text, sizeof text, "%Y-%m-%d", &parts) == 10);
    const auto standard = std::chrono::system_clock::now().time_since_epoch();
    test::check("std::chrono::system_clock",
                std::chrono::duration_cast<std::chrono::seconds>(standard).count() - now <= 1);
}

void check_sleeps() {
    const auto slept = [](auto&& sleep) {
        const nexus::Instant start = nexus::now();
        sleep();
        return nexus::now() - start;
    };
    using std::chrono::milliseconds;
    const timespec five_ms{.tv_sec = 0, .tv_nsec = 5'000'000};
    test::check("nanosleep", slept([&] { nanosleep(&five_ms, nullptr); }) >= milliseconds(5));
    test::check("usleep", slept([] { usleep(5'000); }) >= milliseconds(5));
    const timespec wrong{.tv_sec = 0, .tv_nsec = 1'000'000'000};
    test::check("nanosleep of 10^9 ns is EINVAL", nanosleep(&wrong, nullptr) == -1 && errno == EINVAL);
    const timespec past{.tv_sec = 0, .tv_nsec = 1};
    test::check("a sleep until the past is short",
                slept([&] { clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, nullptr); }) <
                    milliseconds(100));
}

// Neither start-up, nor putting errno back, nor anything before this has asked for times.
void check_times() {
    auto other = nexus::spawn([] { errno = EINTR; });
    errno = ENOENT;
    test::check("errno is put back", other && other->join() == 0 && errno == ENOENT);
    const nexus::Instant before = nexus::now();
    const auto first = nexus::meta_fiber();
    const auto next = nexus::meta_fiber();
    test::check("fibers' times are counted from the first question for them on",
                first && first->counted_since_ns >= static_cast<uint64_t>(before.time_since_epoch().count()));
    test::check("and not from the next", next && next->counted_since_ns == first->counted_since_ns);
}

} // namespace

int main(int argc, char** argv) {
    check_monotonic();
    check_wall(argc > 1 && std::strcmp(argv[1], "wall") == 0);
    check_sleeps();
    check_times();
    test::check("clock() counts", std::clock() != static_cast<clock_t>(-1));
    return test::result();
}
