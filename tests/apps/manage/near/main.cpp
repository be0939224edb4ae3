// SPDX-License-Identifier: Apache-2.0
//
// manage WHAT: lets the far cell begin, and
//     lives              ends it twice, of which the second is for good
//     serve [together]   takes from it what it holds; together: nothing keeps them apart
//     meanwhile          the same, and ends it and a fiber of its own in the middle
//     pledged            not, for it has promised not to
#include <string_view>

#include <nexus/cell.h>
#include <nexus/fiber.h>
#include <nexus/peer.h>
#include <nexus/time.h>

#include "tests/apps/check.h"
#include "tests/apps/manage/near/revoke.h"

namespace {

using namespace std::literals;
using Lives = nexus::ring<uint64_t>::receiver;

bool is(const nexus::ManagedCell& far, uint32_t state, uint64_t restarts) {
    const auto facts = far.facts();
    return facts && facts->state == state && facts->restarts == restarts;
}

bool begins(Lives& lives, uint64_t life) {
    const auto told = lives.receive(nexus::now() + 5s);
    return told && *told == life;
}

void lives(const nexus::ManagedCell& far, Lives& lives) {
    nexus::sleep_for(20ms);
    test::check("it waits",
                is(far, RUMPK_MANAGED_WAITS, 0) && lives.try_receive().error() == nexus::Errno::again);
    test::check("and cannot be ended", far.kill(9).error() == nexus::Errno::srch);
    test::check("it begins", far.begin() && begins(lives, 1) && is(far, RUMPK_MANAGED_LIVES, 0));
    test::check("once", far.begin().error() == nexus::Errno::busy);
    test::check("it is ended, and begins anew",
                far.kill(9) && begins(lives, 2) && is(far, RUMPK_MANAGED_LIVES, 1));
    test::check("it hangs, and is ended for good",
                far.kill(7) && lives.receive(nexus::now() + 5s).error() == nexus::Errno::pipe &&
                    is(far, RUMPK_MANAGED_ENDED, 1));
    test::check("and neither lives nor waits",
                far.kill(9).error() == nexus::Errno::srch && far.begin().error() == nexus::Errno::busy);
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    const auto far = nexus::ManagedCell::open("far");
    auto told = nexus::open_receiver<uint64_t>("lives");
    if (!test::check("it manages the far cell, and no other", far && told &&
                                                                  !nexus::ManagedCell::open("third") &&
                                                                  !nexus::ManagedCell::open("near"))) {
        return 2;
    }
    if (what == "pledged") {
        (void)nexus::call::pledge("stdio");
        (void)far->begin();
        test::check("FAILED", false);
    } else if (what == "serve") {
        manage::serve(*far, *told, argc == 2);
    } else if (what == "meanwhile") {
        manage::meanwhile(*far, *told);
    } else {
        lives(*far, *told);
    }
    return test::result();
}
