// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <gtest/gtest.h>

#include "nexus/call.h"
#include "nexus/meta.h"
#include "nexus/time.h"
#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Errno;
using nexus::error;

TEST(Call, answers_become_results) {
    EXPECT_EQ(nexus::result_of(0), 0u);
    EXPECT_EQ(nexus::result_of(INT64_MAX), static_cast<uint64_t>(INT64_MAX));
    EXPECT_EQ(nexus::result_of(-RUMPK_EPERM), error(Errno::perm));
    EXPECT_EQ(nexus::result_of(-RUMPK_ETIMEDOUT), error(Errno::timedout));
    EXPECT_TRUE(nexus::success_of(5));
    EXPECT_EQ(nexus::success_of(-RUMPK_EFAULT), error(Errno::fault));
    EXPECT_EQ(nexus::number(Errno::again), EAGAIN);
}

TEST(Call, a_number_outside_the_table_is_enosys) {
    test::FakeKernel kernel;
    EXPECT_EQ(nexus::call::raw(RUMPK_CALL_COUNT), -RUMPK_ENOSYS);
    EXPECT_EQ(nexus::call::raw(~0u), -RUMPK_ENOSYS);
}

TEST(Call, yield_keeps_errno) {
    test::FakeKernel kernel;
    kernel.on_wait = [](const test::Yield&) -> int64_t {
        errno = EIO;
        return -RUMPK_ETIMEDOUT;
    };
    errno = EDOM;
    EXPECT_EQ(nexus::call::yield(1, 0, 5, 0), error(Errno::timedout));
    EXPECT_EQ(errno, EDOM);
}

// Whoever it interrupted has set errno meanwhile.
TEST(Call, yield_of_a_fiber_elsewhere_leaves_errno_alone) {
    test::FakeKernel kernel;
    kernel.tier = 1;
    kernel.on_wait = [](const test::Yield&) -> int64_t {
        errno = EIO;
        return 0;
    };
    errno = EDOM;
    EXPECT_EQ(nexus::call::yield(1, 0, 5, 0), 0u);
    EXPECT_EQ(errno, EIO);
}

TEST(Call, yield_passes_its_arguments) {
    test::FakeKernel kernel;
    const uint64_t peers[] = {7, 9};
    EXPECT_EQ(nexus::call::yield(0, 4, 11, RUMPK_YIELD_NOWAIT, peers), 0u);
    ASSERT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(kernel.bells[0].bell, 4u);
    EXPECT_EQ(kernel.bells[0].deadline, 11u);
    EXPECT_EQ(kernel.bells[0].peers, (std::vector<uint64_t>{7, 9}));
}

TEST(Time, deadlines) {
    EXPECT_EQ(nexus::deadline_of(nexus::never), RUMPK_NEVER);
    EXPECT_EQ(nexus::deadline_of(nexus::Instant(nexus::Duration(-5))), 0u);
    EXPECT_EQ(nexus::deadline_of(nexus::Instant(nexus::Duration(42))), 42u);
}

TEST(Time, a_machine_without_a_clock_chip) {
    test::FakeKernel kernel;
    EXPECT_EQ(nexus::wall_clock(), error(Errno::nodev));
    EXPECT_EQ(nexus::now(), nexus::Instant(nexus::Duration(1000)));
}

TEST(Meta, errors_pass_through) {
    test::FakeKernel kernel;
    EXPECT_EQ(nexus::meta_fiber(nexus::FiberId{99}).error(), Errno::srch);
    EXPECT_EQ(nexus::meta_system().error(), Errno::nosys);
    EXPECT_EQ(nexus::meta_self()->fiber, kernel.self);
}

} // namespace
