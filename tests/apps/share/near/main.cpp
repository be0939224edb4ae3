// SPDX-License-Identifier: Apache-2.0
//
// share WHAT: reads what the image gives it to read, and asks the others what they see.
//     read           once before the far cell has written there, and once in its next life
//     write, run     does so itself
#include <array>
#include <cstring>
#include <string_view>

#include <nexus/fiber.h>
#include <nexus/share.h>
#include <nexus/time.h>

#include "tests/apps/check.h"
#include "tests/apps/share/share.h"

namespace {

using namespace std::literals;
using share::Seen;
using Bytes = std::span<const std::byte>;

struct Far {
    nexus::ring<Seen>::sender to;
    nexus::ring<Seen>::receiver from;
};

// Both, of the far cell: what it sees is what this one sees.
void ask(Far& far, std::array<Bytes, 2> mine) {
    (void)far.to.send({0, 0, 0});
    for (const Bytes& bytes : mine) {
        const Seen here = share::seen(bytes);
        const auto there = far.from.receive(nexus::now() + 5s);
        test::check("the far cell sees the same bytes at the same place",
                    there && there->base == here.base && there->size == here.size && there->sum == here.sum);
    }
}

nexus::Result<rumpk_meta_share> facts_of(Bytes bytes) {
    for (uint32_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
        const auto one = nexus::detail::meta<rumpk_meta_share>(RUMPK_META_SHARE, slot);
        const auto held = nexus::meta_capability(slot);
        if (one && one->base == reinterpret_cast<uintptr_t>(bytes.data()) && held &&
            held->kind == RUMPK_CAP_SHARE && held->rights == RUMPK_RIGHT_READ) {
            return *one;
        }
    }
    return nexus::error(nexus::Errno::noent);
}

// A word that has only been seen by what is behind the bytes: zeros, to the end of a page.
bool zeros_behind(Bytes bytes) {
    const auto end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
    for (uintptr_t at = end; at % 4096 != 0; ++at) {
        if (*share::hidden<const volatile uint8_t>(at) != 0) {
            return false;
        }
    }
    return true;
}

void read(Far& far, Bytes words, Bytes licence) {
    constexpr std::string_view text = "one two three\n";
    test::check("the bytes are those of the file",
                words.size() == text.size() && std::memcmp(words.data(), text.data(), text.size()) == 0);
    test::check("and zeros behind them", zeros_behind(words) && zeros_behind(licence));
    const auto facts = facts_of(licence);
    test::check("they are there once, for two cells",
                facts && facts->cells == 2 && facts->bytes == licence.size());
    test::check("a name that it was not given is ENOENT",
                nexus::share("other").error() == nexus::Errno::noent);
    using nexus::call::raw;
    test::check("and no call takes a pointer there",
                raw(RUMPK_CALL_RANDOM, nexus::call::address(words.data()), 8) == -RUMPK_EFAULT &&
                    raw(RUMPK_CALL_META, RUMPK_META_SYSTEM, nexus::call::address(words.data()), 8) ==
                        -RUMPK_EFAULT);
    ask(far, {words, licence});
    (void)far.to.send({0, 0, 1}); // it writes, and its next life answers
    ask(far, {words, licence});
    if (auto third = nexus::open_sender<Seen>("to.third")) {
        (void)third->send(share::seen(words));
        nexus::sleep_for(100ms);
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    auto to = nexus::open_sender<Seen>("to.far");
    auto from = nexus::open_receiver<Seen>("from.far");
    const auto words = nexus::share("words");
    const auto licence = nexus::share("licence");
    if (!test::check("all is there", to && from && words && licence)) {
        return 2;
    }
    Far far{*to, *from};
    const auto place = reinterpret_cast<uintptr_t>(words->data());
    if (what == "write") {
        *share::hidden<volatile uint8_t>(place) = 1;
    } else if (what == "run") {
        share::hidden<void()>(place)();
    } else {
        read(far, *words, *licence);
    }
    return test::result();
}
