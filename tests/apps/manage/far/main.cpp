// SPDX-License-Identifier: Apache-2.0
//
// Says which life this is, and then
//     manage serve, meanwhile    does what it is told
//     else                       sleeps in its first one, and hangs in the next.
#include <optional>
#include <string_view>

#include <nexus/fiber.h>
#include <nexus/peer.h>
#include <nexus/share.h>

#include "tests/apps/manage/orders.h"

namespace {

using nexus::call::raw;

class Server {
  public:
    Server() : slot_(nexus::detail::find_channel("extra", RUMPK_RIGHT_WRITE, ring_)) {
        if (auto end = nexus::open_sender<uint64_t>("extra")) {
            extra_ = *end;
        }
        if (const auto words = nexus::share("words")) {
            words_ = words->data();
        }
    }

    int64_t obey(uint64_t order) {
        const uint64_t channel = slot_ ? uint64_t{1} << *slot_ : 0;
        switch (order) {
        case manage::wait:
            return raw(RUMPK_CALL_YIELD, channel, 0, RUMPK_NEVER, 0);
        case manage::ring:
            return raw(RUMPK_CALL_YIELD, 0, channel, 0, RUMPK_YIELD_NOWAIT);
        case manage::meta:
            return raw(RUMPK_CALL_META, RUMPK_META_CHANNEL, 0, 0, *slot_);
        case manage::caps: {
            const auto cap = nexus::detail::meta<rumpk_meta_cap>(RUMPK_META_CAPS, *slot_);
            return cap ? int64_t{cap->kind} + int64_t{cap->epoch} * 256 : -1;
        }
        case manage::send:
            return extra_ && extra_->send(7) ? 0 : -1;
        case manage::load:
            return *reinterpret_cast<volatile uint8_t*>(static_cast<uintptr_t>(ring_.base));
        case manage::read:
            return *reinterpret_cast<const volatile uint8_t*>(words_);
        default:
            return (slot_ ? 1 : 0) + (words_ != nullptr ? 1 : 0);
        }
    }

  private:
    rumpk_meta_channel ring_{};
    nexus::Result<uint32_t> slot_;
    std::optional<nexus::ring<uint64_t>::sender> extra_;
    const std::byte* words_ = nullptr;
};

int serve(nexus::ring<uint64_t>::sender& answers) {
    auto orders = nexus::open_receiver<uint64_t>("orders");
    Server server;
    for (;;) {
        const auto order = orders->receive(); // and released: who comes after a fault does not see it again
        if (!order || (*order != manage::idle && !answers.send(static_cast<uint64_t>(server.obey(*order))))) {
            return 4;
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    auto lives = nexus::open_sender<uint64_t>("lives");
    if (!lives) {
        return 2;
    }
    const uint64_t life = lives->end().epoch() - 1; // who opens an end counts on from 1
    if (!lives->send(life)) {
        return 3;
    }
    if (what == "serve" || what == "meanwhile") {
        return serve(*lives);
    }
    if (life == 1) {
        nexus::sleep_until(nexus::never);
    }
    for (volatile uint64_t count = 0;;) {
        count = count + 1;
    }
}
