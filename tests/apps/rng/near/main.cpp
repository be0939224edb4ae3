// SPDX-License-Identifier: Apache-2.0
//
// rng WHAT: asks the driver of the entropy device for bytes.
//     numbers        until there are enough to see that they are random; then those of the kernel
//     none           where there is no device: it is told so, and goes on
//     seeded         until the kernel's random has what it needs
//     minute         asks first and after a minute, in which its driver has begun another life
//     lives N        until the driver has lived so often, and each answer was the one that was asked for
//     revoke         until it has taken the device from the driver
//     read, write    the driver's registers, which are not this cell's
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <nexus/cell.h>
#include <nexus/entropy.h>
#include <nexus/fiber.h>
#include <nexus/peer.h>
#include <nexus/random.h>
#include <nexus/time.h>

#include "tests/apps/check.h"
#include "tests/apps/rng/places.h"

namespace {

using namespace std::literals;

constexpr uint32_t wanted = sizeof(nexus::EntropyAnswer::bytes);

class Source {
  public:
    Source()
        : asks_(nexus::open_sender<nexus::EntropyRequest>("rng.ask")),
          answers_(nexus::open_receiver<nexus::EntropyAnswer>("rng.bytes")) {}

    [[nodiscard]] bool is_there() const { return asks_.has_value() && answers_.has_value(); }

    // The next bytes. An answer may come once more, where the driver began anew behind it.
    nexus::Result<nexus::EntropyAnswer> next() {
        const uint32_t number = ++number_;
        if (const auto asked = asks_->send({number, wanted}, nexus::now() + 20s); !asked) {
            return nexus::error(asked.error());
        }
        for (;;) {
            auto answer = answers_->receive(nexus::now() + 20s);
            if (!answer || answer->number == number) {
                return answer;
            }
            if (answer->number + 1 != number) {
                return nexus::error(nexus::Errno::srch);
            }
            ++repeated_;
        }
    }
    [[nodiscard]] uint32_t repeated() const { return repeated_; }
    // Of the driver: whoever opens an end counts on from 1.
    [[nodiscard]] uint32_t lives() { return answers_->end().peer_epoch() - 1; }

  private:
    nexus::Result<nexus::ring<nexus::EntropyRequest>::sender> asks_;
    nexus::Result<nexus::ring<nexus::EntropyAnswer>::receiver> answers_;
    uint32_t number_ = 0;
    uint32_t repeated_ = 0;
};

int ones(std::span<const std::byte> bytes) {
    int count = 0;
    for (const std::byte byte : bytes) {
        count += __builtin_popcount(static_cast<unsigned>(byte));
    }
    return count;
}

void numbers(Source& source) {
    constexpr int rounds = 200;
    int came = 0;
    int set = 0;
    int same = 0;
    nexus::EntropyAnswer before{};
    for (int i = 0; i < rounds; ++i) {
        const auto answer = source.next();
        if (!answer || answer->size == 0 || answer->size > wanted) {
            break;
        }
        const auto bytes = std::span(answer->bytes).first(answer->size);
        came += static_cast<int>(bytes.size() * 8);
        set += ones(bytes);
        same += answer->bytes == before.bytes ? 1 : 0;
        before = *answer;
    }
    test::check("bytes come", came >= rounds * 8);
    // 2 % off would be more than five standard deviations even of half as many bits as usually come.
    test::check("and look random", set > came / 2 - came / 50 && set < came / 2 + came / 50);
    test::equal("and differ", same, 0);
    test::equal("from a driver that lives its first life", source.lives(), 1);
    const auto number = nexus::random<uint64_t>();
    test::check("the kernel has numbers", number.has_value());
    bool none = true;
    for (uint32_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
        const auto device = nexus::detail::meta<rumpk_meta_device>(RUMPK_META_DEVICE, slot);
        none = none && !device && device.error() == nexus::Errno::badf;
    }
    test::check("none of this cell's slots holds a device", none);
}

// The driver runs before this cell does, but its device takes its time.
void seeded() {
    const nexus::Instant limit = nexus::now() + 10s;
    auto number = nexus::random<uint64_t>();
    while (!number && number.error() == nexus::Errno::again && nexus::now() < limit) {
        nexus::sleep_for(1ms);
        number = nexus::random<uint64_t>();
    }
    const auto second = nexus::random<uint64_t>();
    test::check("the kernel gets what it needs", number && second && *number != *second);
}

void none(Source& source) {
    const auto answer = source.next();
    test::check("there is no answer", !answer && answer.error() == nexus::Errno::pipe);
    const auto number = nexus::random<uint64_t>();
    std::puts(number                                  ? "the machine gave a seed"
              : number.error() == nexus::Errno::again ? "EAGAIN"
                                                      : "another error");
}

void lives(Source& source, uint32_t count) {
    uint64_t answers = 0;
    do {
        const auto answer = source.next();
        if (!answer) {
            std::printf("FAILED in life %u, after %llu answers: error %d\n", source.lives(),
                        static_cast<unsigned long long>(answers), static_cast<int>(answer.error()));
            ++test::failures;
            return;
        }
        ++answers;
    } while (source.lives() <= count);
    test::check("each answer was what was asked for", answers != 0);
    test::check("and in the last life they still come", source.next().has_value());
    test::check("the kernel has numbers", nexus::random<uint64_t>().has_value());
    std::printf("%llu answers, %u twice\n", static_cast<unsigned long long>(answers), source.repeated());
}

void minute(Source& source) {
    test::check("an answer comes", source.next().has_value());
    test::equal("from a driver that lives its first life", source.lives(), 1);
    nexus::sleep_for(62s);
    test::check("an answer comes a minute later", source.next().has_value());
    test::equal("from one that has seen the kernel seeded twice", source.lives(), 2);
}

void revoke(Source& source) {
    const auto driver = nexus::ManagedCell::open("virtio-rng");
    const auto slot = driver->slot_of("rng");
    test::check("an answer comes", source.next().has_value());
    test::check("the device is taken", driver->revoke("rng", 4).has_value());
    test::check("and not twice", driver->revoke("rng").error() == nexus::Errno::noent);
    test::check("nor is it seen", driver->holds(*slot)->kind == RUMPK_CAP_NONE);
    const auto answer = source.next();
    test::check("no answer comes any more", answer.error() == nexus::Errno::pipe);
    test::check("the kernel has numbers", nexus::random<uint64_t>().has_value());
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    Source source;
    if (!test::check("the channels are there", source.is_there())) {
        return 2;
    }
    if (what == "numbers") {
        numbers(source);
    } else if (what == "minute") {
        minute(source);
    } else if (what == "none") {
        none(source);
    } else if (what == "seeded") {
        seeded();
    } else if (what == "revoke") {
        revoke(source);
    } else if (what == "lives" && argc > 2) {
        lives(source, static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)));
    } else if (what == "read" || what == "write") {
        (void)source.next(); // the driver is there, and drives
        std::fflush(stdout);
        auto* const at = reinterpret_cast<volatile uint32_t*>(static_cast<uintptr_t>(rng::registers));
        if (what == "write") {
            *at = 0;
        }
        return static_cast<int>(*at & 1);
    } else {
        return 3;
    }
    return test::result();
}
