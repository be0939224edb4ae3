// SPDX-License-Identifier: Apache-2.0
//
// The boot table's reader: channels, devices and shares.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "core/boot_table.h"
#include "tests/unit/core/table_image.h"

namespace {

using namespace rumpk;
using core_test::TableImage;

// What the reader says of a table of two cells that was changed and sealed again.
BootTableError why_after(const std::function<void(TableImage&)>& change) {
    TableImage image(2);
    change(image);
    const auto table = BootTable::read(image.seal().bytes());
    EXPECT_FALSE(table.has_value());
    return table ? static_cast<BootTableError>(0xff) : table.error();
}

// One behind the cells, from the second to the first.
rumpk_boot_channel& give_channel(TableImage& image, uint32_t count = 1) {
    auto* const channels = reinterpret_cast<rumpk_boot_channel*>(&image.cell(image.table().cells));
    image.table().channels_offset =
        static_cast<uint32_t>(reinterpret_cast<std::byte*>(channels) - image.bytes().data());
    image.table().channels = count;
    for (uint32_t i = 0; i < count; ++i) {
        channels[i] = {.name = {'a'}, .from = 1, .to = 0, .slots = 64, .slot_size = 80};
    }
    return channels[0];
}

bool good_channel(const std::function<void(rumpk_boot_channel&)>& change) {
    TableImage image(2);
    change(give_channel(image));
    const auto read = BootTable::read(image.seal().bytes());
    EXPECT_TRUE(read || read.error() == BootTableError::bad_channels);
    return read.has_value();
}

TEST(BootTable, Channels) {
    TableImage image(2);
    (void)give_channel(image, 3);
    const auto table = BootTable::read(image.seal().bytes());
    ASSERT_TRUE(table) << describe(table.error());
    ASSERT_EQ(table->channels().size(), 3u);
    EXPECT_EQ(table->channels()[2].slot_size, 80u);
    EXPECT_EQ(BootTable::read(TableImage(2).bytes())->channels().size(), 0u);
    EXPECT_TRUE(good_channel([](auto& c) { std::memset(c.name, 'x', 15); }));
    EXPECT_FALSE(good_channel([](auto& c) { std::memset(c.name, 'x', 16); }));
    EXPECT_FALSE(good_channel([](auto& c) { c.name[0] = 0; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.from = 2; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.to = 2; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.to = c.from; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.slots = 3; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.slot_size = 72; }));
    EXPECT_TRUE(good_channel([](auto& c) { c.slots = 4096, c.slot_size = 112; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.slots = 4096, c.slot_size = 128; })); // and its header
}

TEST(BootTable, ChannelsToTheKernel) {
    EXPECT_TRUE(good_channel([](auto& c) { c.to = RUMPK_CHANNEL_KERNEL, c.slot_size = 48; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.to = RUMPK_CHANNEL_KERNEL; })); // it takes 32 bytes at a time
    EXPECT_FALSE(good_channel([](auto& c) { c.from = RUMPK_CHANNEL_KERNEL, c.slot_size = 48; }));
    EXPECT_FALSE(good_channel([](auto& c) { c.to = RUMPK_CHANNEL_KERNEL - 2, c.slot_size = 48; }));
}

// The console's, which is the first cell's, with the second; changed so.
bool good_console(const std::function<void(rumpk_boot_channel&, rumpk_boot_channel&)>& change) {
    TableImage image(2);
    rumpk_boot_channel* const out = &give_channel(image, 2);
    out[0] = {.name = {'o'}, .from = RUMPK_CHANNEL_KERNEL_CONSOLE, .to = 1, .slots = 512, .slot_size = 48};
    out[1] = {.name = {'i'}, .from = 1, .to = RUMPK_CHANNEL_KERNEL_CONSOLE, .slots = 64, .slot_size = 32};
    change(out[0], out[1]);
    const auto read = BootTable::read(image.seal().bytes());
    EXPECT_TRUE(read || read.error() == BootTableError::bad_channels);
    return read.has_value();
}

TEST(BootTable, ChannelsOfTheConsole) {
    EXPECT_TRUE(good_console([](auto&, auto&) {}));
    EXPECT_FALSE(good_console([](auto& o, auto&) { o.slot_size = 64; })); // messages are as the kernel's are
    EXPECT_FALSE(good_console([](auto& o, auto& i) { o.to = 0, i.from = 0; })); // whose console it is
    EXPECT_FALSE(good_console([](auto& o, auto&) { o.to = 0; }));
    EXPECT_FALSE(good_console([](auto& o, auto&) { o.to = RUMPK_CHANNEL_KERNEL_CONSOLE; }));
    EXPECT_FALSE(good_console([](auto& o, auto&) { o.to = RUMPK_CHANNEL_KERNEL; }));
    EXPECT_FALSE(good_console([](auto& o, auto&) { o.from = 0; })); // one of two alone
    EXPECT_FALSE(good_console([](auto&, auto& i) { i.to = 0; }));
    EXPECT_FALSE(good_console([](auto& o, auto& i) { i = o, i.name[0] = 'i'; }));
    EXPECT_FALSE(good_console([](auto& o, auto&) { o.slots = 8192, o.slot_size = 80; }));
    EXPECT_FALSE(good_console([](auto& o, auto&) { o.slots = 16384; })); // it stands in its receiver's window
}

// Behind the cells, the second's.
rumpk_boot_device& give_device(TableImage& image, uint32_t count = 1) {
    auto* const devices = reinterpret_cast<rumpk_boot_device*>(&image.cell(image.table().cells));
    image.table().devices_offset =
        static_cast<uint32_t>(reinterpret_cast<std::byte*>(devices) - image.bytes().data());
    image.table().devices = count;
    for (uint32_t i = 0; i < count; ++i) {
        devices[i] = {.name = {'d'}, .compatible = {}, .cell = 1, .virtio = 4, .memory = 4096, .reserved = 0};
    }
    return devices[0];
}

bool good_device(const std::function<void(rumpk_boot_device&)>& change, uint32_t count = 1) {
    TableImage image(2);
    change(give_device(image, count));
    const auto read = BootTable::read(image.seal().bytes());
    EXPECT_TRUE(read || read.error() == BootTableError::bad_channels);
    return read.has_value();
}

TEST(BootTable, Devices) {
    TableImage image(2);
    (void)give_device(image, 3);
    const auto table = BootTable::read(image.seal().bytes());
    ASSERT_TRUE(table) << describe(table.error());
    ASSERT_EQ(table->devices().size(), 3u);
    EXPECT_EQ(table->devices()[2].virtio, 4u);
    EXPECT_EQ(BootTable::read(TableImage(2).bytes())->devices().size(), 0u);
    EXPECT_TRUE(good_device([](auto& d) { std::memset(d.name, 'x', 15); }));
    EXPECT_FALSE(good_device([](auto& d) { std::memset(d.name, 'x', 16); }));
    EXPECT_FALSE(good_device([](auto& d) { d.name[0] = 0; }));
    EXPECT_FALSE(good_device([](auto& d) { d.cell = 2; }));
    EXPECT_FALSE(good_device([](auto& d) { d.virtio = 0; }));
    EXPECT_TRUE(good_device([](auto& d) { d.virtio = 0, std::memset(d.compatible, 'x', 15); }));
    EXPECT_FALSE(good_device([](auto& d) { d.virtio = 0, std::memset(d.compatible, 'x', 16); }));
    EXPECT_FALSE(good_device([](auto& d) { d.compatible[0] = 'x'; }));
    EXPECT_FALSE(good_device([](auto& d) { d.reserved = 1; }));
    EXPECT_TRUE(good_device([](auto& d) { d.memory = 0; }));
    EXPECT_FALSE(good_device([](auto& d) { d.memory = 4095; }));
    EXPECT_TRUE(good_device([](auto& d) { d.memory = (512 << 10) - 3 * 4096; }));
    EXPECT_FALSE(
        good_device([](auto& d) { d.memory = (512 << 10) - 2 * 4096; })); // its ring and its registers
    EXPECT_FALSE(good_device([](auto& d) { d.memory = ~0xfffu; }));
    EXPECT_TRUE(good_device([](auto&) {}, 32));
    EXPECT_FALSE(good_device([](auto&) {}, 33));
    EXPECT_EQ(why_after([](auto& i) { give_device(i), i.table().devices_offset -= 4; }),
              BootTableError::bad_channels);
}

// Behind the cells; its bytes are the second page of a program.
rumpk_boot_share& give_share(TableImage& image, uint32_t count = 1) {
    auto* const shares = reinterpret_cast<rumpk_boot_share*>(&image.cell(image.table().cells));
    image.table().shares_offset =
        static_cast<uint32_t>(reinterpret_cast<std::byte*>(shares) - image.bytes().data());
    image.table().shares = count;
    for (uint32_t i = 0; i < count; ++i) {
        shares[i] = {.name = {'s'}, .offset = 2 * core_test::page, .size = 5, .cells = 3, .reserved = 0};
    }
    return shares[0];
}

bool good_share(const std::function<void(rumpk_boot_share&)>& change, uint32_t count = 1) {
    TableImage image(2);
    change(give_share(image, count));
    const auto read = BootTable::read(image.seal().bytes());
    EXPECT_TRUE(read || read.error() == BootTableError::bad_shares);
    return read.has_value();
}

TEST(BootTable, Shares) {
    TableImage image(2);
    give_share(image, 3).size = 2 * core_test::page - 1;
    give_share(image, 3).offset = core_test::page;
    const auto table = BootTable::read(image.seal().bytes());
    ASSERT_TRUE(table) << describe(table.error());
    ASSERT_EQ(table->shares().size(), 3u);
    EXPECT_EQ(table->contents(table->shares()[2]).data(), image.bytes().data() + 2 * core_test::page);
    EXPECT_EQ(table->contents(table->shares()[2]).size(), core_test::page); // all that is seen
    EXPECT_EQ(BootTable::read(TableImage(2).bytes())->shares().size(), 0u);
    EXPECT_TRUE(good_share([](auto& s) { std::memset(s.name, 'x', 15); }));
    EXPECT_FALSE(good_share([](auto& s) { std::memset(s.name, 'x', 16); }));
    EXPECT_FALSE(good_share([](auto& s) { s.name[0] = 0; }));
    EXPECT_TRUE(good_share([](auto& s) { s.cells = 2; }));
    EXPECT_FALSE(good_share([](auto& s) { s.cells = 0; }));
    EXPECT_FALSE(good_share([](auto& s) { s.cells = 4; })); // there is none
    EXPECT_FALSE(good_share([](auto& s) { s.reserved = 1; }));
    EXPECT_FALSE(good_share([](auto& s) { s.size = 0; }));
    EXPECT_TRUE(good_share([](auto& s) { s.size = core_test::page; }));
    EXPECT_FALSE(good_share([](auto& s) { s.size = core_test::page + 1; })); // beyond the table
    EXPECT_FALSE(good_share([](auto& s) { s.size = ~0u; }));
    EXPECT_FALSE(good_share([](auto& s) { s.offset += 4; }));
    EXPECT_FALSE(good_share([](auto& s) { s.offset = 0; })); // with the table itself
    EXPECT_FALSE(good_share([](auto& s) { s.offset = 3 * core_test::page; }));
    EXPECT_FALSE(good_share([](auto& s) { s.offset = ~0xfffu; }));
    EXPECT_TRUE(good_share([](auto&) {}, 16));
    EXPECT_FALSE(good_share([](auto&) {}, 17));
    EXPECT_EQ(why_after([](auto& i) { give_share(i), i.table().shares_offset -= 4; }),
              BootTableError::bad_shares);
}

// The second cell's manager, in a table of two, whose console is the cell with that index.
bool good_manager(uint8_t manager, uint32_t console = 0, uint32_t of = 1) {
    TableImage image(2);
    image.table().console = console;
    image.cell(of).supervisor.manager = manager;
    const auto read = BootTable::read(image.seal().bytes());
    EXPECT_TRUE(read || read.error() == BootTableError::bad_supervisor);
    EXPECT_TRUE(!read || read->cell(of).waits == (manager >= RUMPK_CELL_WAITS));
    return read.has_value();
}

TEST(BootTable, Managers) {
    EXPECT_TRUE(good_manager(0));
    EXPECT_TRUE(good_manager(1));
    EXPECT_TRUE(good_manager(1 | RUMPK_CELL_WAITS));
    EXPECT_TRUE(good_manager(1, 1));
    EXPECT_FALSE(good_manager(1 | RUMPK_CELL_WAITS, 1)); // the console's cell waits for nobody
    EXPECT_FALSE(good_manager(2));                       // itself
    EXPECT_FALSE(good_manager(3));                       // there is none
    EXPECT_FALSE(good_manager(RUMPK_CELL_WAITS));        // for nobody
    EXPECT_FALSE(good_manager(2, 0, 0));                 // the first cell, with which the image ends
}

TEST(BootTable, ChannelsOutside) {
    const auto of = [](const std::function<void(TableImage&)>& change) {
        return why_after([&](TableImage& image) {
            (void)give_channel(image);
            change(image);
        });
    };
    constexpr auto bad = BootTableError::bad_channels;
    EXPECT_EQ(of([](auto& i) { i.table().channels_offset -= 4; }), bad); // in the cells
    EXPECT_EQ(of([](auto& i) { i.table().channels_offset += 2; }), bad);
    EXPECT_EQ(of([](auto& i) { i.table().channels_offset = 3 * 4096 - 28; }), bad);
    EXPECT_EQ(of([](auto& i) { i.table().channels_offset = ~3u; }), bad);
    EXPECT_EQ(of([](auto& i) { i.table().channels = 65; }), bad);
    EXPECT_EQ(why_after([](auto& i) { i.table().channels = 1; }), bad);
    EXPECT_EQ(why_after([](auto& i) { i.table().channels_offset = 1; }), bad);
}

} // namespace
