// SPDX-License-Identifier: Apache-2.0
//
// any-arguments COUNT [SEED]: makes so many calls, each of the thirteen with arguments that somebody may have
// meant and with others: boundaries, addresses of all sorts, flags, ids, noise. A call may answer what it
// likes, so long as it is an answer, and nothing may change but what it was given to write to.
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"

namespace {

using nexus::call::raw;

constexpr uint64_t page = 4096;
constexpr size_t playground_size = 4 * RUMPK_IO_MAX; // what calls may write to: no length reaches beyond

class Noise {
  public:
    explicit Noise(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }
    uint64_t below(uint64_t limit) { return next() % limit; }
    template <size_t n>
    uint64_t one_of(const std::array<uint64_t, n>& values) {
        return values[below(n)];
    }

  private:
    uint64_t state_;
};

const uint64_t constant_words[8] = {1, 2, 3, 4, 5, 6, 7, 8};

class Caller {
  public:
    Caller(uint64_t seed, std::span<std::byte> playground)
        : noise_(seed), base_(std::bit_cast<uintptr_t>(playground.data())),
          self_(static_cast<uint64_t>(nexus::meta_self()->fiber)) {}

    // The answer.
    int64_t call() {
        const auto number = static_cast<uint32_t>(noise_.below(RUMPK_CALL_COUNT));
        std::array<uint64_t, 6> arguments{};
        for (uint64_t& argument : arguments) {
            argument = any();
        }
        steer(number, arguments);
        const int64_t answer =
            raw(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
        if (number == RUMPK_CALL_SPAWN && answer > 0) {
            last_ = static_cast<uint64_t>(answer);
        }
        if (number == RUMPK_CALL_MAP && answer > 0) {
            mapped_ = static_cast<uint64_t>(answer);
        }
        return answer;
    }

  private:
    uint64_t inside() { return base_ + noise_.below(2 * RUMPK_IO_MAX); }

    uint64_t address() {
        const std::array<uint64_t, 18> places = {
            0,
            1,
            page - 1,
            RUMPK_WINDOW_A - 1,
            RUMPK_WINDOW_A,                            // text
            std::bit_cast<uintptr_t>(&constant_words), // constants
            RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE - 1,
            RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE,
            RUMPK_SYSTABLE_ADDRESS - 8,
            RUMPK_SYSTABLE_ADDRESS,
            RUMPK_SYSTABLE_ADDRESS + page,
            RUMPK_SYSTABLE_ADDRESS + 16 * page,
            0x80200000,
            0x100000000,
            uint64_t{1} << 38,
            uint64_t{1} << 63,
            ~uint64_t{0},
            mapped_,
        };
        return noise_.below(2) == 0 ? inside() : noise_.one_of(places);
    }

    uint64_t length() {
        constexpr std::array<uint64_t, 14> lengths = {
            0,          1,           7, 8, 16, 80, 255, 256, page, 2 * page, RUMPK_IO_MAX, RUMPK_IO_MAX + 1,
            1ULL << 63, ~uint64_t{0}};
        return noise_.below(4) == 0 ? noise_.next() : noise_.one_of(lengths);
    }

    uint64_t any() {
        switch (noise_.below(6)) {
        case 0:
            return noise_.next();
        case 1:
            return noise_.below(20);
        case 2:
            return uint64_t{1} << noise_.below(64);
        case 3:
            return length();
        case 4:
            return last_ + noise_.below(3) - 1;
        default:
            return address();
        }
    }

    // What would end the program, change what it may do, wait for ever or print is left out; and most calls
    // are given something that makes sense, or they would all end at their first check.
    void steer(uint32_t number, std::array<uint64_t, 6>& arguments) {
        const bool sensible = noise_.below(4) != 0;
        switch (number) {
        case RUMPK_CALL_READ:
        case RUMPK_CALL_WRITE:
            arguments[0] = sensible ? noise_.below(3) : arguments[0];
            arguments[1] = address();
            arguments[2] = length();
            if (number == RUMPK_CALL_WRITE && arguments[0] == RUMPK_FD_OUTPUT &&
                arguments[2] <= RUMPK_IO_MAX) {
                arguments[2] = 0;
            }
            break;
        case RUMPK_CALL_UNVEIL:
            arguments[0] = address() | 1;
            arguments[1] = sensible ? noise_.below(300) : arguments[1];
            break;
        case RUMPK_CALL_PLEDGE:
            arguments[0] = noise_.below(2) == 0 ? pledge_of_nothing_known() : address();
            if (arguments[0] == mapped_ ||
                (arguments[0] >= base_ && arguments[0] < base_ + playground_size)) {
                arguments[0] = pledge_of_nothing_known(); // an empty one would give up everything
            }
            break;
        case RUMPK_CALL_MAP:
            arguments[0] = sensible ? RUMPK_HANDLE_MEMORY : arguments[0];
            arguments[1] = sensible ? 0 : arguments[1];
            arguments[3] = sensible ? noise_.below(16) : arguments[3];
            break;
        case RUMPK_CALL_UNMAP:
            arguments[0] = sensible ? mapped_ : address();
            arguments[1] = sensible ? page * noise_.below(3) : length();
            break;
        case RUMPK_CALL_SPAWN:
            arguments[0] = spawn_arguments(sensible);
            break;
        case RUMPK_CALL_KILL:
            arguments[0] = sensible ? last_ : arguments[0];
            arguments[1] = sensible ? noise_.below(300) : arguments[1];
            if (arguments[0] == self_) {
                arguments[0] = 0;
            }
            break;
        case RUMPK_CALL_YIELD:
            yield_arguments(arguments, sensible);
            break;
        case RUMPK_CALL_RANDOM:
            arguments[0] = address();
            arguments[1] = length();
            break;
        case RUMPK_CALL_HALT:
            arguments[1] |= 4;
            break;
        case RUMPK_CALL_META:
            arguments[0] = sensible ? noise_.below(10) : arguments[0];
            arguments[1] = address();
            arguments[2] = length();
            break;
        default:
            break;
        }
    }

    // Names that there are not, with or without an end.
    uint64_t pledge_of_nothing_known() {
        const uint64_t at = inside();
        auto* const text = reinterpret_cast<char*>(static_cast<uintptr_t>(at));
        const uint64_t size = noise_.below(2 * RUMPK_PLEDGE_MAX);
        for (uint64_t i = 0; i < size; ++i) {
            text[i] = static_cast<char>(noise_.below(9) == 0 ? ' ' : 1 + noise_.below(255));
        }
        text[size] = '?';
        text[size + 1] = '\0';
        return at;
    }

    static void end(uint64_t) { (void)nexus::call::halt(0, RUMPK_SCOPE_FIBER); }

    // Somewhere in the playground; none runs anything but `end`.
    uint64_t spawn_arguments(bool sensible) {
        if (!sensible && noise_.below(2) == 0) {
            return address();
        }
        rumpk_spawn_args args{};
        args.size = sensible ? sizeof args : static_cast<uint32_t>(any());
        args.flags = sensible ? RUMPK_SPAWN_BARE : static_cast<uint32_t>(any());
        args.entry = sensible || noise_.below(2) == 0 ? std::bit_cast<uintptr_t>(&end) : base_;
        args.argument = any();
        args.tier = static_cast<uint32_t>(sensible ? noise_.below(5) : any());
        args.core = sensible ? RUMPK_SPAWN_ANY_CORE : static_cast<uint32_t>(any());
        if (!sensible) {
            args.stack_base = noise_.below(2) == 0 ? 0 : address();
            args.stack_size = static_cast<uint32_t>(length());
        }
        args.rx_slots = static_cast<uint32_t>(sensible ? 1ULL << noise_.below(6) : any());
        args.rx_slot_size = static_cast<uint32_t>(sensible ? 16 * noise_.below(9) : any());
        args.tx_slots = static_cast<uint32_t>(sensible ? 0 : any());
        args.budget = static_cast<uint32_t>(sensible ? 0 : any());
        const uint64_t at = inside();
        __builtin_memcpy(reinterpret_cast<void*>(static_cast<uintptr_t>(at)), &args, sizeof args);
        return at;
    }

    void yield_arguments(std::array<uint64_t, 6>& arguments, bool sensible) {
        if (sensible) {
            arguments[0] &= 7;
            arguments[1] &= 7;
            arguments[3] = noise_.below(4);
        }
        arguments[4] = address();
        arguments[5] = sensible ? noise_.below(3) : arguments[5];
        // Nobody rings: what waits does so until a moment that comes.
        const uint64_t now = static_cast<uint64_t>(nexus::now().time_since_epoch().count());
        arguments[2] = noise_.below(4) == 0 ? arguments[2] % now : now + noise_.below(2000);
    }

    Noise noise_;
    uint64_t base_;
    uint64_t self_;
    uint64_t last_ = 0;   // a fiber that was spawned
    uint64_t mapped_ = 0; // memory that was mapped
};

bool is_answer(int64_t answer) {
    return answer >= -RUMPK_ETIMEDOUT;
}

} // namespace

int main(int argc, char** argv) {
    const uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000;
    const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
    // Written by nobody: the kernel would be the one.
    constexpr std::byte mark{0xa5};
    const auto memory = std::make_unique<std::byte[]>(playground_size + 2 * page);
    const std::span all(memory.get(), playground_size + 2 * page);
    for (std::byte& byte : all) {
        byte = mark;
    }
    Caller caller(seed, all.subspan(page, playground_size));
    uint64_t done = 0;
    uint64_t errors = 0;
    bool answered = true;
    for (; done < count && answered; ++done) {
        const int64_t answer = caller.call();
        answered = is_answer(answer);
        errors += answer < 0 ? 1 : 0;
        if (!answered) {
            std::printf("call %llu: %lld\n", static_cast<unsigned long long>(done),
                        static_cast<long long>(answer));
        }
    }
    test::check("every call answered", answered);
    // Neither all were refused nor all were done: the arguments reach further than the first check.
    test::check("some were done and some refused", errors > count / 10 && errors < count / 10 * 9);
    bool kept = true;
    for (const auto part : {all.first(page), all.last(page)}) {
        for (const std::byte byte : part) {
            kept = kept && byte == mark;
        }
    }
    test::check("nothing was written but where a call was let", kept);
    return test::result();
}
