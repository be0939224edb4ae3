// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstdint>
#include <gtest/gtest.h>
#include <unistd.h>

#include "start/process.h"
#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::detail::process;

// A heap of so many bytes.
class Heap {
  public:
    explicit Heap(size_t size) : memory_(size + 15) {
        const auto base = (reinterpret_cast<uintptr_t>(memory_.data()) + 15) & ~uintptr_t{15};
        process.self.heap_base = base;
        process.self.heap_end = base + size;
        process.heap_used = 0;
    }

  private:
    std::vector<std::byte> memory_;
};

std::vector<std::string> arguments_of(test::FakeKernel& kernel, std::string text) {
    kernel.arguments = std::move(text);
    const auto made = nexus::detail::make_arguments();
    EXPECT_EQ(made.values[made.count], nullptr);
    return {made.values, made.values + made.count};
}

using Strings = std::vector<std::string>;

TEST(Arguments, are_decoded) {
    test::FakeKernel kernel;
    const Heap heap(4096);
    EXPECT_EQ(arguments_of(kernel, ""), Strings{"program"});
    EXPECT_EQ(arguments_of(kernel, "one"), (Strings{"program", "one"}));
    EXPECT_EQ(arguments_of(kernel, "a b c"), (Strings{"program", "a", "b", "c"}));
    EXPECT_EQ(arguments_of(kernel, "%20 %25 x%0Ay%ff"), (Strings{"program", " ", "%", "x\ny\xff"}));
    EXPECT_EQ(arguments_of(kernel, "% a %"), (Strings{"program", "", "a", ""}));
}

TEST(Arguments, what_is_no_escape_stands_for_itself) {
    test::FakeKernel kernel;
    const Heap heap(4096);
    EXPECT_EQ(arguments_of(kernel, "%4 %zz %4z a% %%41"),
              (Strings{"program", "%4", "%zz", "%4z", "a%", "%A"}));
    EXPECT_EQ(arguments_of(kernel, "a  b"), (Strings{"program", "a", "", "b"}));
    EXPECT_EQ(arguments_of(kernel, "a "), (Strings{"program", "a", ""}));
}

TEST(Arguments, without_memory_there_is_the_name_alone) {
    test::FakeKernel kernel;
    const Heap heap(16);
    EXPECT_EQ(arguments_of(kernel, "a longer argument than fits"), Strings{"program"});
    EXPECT_EQ(arguments_of(kernel, "fits"), Strings{"program"});
}

TEST(Heap, grows_and_shrinks_within_its_bounds) {
    test::FakeKernel kernel;
    const Heap heap(1000);
    auto* const base = reinterpret_cast<char*>(process.self.heap_base);
    void* const failed = reinterpret_cast<void*>(-1);
    EXPECT_EQ(sbrk(0), base);
    EXPECT_EQ(sbrk(600), base);
    EXPECT_EQ(sbrk(400), base + 600);
    errno = 0;
    EXPECT_EQ(sbrk(1), failed);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(sbrk(-1000), base + 1000);
    EXPECT_EQ(sbrk(-1), failed);
    EXPECT_EQ(sbrk(INTPTR_MAX), failed);
    EXPECT_EQ(sbrk(INTPTR_MIN), failed);
    EXPECT_EQ(sbrk(0), base);
}

TEST(Heap, begins_where_nobody_knows) {
    test::FakeKernel kernel;
    const Heap heap(64 * 64 * 10); // a 64th are ten lines
    auto* const base = reinterpret_cast<char*>(process.self.heap_base);
    const auto placed = [&](std::optional<uint64_t> drawn) {
        kernel.drawn = drawn;
        process.heap_used = process.secret = 0;
        nexus::detail::draw_secrets();
        return static_cast<char*>(sbrk(0)) - base;
    };
    EXPECT_EQ(placed(0), 64);
    EXPECT_EQ(placed(9), 640);
    EXPECT_EQ(placed(12), 192);
    EXPECT_EQ(placed(~uint64_t{0}), 64 * static_cast<ptrdiff_t>(1 + ~uint64_t{0} % 10));
    EXPECT_EQ(process.secret, ~uint64_t{0});
    EXPECT_EQ(placed(std::nullopt), 0) << "no entropy";
    EXPECT_EQ(process.secret, 0u);
}

TEST(Heap, begins_at_its_base_if_it_is_small) {
    test::FakeKernel kernel;
    kernel.drawn = 1;
    const Heap heap(64 * 64 - 1);
    nexus::detail::draw_secrets();
    EXPECT_EQ(process.heap_used, 0u);
}

TEST(Heap, take_memory_is_aligned_and_bounded) {
    test::FakeKernel kernel;
    const Heap heap(64);
    auto* const first = static_cast<char*>(nexus::detail::take_memory(1));
    EXPECT_EQ(nexus::detail::take_memory(17), first + 16);
    EXPECT_EQ(nexus::detail::take_memory(17), nullptr);
    EXPECT_EQ(nexus::detail::take_memory(SIZE_MAX), nullptr);
    EXPECT_EQ(nexus::detail::take_memory(16), first + 48);
}

} // namespace
