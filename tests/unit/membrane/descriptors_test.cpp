// SPDX-License-Identifier: Apache-2.0
//
// read, write and the rest of a POSIX descriptor, under other names (CMakeLists.txt). The streams are the
// program's own, of which there is one each: so this is one test, in the order of a program's life.
#include <cerrno>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/membrane/fake_kernel.h"

namespace {

using Strings = std::vector<std::string>;

TEST(Descriptors, a_program_s_life) {
    test::FakeKernel kernel;
    char buffer[64];

    EXPECT_EQ(write(1, "out", 3), 3);
    EXPECT_EQ(write(2, "err", 3), 3);
    EXPECT_EQ(write(1, nullptr, 0), 0);
    EXPECT_EQ(kernel.drain(), (Strings{"o:out", "e:err"}));

    const std::string much(3 * test::capacity + 5, 'm');
    EXPECT_EQ(write(1, much.data(), much.size()), static_cast<ssize_t>(much.size()));
    std::string got;
    for (const std::string& message : kernel.drain()) {
        got += message.substr(2);
    }
    EXPECT_EQ(got, much);

    kernel.feed("one");
    kernel.feed("two");
    EXPECT_EQ(read(0, buffer, 0), 0);
    EXPECT_EQ(read(0, buffer, 1), 1);
    EXPECT_EQ(read(0, buffer + 1, 60), 5) << "whole messages, all that have come";
    EXPECT_EQ(std::string(buffer, 6), "onetwo");

    errno = 0;
    EXPECT_EQ(read(1, buffer, 1), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(read(-1, buffer, 1), -1);
    EXPECT_EQ(write(0, buffer, 1), -1);
    EXPECT_EQ(write(3, buffer, 1), -1);
    EXPECT_EQ(errno, EBADF);
    char* const volatile nowhere = nullptr;
    EXPECT_EQ(read(0, nowhere, 1), -1);
    EXPECT_EQ(errno, EFAULT);

    EXPECT_EQ(lseek(0, 0, SEEK_CUR), -1);
    EXPECT_EQ(errno, ESPIPE);
    EXPECT_EQ(isatty(0), 0);
    EXPECT_EQ(errno, ENOTTY);
    struct stat status;
    EXPECT_EQ(fstat(0, &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));
    EXPECT_EQ(fstat(9, &status), -1);
    EXPECT_EQ(errno, EBADF);

    // A wait that other fibers use does not change the caller's errno.
    errno = E2BIG;
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        errno = EIO;
        kernel.end_input();
        return RUMPK_CHANNEL_CONSOLE;
    };
    EXPECT_EQ(read(0, buffer, 10), 0);
    EXPECT_EQ(errno, E2BIG);
    EXPECT_EQ(read(0, buffer, 10), 0);

    EXPECT_EQ(close(2), 0);
    EXPECT_EQ(write(2, "x", 1), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(close(2), -1);
}

} // namespace
