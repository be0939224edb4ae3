// SPDX-License-Identifier: Apache-2.0
//
// The boot table's reader: a good table is read as it is, and each way to be bad
// has its own answer.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/boot_table.h"
#include "tests/unit/core/random.h"
#include "tests/unit/core/table_image.h"

namespace {

using namespace rumpk;
using core_test::PageAligned;
using core_test::TableImage;

using Read = std::expected<BootTable, BootTableError>;

BootTableError why(const Read& table) {
    EXPECT_FALSE(table.has_value());
    return table ? static_cast<BootTableError>(0xff) : table.error();
}

// What the reader says of a table that was changed and sealed again.
BootTableError why_after(const std::function<void(TableImage&)>& change, uint32_t cells = 1) {
    TableImage image(cells);
    change(image);
    image.seal();
    return why(BootTable::read(image.bytes()));
}

BootTableError why_cell(const std::function<void(rumpk_boot_cell&)>& change) {
    return why_after([&](TableImage& image) { change(image.cell(0)); });
}

bool good_cell(const std::function<void(rumpk_boot_cell&)>& change) {
    TableImage image;
    change(image.cell(0));
    return BootTable::read(image.seal().bytes()).has_value();
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Crc32, IsZlibs) {
    EXPECT_EQ(crc32({}), 0u);
    EXPECT_EQ(crc32(bytes_of("123456789")), 0xCBF43926u);
    EXPECT_EQ(crc32(bytes_of("The quick brown fox jumps over the lazy dog")), 0x414FA339u);
    EXPECT_EQ(crc32(bytes_of(std::string_view("\0\0\0\0", 4))), 0x2144DF1Cu);
}

// Bit by bit, as the standard writes it.
uint32_t plain_crc32(std::span<const std::byte> bytes) {
    uint32_t sum = ~0u;
    for (const std::byte byte : bytes) {
        sum ^= static_cast<uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) {
            sum = sum >> 1 ^ ((sum & 1) != 0 ? 0xEDB88320u : 0);
        }
    }
    return ~sum;
}

TEST(Crc32, AgreesBitByBitAtEveryLengthAndAlignment) {
    core_test::Random random(1);
    std::vector<std::byte> bytes(300);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random.below(256));
    }
    for (size_t from = 0; from < 16; ++from) {
        for (size_t size = 0; size + from <= bytes.size(); ++size) {
            const auto part = std::span<const std::byte>(bytes).subspan(from, size);
            ASSERT_EQ(crc32(part), plain_crc32(part)) << from << " " << size;
        }
    }
}

TEST(BootTable, ReadsOneCell) {
    TableImage image;
    const auto table = BootTable::read(image.bytes());
    ASSERT_TRUE(table) << describe(table.error());
    EXPECT_EQ(table->cell_count(), 1u);
    EXPECT_TRUE(table->fused());
    EXPECT_EQ(table->size(), 8192u);
    const BootCell cell = table->cell(0);
    EXPECT_EQ(cell.name, "hello0");
    EXPECT_EQ(cell.elf.data(), image.bytes().data() + 4096);
    EXPECT_EQ(cell.elf.size(), 4096u);
    EXPECT_EQ(cell.memory, 8u << 20);
    EXPECT_EQ(cell.map_memory, 1u << 20);
    EXPECT_EQ(cell.window, CellId{0});
    EXPECT_EQ(cell.home_tier, Tier::gravity);
    EXPECT_EQ(cell.tier_ceiling, Tier::matter);
    EXPECT_EQ(cell.cores, 4u);
    EXPECT_EQ(cell.fibers, 64u);
    EXPECT_EQ(cell.main_stack, 65536u);
    EXPECT_EQ(cell.fiber_rings, 8192u);
}

TEST(BootTable, ReadsSevenCellsAndWhatFollowsIsNotItsOwn) {
    TableImage image(7);
    PageAligned longer(image.bytes().size() + 100);
    std::ranges::copy(image.bytes(), longer.bytes().begin());
    const auto table = BootTable::read(longer.bytes());
    ASSERT_TRUE(table) << describe(table.error());
    EXPECT_EQ(table->cell_count(), 7u);
    EXPECT_EQ(table->size(), image.bytes().size());
    EXPECT_FALSE(table->fused());
    EXPECT_EQ(table->cell(6).name, "hello6");
    EXPECT_EQ(table->cell(6).window, CellId{6});
    EXPECT_DEATH((void)table->cell(7), "");
}

TEST(BootTable, TheConsoleIsOneCells) {
    TableImage image(3);
    EXPECT_EQ(BootTable::read(image.bytes())->console(), 0u);
    image.table().console = 2;
    const auto table = BootTable::read(image.seal().bytes());
    ASSERT_TRUE(table) << describe(table.error());
    EXPECT_EQ(table->console(), 2u);
    for (const uint32_t console : {3u, ~0u}) {
        EXPECT_EQ(why_after([&](auto& i) { i.table().console = console; }, 3), BootTableError::bad_console);
    }
    EXPECT_EQ(why_after([](auto& i) { i.table().console = 1; }), BootTableError::bad_console);
}

TEST(BootTable, Header) {
    EXPECT_EQ(why(BootTable::read({})), BootTableError::too_short);
    TableImage image;
    EXPECT_EQ(why(BootTable::read(image.bytes().first(63))), BootTableError::too_short);
    EXPECT_EQ(why(BootTable::read(image.bytes().subspan(8))), BootTableError::misaligned);
    EXPECT_EQ(why(BootTable::read(image.bytes().first(8191))), BootTableError::wrong_size);
    EXPECT_EQ(why_after([](auto& i) { i.table().magic ^= 1; }), BootTableError::bad_magic);
    EXPECT_EQ(why_after([](auto& i) { i.table().version = 2; }), BootTableError::wrong_version);
    for (const uint64_t size : {uint64_t{0}, uint64_t{63}, uint64_t{8193}, ~uint64_t{0}}) {
        EXPECT_EQ(why_after([&](auto& i) { i.table().size = size; }), BootTableError::wrong_size) << size;
    }
    EXPECT_EQ(why_after([](auto& i) { i.table().flags = 2; }), BootTableError::unknown_flag);
    EXPECT_EQ(why_after([](auto& i) { i.table().reserved[7] = 1; }), BootTableError::reserved_not_zero);
    EXPECT_EQ(why_after([](auto& i) { i.table().cells = 0; }), BootTableError::bad_cell_count);
    EXPECT_EQ(why_after([](auto& i) { i.table().cells = 8; }), BootTableError::bad_cell_count);
    EXPECT_EQ(why_after([](auto& i) { i.table().cells = ~0u; }), BootTableError::bad_cell_count);
    EXPECT_EQ(why_after([](auto& i) { i.table().flags = RUMPK_IMAGE_FUSED; }, 2),
              BootTableError::fused_needs_one_cell);
}

TEST(BootTable, CellsBeyondTheEnd) {
    TableImage image;
    image.table().size = sizeof(rumpk_boot_table) + sizeof(rumpk_boot_cell) - 1;
    image.table().checksum = crc32(image.bytes().subspan(64, sizeof(rumpk_boot_cell) - 1));
    EXPECT_EQ(why(BootTable::read(image.bytes())), BootTableError::cells_outside_table);
}

TEST(BootTable, EveryDamagedByteIsNoticed) {
    TableImage image;
    for (size_t at = sizeof(rumpk_boot_table); at < image.bytes().size(); at += 7) {
        image.bytes()[at] ^= std::byte{0x20};
        ASSERT_EQ(why(BootTable::read(image.bytes())), BootTableError::wrong_checksum) << at;
        image.bytes()[at] ^= std::byte{0x20};
    }
    image.table().checksum ^= 1;
    EXPECT_EQ(why(BootTable::read(image.bytes())), BootTableError::wrong_checksum);
}

TEST(BootTable, Names) {
    EXPECT_EQ(why_cell([](auto& c) { c.name[0] = 0; }), BootTableError::bad_name);
    EXPECT_EQ(why_cell([](auto& c) { c.name[31] = 'x'; }), BootTableError::bad_name);
    EXPECT_EQ(why_cell([](auto& c) { c.name[2] = ' '; }), BootTableError::bad_name);
    EXPECT_EQ(why_cell([](auto& c) { c.name[2] = 0x7f; }), BootTableError::bad_name);
    EXPECT_EQ(why_cell([](auto& c) { c.name[2] = 0x1b; }), BootTableError::bad_name);
    EXPECT_EQ(why_cell([](auto& c) { std::memset(c.name, 'x', 32); }), BootTableError::bad_name);
    EXPECT_TRUE(good_cell([](auto& c) { std::memset(c.name, 'x', 31); }));
}

TEST(BootTable, Programs) {
    EXPECT_EQ(why_cell([](auto& c) { c.elf_offset = 4097; }), BootTableError::elf_misaligned);
    EXPECT_EQ(why_cell([](auto& c) { c.elf_offset = 0; }), BootTableError::elf_outside_table);
    EXPECT_EQ(why_cell([](auto& c) { c.elf_offset = 8192; }), BootTableError::elf_outside_table);
    EXPECT_EQ(why_cell([](auto& c) { c.elf_offset = ~0xfffULL; }), BootTableError::elf_outside_table);
    EXPECT_EQ(why_cell([](auto& c) { c.elf_size = 0; }), BootTableError::elf_outside_table);
    EXPECT_EQ(why_cell([](auto& c) { c.elf_size = 4097; }), BootTableError::elf_outside_table);
    EXPECT_EQ(why_cell([](auto& c) { c.elf_size = ~0ULL; }), BootTableError::elf_outside_table);
}

TEST(BootTable, Memory) {
    for (const uint64_t bad :
         std::vector<uint64_t>{0, uint64_t{4095}, uint64_t{(64 << 20) + 4096}, ~0xfffULL, ~0ULL}) {
        EXPECT_EQ(why_cell([&](auto& c) { c.memory = bad; }), BootTableError::bad_memory) << bad;
    }
    for (const uint64_t bad : std::vector<uint64_t>{1, uint64_t{(32 << 20) + 4096}, ~0xfffULL}) {
        EXPECT_EQ(why_cell([&](auto& c) { c.map_memory = bad; }), BootTableError::bad_map_memory) << bad;
    }
    EXPECT_TRUE(good_cell([](auto& c) { c.memory = 64 << 20; }));
    EXPECT_TRUE(good_cell([](auto& c) { c.map_memory = 32 << 20; }));
    EXPECT_TRUE(good_cell([](auto& c) { c.map_memory = 0; }));
}

TEST(BootTable, Fibers) {
    EXPECT_EQ(why_cell([](auto& c) { c.fibers = 0; }), BootTableError::bad_fiber_count);
    EXPECT_EQ(why_cell([](auto& c) { c.fibers = 16385; }), BootTableError::bad_fiber_count);
    EXPECT_EQ(why_cell([](auto& c) { c.fiber_stack = 512; }), BootTableError::bad_fiber_stack);
    EXPECT_EQ(why_cell([](auto& c) { c.fiber_stack = 4096; }), BootTableError::bad_fiber_stack);
    EXPECT_EQ(why_cell([](auto& c) {
                  c.fibers = 16384;
                  c.fiber_stack = 1024; // and no room for the first one's
              }),
              BootTableError::stacks_too_large);
    EXPECT_EQ(why_cell([](auto& c) { c.main_stack = 0; }), BootTableError::bad_main_stack);
    EXPECT_EQ(why_cell([](auto& c) { c.main_stack = 4097; }), BootTableError::bad_main_stack);
    EXPECT_EQ(why_cell([](auto& c) { c.main_stack = 0xfffff000; }), BootTableError::stacks_too_large);
    EXPECT_EQ(why_cell([](auto& c) { c.main_stack = 16 << 20; }), BootTableError::stacks_too_large);
    EXPECT_EQ(why_cell([](auto& c) { c.fibers = 2048; }), BootTableError::stacks_too_large);
    EXPECT_EQ(why_cell([](auto& c) {
                  c.fibers = 1;
                  c.main_stack = 16 << 20; // and no room for its guard page
              }),
              BootTableError::stacks_too_large);
    EXPECT_EQ(why_cell([](auto& c) {
                  c.fibers = 1024;
                  c.fiber_rings = 4 << 20; // 2^32 bytes
              }),
              BootTableError::bad_fiber_rings);
    EXPECT_EQ(why_cell([](auto& c) { c.fiber_rings = 16; }), BootTableError::bad_fiber_rings);
    EXPECT_EQ(why_cell([](auto& c) { c.fiber_rings = 0xfffff000; }), BootTableError::bad_fiber_rings);
    EXPECT_EQ(why_cell([](auto& c) { c.fiber_rings = 256 << 10; }), BootTableError::bad_fiber_rings);
    EXPECT_TRUE(good_cell([](auto& c) { c.fiber_rings = 0; }));
    EXPECT_TRUE(good_cell([](auto& c) { c.fibers = 1; }));
    EXPECT_TRUE(good_cell([](auto& c) {
        c.fibers = 1;
        c.main_stack = (16 << 20) - 4096;
    }));
}

TEST(BootTable, Places) {
    EXPECT_EQ(why_cell([](auto& c) { c.window = 7; }), BootTableError::bad_window);
    EXPECT_EQ(why_cell([](auto& c) { c.home_tier = 4; }), BootTableError::bad_home_tier);
    EXPECT_EQ(why_cell([](auto& c) { c.tier_ceiling = 3; }), BootTableError::home_above_ceiling);
    EXPECT_EQ(why_cell([](auto& c) { c.cores = 0; }), BootTableError::bad_cores);
    EXPECT_EQ(why_cell([](auto& c) { c.cores = 65; }), BootTableError::bad_cores);
    EXPECT_EQ(why_after([](auto& i) { i.cell(1).window = 0; }, 2), BootTableError::window_twice);
    EXPECT_EQ(why_after([](auto& i) { i.cell(1).elf_offset = 0; }, 2), BootTableError::elf_outside_table);
    EXPECT_TRUE(good_cell([](auto& c) { c.cores = 64; }));
}

TEST(BootTable, Supervisors) {
    const auto good = [](auto& c) {
        c.cores = 1;
        c.supervisor = {1, 0, 3, 60'000'000, 10'000, 10'000, 0};
    };
    EXPECT_TRUE(good_cell(good));
    EXPECT_TRUE(good_cell([&](auto& c) {
        good(c);
        c.supervisor = {2, 0, RUMPK_RESTARTS_MAX, 1, 0, 0, RUMPK_HEARTBEAT_MIN};
    }));
    const auto why = [&](auto change) {
        return why_cell([&](auto& c) {
            good(c);
            change(c.supervisor);
        });
    };
    EXPECT_EQ(why([](auto& s) { s.policy = 0; }), BootTableError::bad_supervisor);
    EXPECT_EQ(why([](auto& s) { s.policy = 3; }), BootTableError::bad_supervisor);
    EXPECT_EQ(why([](auto& s) { s.limit = 0; }), BootTableError::bad_supervisor);
    EXPECT_EQ(why([](auto& s) { s.limit = RUMPK_RESTARTS_MAX + 1; }), BootTableError::bad_supervisor);
    EXPECT_EQ(why([](auto& s) { s.window_us = 0; }), BootTableError::bad_supervisor);
    EXPECT_EQ(why([](auto& s) { s.backoff_us = s.backoff_limit_us + 1; }), BootTableError::bad_supervisor);
    EXPECT_EQ(why([](auto& s) { s.heartbeat_us = RUMPK_HEARTBEAT_MIN - 1; }), BootTableError::bad_supervisor);
    EXPECT_TRUE(good_cell([&](auto& c) {
        good(c);
        c.cores = 2;
    }));
    EXPECT_EQ(why_cell([&](auto& c) { // one core is looked at
                  good(c);
                  c.cores = 2;
                  c.supervisor.heartbeat_us = RUMPK_HEARTBEAT_MIN;
              }),
              BootTableError::bad_supervisor);
}

TEST(BootTable, ReadsBudgets) {
    TableImage image(2);
    image.give_budgets(0, 0, 2);
    image.give_budgets(1, 2, 1);
    image.cell(0).first_budget = 2;
    image.seal();
    const auto table = BootTable::read(image.bytes());
    ASSERT_TRUE(table) << describe(table.error());
    const BootCell first = table->cell(0);
    ASSERT_EQ(first.budgets.size(), 2u);
    EXPECT_EQ(first.first_budget, 2u);
    EXPECT_STREQ(reinterpret_cast<const char*>(first.budgets[1].name), "video");
    EXPECT_EQ(first.budgets[1].run_us, 2'000u);
    EXPECT_EQ(first.budgets[1].window_us, 10'000u);
    EXPECT_EQ(first.budgets[1].fibers, 2u);
    ASSERT_EQ(table->cell(1).budgets.size(), 1u);
    EXPECT_EQ(table->cell(1).budgets[0].fibers, 3u);
    EXPECT_EQ(table->cell(1).first_budget, 0u);
    EXPECT_TRUE(BootTable::read(TableImage().bytes())->cell(0).budgets.empty());
}

TEST(BootTable, BadBudgets) {
    const auto good = [](const std::function<void(TableImage&)>& change) {
        TableImage image;
        image.give_budgets(0, 0, 2);
        change(image);
        const auto table = BootTable::read(image.seal().bytes());
        EXPECT_TRUE(table || table.error() == BootTableError::bad_budgets);
        return table.has_value();
    };
    EXPECT_TRUE(good([](auto&) {}));
    // Each edge, and the step over it.
    EXPECT_TRUE(good([](auto& i) { i.budget(1).run_us = 1; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).run_us = 0; }));
    EXPECT_TRUE(good([](auto& i) { i.budget(1).run_us = i.budget(1).window_us - 1; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).run_us = i.budget(1).window_us; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).run_us = ~0u; }));
    EXPECT_TRUE(good([](auto& i) { i.budget(1).window_us = ~0u; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).fibers = 0; }));
    EXPECT_TRUE(good([](auto& i) { i.budget(1).fibers = 63; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).fibers = 64; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).fibers = ~0u; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).size = 31; }));
    EXPECT_FALSE(good([](auto& i) { i.budget(1).name[0] = 0; }));
    EXPECT_FALSE(good([](auto& i) { std::memset(i.budget(1).name, 'x', 16); }));
    EXPECT_TRUE(good([](auto& i) { i.cell(0).first_budget = 2; }));
    EXPECT_FALSE(good([](auto& i) { i.cell(0).first_budget = 3; }));
    EXPECT_FALSE(good([](auto& i) { i.give_budgets(0, 0, 17); }));
    EXPECT_FALSE(good([](auto& i) { i.cell(0).budgets = ~0u; }));
    EXPECT_FALSE(good([](auto& i) { i.cell(0).budgets_offset -= 4; })); // inside the cell
    EXPECT_FALSE(good([](auto& i) { i.cell(0).budgets_offset += 2; })); // not aligned
    EXPECT_FALSE(good([](auto& i) { i.cell(0).budgets_offset = 8192 - 2 * 32 + 4; }));
    EXPECT_FALSE(good([](auto& i) { i.cell(0).budgets_offset = ~3u; }));
    EXPECT_TRUE(good([](auto& i) { // the last bytes of all
        std::memcpy(i.bytes().data() + 8192 - 64, &i.budget(0), 64);
        i.cell(0).budgets_offset = 8192 - 64;
    }));
}

TEST(BootTable, EachErrorHasAText) {
    std::set<std::string> texts;
    for (size_t i = 0; i < boot_table_error_texts; ++i) {
        texts.insert(describe(static_cast<BootTableError>(i << 4)));
    }
    EXPECT_EQ(texts.size(), 15u);
    EXPECT_FALSE(texts.contains(""));
}

TEST(BootTable, RandomNumbersInRandomFields) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    core_test::Random random(seed);
    TableImage image(2);
    image.give_budgets(0, 0, 2);
    image.give_budgets(1, 2, 1);
    const std::vector<std::byte> good(image.bytes().begin(), image.bytes().begin() + 64 + 2 * 128 + 3 * 32);
    for (int run = 0; run < 20'000; ++run) {
        std::ranges::copy(good, image.bytes().begin());
        for (uint64_t count = 1 + random.below(2); count > 0; --count) {
            const size_t words = good.size() / 4;
            const uint32_t value = static_cast<uint32_t>(random.of_any_length(32) << random.below(2) * 12);
            std::memcpy(image.bytes().data() + 4 * random.below(words), &value, 4);
        }
        const uint64_t size = image.table().size;
        if (size >= 64 && size <= image.bytes().size()) {
            image.table().checksum = crc32(image.bytes().subspan(64, size - 64));
        }
        if (const auto table = BootTable::read(image.bytes())) {
            ASSERT_TRUE(core_test::holds_what_it_promises(*table, image.bytes())) << run;
        }
    }
}

} // namespace
