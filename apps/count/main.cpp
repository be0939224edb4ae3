// SPDX-License-Identifier: Apache-2.0
//
// Counts the lines, words and bytes of standard input and prints what `wc` prints for a pipe in the C
// locale. The bytes are counted where they lie, in the slots of the rx ring.
//
//      count [-v] [-s]
//
//      -v  prints the counters of both boot rings on standard error
//      -s  after each ring of messages sleeps until it is full again and the console waits, or nothing comes
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>

#include <nexus/console.h>
#include <nexus/fiber.h>

namespace {

// What a byte is to wc: white space ends a word, what prints begins or continues one, all else does neither.
enum class Kind : uint8_t { neither, space, printing };

constexpr std::array<Kind, 256> kinds = [] {
    std::array<Kind, 256> table{};
    for (int byte = '!'; byte <= '~'; ++byte) {
        table[static_cast<size_t>(byte)] = Kind::printing;
    }
    for (const char byte : {' ', '\t', '\n', '\v', '\f', '\r'}) {
        table[static_cast<size_t>(byte)] = Kind::space;
    }
    return table;
}();

struct Counts {
    uint64_t lines = 0;
    uint64_t words = 0;
    uint64_t bytes = 0;
    bool in_word = false;

    void add(std::span<const std::byte> text) {
        bytes += text.size();
        for (const std::byte each : text) {
            const auto byte = static_cast<uint8_t>(each);
            const Kind kind = kinds[byte];
            lines += byte == '\n';
            words += kind == Kind::printing && !in_word;
            in_word = kind == Kind::printing || (kind == Kind::neither && in_word);
        }
    }
};

// Up to the moment when the ring that input comes through has no free slot, or nothing came for so long that
// nothing more will.
void sleep_until_full() {
    constexpr std::chrono::milliseconds step{10};
    constexpr std::chrono::milliseconds patience{500};
    uint64_t sent = 0;
    for (auto waited = step; waited < patience; waited += step) {
        const nexus::console::Statistics ring = nexus::console::input_statistics();
        if (ring.producer.position - ring.consumer.position >= ring.slots) {
            return;
        }
        if (ring.producer.position != sent) {
            sent = ring.producer.position;
            waited = step;
        }
        nexus::sleep_for(step);
    }
}

void print_ring(const char* name, const nexus::console::Statistics& ring) {
    std::fprintf(stderr,
                 "%s: %" PRIu32 " slots of %" PRIu32 " bytes, %" PRIu64 " messages, %" PRIu64
                 " released\n%s: producer waited %" PRIu64 " times, saw %" PRIu32
                 " outstanding, rang %" PRIu64 " times\n%s: consumer waited %" PRIu64 " times, saw %" PRIu32
                 " outstanding, rang %" PRIu64 " times\n",
                 name, ring.slots, ring.slot_size, ring.producer.position, ring.consumer.position, name,
                 ring.producer.waits, ring.producer.high_water, ring.producer.bells, name,
                 ring.consumer.waits, ring.consumer.high_water, ring.consumer.bells);
}

} // namespace

int main(int argc, char** argv) {
    bool verbose = false;
    bool slow = false;
    for (const char* option : std::span(argv, static_cast<size_t>(argc)).subspan(1)) {
        if (std::strcmp(option, "-v") == 0) {
            verbose = true;
        } else if (std::strcmp(option, "-s") == 0) {
            slow = true;
        } else {
            std::fprintf(stderr, "count: unknown option '%s'\nusage: count [-v] [-s]\n", option);
            return 2;
        }
    }
    const uint32_t slots = std::max(nexus::console::input_statistics().slots, 1U); // 0: no ring, but calls
    uint64_t messages = 0;
    Counts counts;
    while (true) {
        const auto text = nexus::console::input();
        if (!text) {
            std::fprintf(stderr, "count: standard input failed: error %d\n", nexus::number(text.error()));
            return 1;
        }
        if (text->empty()) {
            break;
        }
        counts.add(*text);
        nexus::console::consume(text->size());
        if (slow && ++messages % slots == 0) {
            sleep_until_full();
        }
    }
    std::printf("%7" PRIu64 " %7" PRIu64 " %7" PRIu64 "\n", counts.lines, counts.words, counts.bytes);
    if (verbose) {
        print_ring("rx", nexus::console::input_statistics());
        print_ring("tx", nexus::console::output_statistics());
    }
    return 0;
}
