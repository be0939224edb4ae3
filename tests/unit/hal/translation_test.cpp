// SPDX-License-Identifier: Apache-2.0
//
// Translation buffers that forget nothing until they are told: what an emulator, which forgets far more, does
// not show. The board's map (memory.cpp) is changed at random, by its own functions. Meanwhile modelled cores
// translate addresses, each in the map of all or in a view, and keep whatever the walks have found, as the
// architectures let them: leaves of each size by tag, or for every tag what is in all views; tables on the
// way; and that there was nothing. After each change what they know has to be what the tables say.
//
// translation_changed is played here: it drops what its promise (hal/board/arch.h) says, and no more. That
// the instructions of an architecture drop as much is for its manual to say.
#include "hal/board/memory.h"

#include <array>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "hal/board/arch.h"
#include "hal/board/machine_facts.h"
#include "hal/board/table.h"

// The kernel as the linker would have laid it out.
asm(R"(
    .data
    .balign 4096
    .globl __text_start, __text_end, __rodata_end, __image_end
    __text_start: .skip 4096
    __text_end: .skip 4096
    __rodata_end: .skip 4096
    __image_end: .skip 8192
)");

namespace {

using namespace rumpk::hal;

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint64_t megapage = PageTables::page_size(1);
constexpr uint32_t views = 3;
constexpr uint64_t memory_base = 0x80000000; // of the machine; never touched

// By tag: 0 is that of the map of all.
std::array<uint64_t, views + 1> roots{};

constexpr uint32_t shift(uint32_t level) {
    return 12 + 9 * level;
}
uint64_t entry_in(uint64_t table, uint32_t level, uint64_t address) {
    return reinterpret_cast<const uint64_t*>(table)[address >> shift(level) & 511];
}
bool ends_walk(uint64_t entry, uint32_t level) {
    return level == 0 || !page_format::is_valid(entry) || page_format::is_leaf(entry, level);
}
// The level at which a walk from the root ends.
uint32_t end_of_walk(uint64_t table, uint64_t address) {
    uint32_t level = 2;
    for (; level != 0; --level) {
        const uint64_t entry = entry_in(table, level, address);
        if (ends_walk(entry, level)) {
            break;
        }
        table = page_format::physical_of(entry);
    }
    return level;
}

// What one core remembers.
class Buffer {
  public:
    // As a load would: by what is kept, or else by a walk, which is kept. The leaf; 0: nothing is there.
    uint64_t translate(uint32_t tag, uint64_t address) {
        for (uint32_t level = 0; level < 3; ++level) {
            for (uint32_t of : {tag, in_all_views}) {
                if (auto found = leaves_.find({level, address >> shift(level), of}); found != leaves_.end()) {
                    return found->second;
                }
            }
        }
        uint32_t level = 2;
        uint64_t table = roots[tag];
        for (uint32_t below = 0; below < 2; ++below) {
            if (auto found = tables_.find({below, address >> shift(below + 1), tag});
                found != tables_.end()) {
                level = below;
                table = found->second;
                break;
            }
        }
        uint64_t entry = entry_in(table, level, address);
        for (; level != 0 && !ends_walk(entry, level); --level) {
            table = page_format::physical_of(entry);
            tables_[{level - 1, address >> shift(level), tag}] = table;
            entry = entry_in(table, level - 1, address);
        }
        const bool valid = page_format::is_valid(entry);
        const bool everywhere = valid && !page_format::is_of_core(entry);
        return leaves_[{level, address >> shift(level), everywhere ? in_all_views : tag}] = valid ? entry : 0;
    }

    void forget_all() {
        leaves_.clear();
        tables_.clear();
    }
    // What is a leaf for these addresses, or was, in whatever map. Tables on the way stay, and so does that
    // there was nothing where there is a table now.
    void forget(uint64_t address, uint64_t size) {
        for (uint32_t level = 0; level < 3; ++level) {
            auto kept = leaves_.lower_bound({level, address >> shift(level), 0});
            while (kept != leaves_.end() &&
                   kept->first <= Key{level, (address + size - 1) >> shift(level), in_all_views}) {
                const auto [of_level, place, tag] = kept->first;
                const bool goes =
                    kept->second != 0 || end_of_walk(roots[tag], place << shift(level)) == level;
                kept = goes ? leaves_.erase(kept) : std::next(kept);
            }
        }
    }

  private:
    static constexpr uint32_t in_all_views = views + 1;
    using Key = std::tuple<uint32_t, uint64_t, uint32_t>; // level, address in its pages, tag
    std::map<Key, uint64_t> leaves_;
    std::map<Key, uint64_t> tables_; // by level and address of what they map
};

std::array<Buffer, 2> cores;
uint64_t told = 0;       // calls of translation_changed
uint64_t told_pages = 0; // of these by the page

} // namespace

// The rest of the HAL, as far as memory.cpp wants it.
namespace rumpk::hal {

hal_boot boot_facts{};
extern "C" constinit const MachineFacts machine_facts = {
    .no_memory = "", .early_device = 0, .name = "test", .least_memory = 0, .memory_floor = 0x58000000};
constinit const bool has_views = true;

const char* translation_begin(uint64_t root, AddressRange) {
    roots[0] = root;
    return nullptr;
}
bool translation_is_on() {
    return roots[0] != 0;
}
void translation_changed(uint64_t address, uint64_t size, bool tables_changed) {
    ++told;
    if (!tables_changed) {
        ++told_pages;
    }
    for (Buffer& core : ::cores) {
        if (tables_changed) {
            core.forget_all();
        } else {
            core.forget(address, size);
        }
    }
}

} // namespace rumpk::hal

namespace {

class Translation : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        constexpr uint64_t size = kernel_memory::end - kernel_memory::base;
        void* const wanted = reinterpret_cast<void*>(kernel_memory::base);
        ASSERT_EQ(mmap(wanted, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0),
                  wanted);
        boot_facts.memory_base = memory_base;
        boot_facts.memory_size = 0x10000000;
        ASSERT_EQ(memory_begin(), nullptr);
        ASSERT_NE(memory_map_device({0x10000000, page}), 0u); // the console's, before there are views
        for (uint32_t view = 0; view < views; ++view) {
            roots[view + 1] = memory_make_view(view);
            ASSERT_NE(roots[view + 1], 0u);
        }
    }

    uint64_t any(uint64_t below) { return random_() % below; }
    // Near the bottom of some window, or where no window is; 4 MiB of each matter, so that things meet.
    uint64_t any_place() {
        const uint64_t base = any(4) == 0 ? 0x40000000 : RUMPK_WINDOW_A + any(views + 1) * RUMPK_WINDOW_SIZE;
        return base + any(2 * megapage / page) * page;
    }
    AddressRange any_free() {
        const bool large = any(8) == 0;
        return {large ? any_place() & ~(megapage - 1) : any_place(), large ? megapage : (1 + any(12)) * page};
    }

    void seed(uint32_t number) { random_.seed(number); }
    AddressRange any_mapped();
    void change_something();
    void look(AddressRange range);

    uint64_t done_ = 0; // changes that were not refused

  private:
    std::mt19937_64 random_;
    std::vector<AddressRange> mapped_;
};

// Once all cores know what is there.
void Translation::change_something() {
    constexpr std::array<uint32_t, 3> kinds = {HAL_MAP_READ, HAL_MAP_READ | HAL_MAP_WRITE,
                                               HAL_MAP_READ | HAL_MAP_EXEC};
    const uint32_t rights = kinds[any(kinds.size())];
    const uint64_t kind = any(32);
    const bool again = kind >= 2 && kind < 18;
    const AddressRange range = again ? any_mapped() : any_free();
    const uint64_t frame = memory_base + (range.base & (8 * megapage - 1));
    look(range);
    int error = 0;
    if (kind == 0) {
        error = memory_map_device({0x20000000 + any(64) * page, page}) == 0 ? -1 : 0;
    } else if (kind == 1) {
        error = memory_show_in_view(static_cast<uint32_t>(any(views)), range.base, frame, range.size, rights);
    } else if (again && kind < 6) {
        const auto view = static_cast<uint32_t>(any(views));
        for (uint64_t at = range.base; at < range.end() && error == 0;) {
            const int64_t taken = memory_hide_in_view(view, at, range.end() - at);
            error =
                taken > 0 ? 0 : static_cast<int>(taken); // of a large page that begins before, or ends behind
            at += taken > 0 ? static_cast<uint64_t>(taken) : 0;
        }
    } else if (again) {
        error = kind % 2 == 0 ? protect(range.base, range.size, rights) : unmap(range.base, range.size);
    } else if (error = map(range.base, frame, range.size, rights); error == 0) {
        mapped_.push_back(range);
    }
    done_ += error == 0 ? 1 : 0;
    look(range);
}

// Some pages of what was mapped at some time.
AddressRange Translation::any_mapped() {
    if (mapped_.empty()) {
        return {RUMPK_WINDOW_A, page};
    }
    const AddressRange& whole = mapped_[any(mapped_.size())];
    const uint64_t pages = whole.size / page;
    const uint64_t first = any(2) == 0 ? 0 : any(pages);
    return {whole.base + first * page, (any(2) == 0 ? pages - first : 1 + any(pages - first)) * page};
}

// Every core, in every map. What is kept is compared with a walk that keeps nothing.
void Translation::look(AddressRange range) {
    const uint64_t step = range.size > 16 * page ? range.size / 16 : page;
    for (uint64_t at = range.base; at < range.end() && !HasFatalFailure(); at += step) {
        for (uint32_t view = 0; view <= views; ++view) {
            const uint64_t leaf = PageTables(roots[view]).lookup(at);
            for (Buffer& core : ::cores) {
                ASSERT_EQ(core.translate(view, at), leaf) << std::hex << at << " in view " << view;
            }
        }
    }
}

TEST_F(Translation, WhatIsKeptIsWhatTheTablesSay) {
    for (uint32_t number = 1; number <= 2 && !HasFatalFailure(); ++number) {
        seed(number);
        for (int step = 0; step < 1000 && !HasFatalFailure(); ++step) {
            change_something();
            look({any(8) == 0 ? device_window + any(16) * page : any_place(), page});
        }
        EXPECT_FALSE(HasFatalFailure()) << "seed " << number;
    }
    EXPECT_GT(done_, 500u);
    EXPECT_GT(told_pages, 1000u) << "pages one by one were tried";
    EXPECT_GT(told - told_pages, 100u) << "and tables";
}

// What lies outside of windows is the same in all views, whenever it was mapped.
TEST_F(Translation, TheKernelIsTheSameInAllViews) {
    const uint64_t late = memory_map_device({0x30000000, page});
    ASSERT_NE(late, 0u);
    for (const uint64_t root : roots) {
        EXPECT_EQ(PageTables(root).lookup(late), PageTables(roots[0]).lookup(late));
        EXPECT_NE(PageTables(root).lookup(late), 0u);
    }
}

} // namespace
