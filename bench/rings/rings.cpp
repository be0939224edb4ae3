// SPDX-License-Identifier: Apache-2.0
//
// Runs every contestant in turn, over and over, and prints each sample as a line of JSON;
// tools/cli/bench_rings.py makes figures of them. Arguments: the number of rounds, two processors,
// and the races to run (all without any).
#include <cstdio>
#include <string_view>

#include "bench/rings/instructions.h"
#include "bench/rings/parking.h"
#include "bench/rings/race.h"

namespace {

using namespace bench;

constexpr uint64_t round_trips = 10000;
constexpr uint64_t parked_trips = 200;
constexpr int parked_pairs =
    5; // a round: how long the host takes to wake somebody changes from one moment to the next
constexpr uint64_t same_core_messages = 200000;
constexpr uint64_t least_messages = 200000;
constexpr uint32_t small = 1024;
constexpr uint32_t large = 65536;

struct Cell {
    size_t payload;
    uint32_t capacity;
    uint32_t batch;
};

void print(const char* race, const char* who, const Cell& cell, const Sample& sample) {
    std::printf("{\"race\": \"%s\", \"who\": \"%s\", \"payload\": %zu, \"capacity\": %u, \"batch\": %u, "
                "\"ns\": %.4f, \"floors\": [%.2f, %.2f], \"repeated\": %u, \"undisturbed\": %s}\n",
                race, who, cell.payload, cell.capacity, cell.batch, sample.ns, sample.floor_before,
                sample.floor_after, sample.disturbed, sample.undisturbed ? "true" : "false");
    std::fflush(stdout);
}

template <size_t Bytes>
using Across = Ion<Bytes, AcrossCores>;
template <size_t Bytes>
using AnyBoost = Boost<Bytes>;
// On one core both sides are of one program, which knows how its ring is cut when it is compiled.
template <size_t Bytes, uint32_t capacity>
using OneCore = Ion<Bytes, ion::SameCore, ion::FixedGeometry<capacity, ion::Geometry::slot_for(Bytes)>>;

template <template <size_t> class Ring, size_t Bytes, bool Batch>
void one_throughput(Duel& duel, uint32_t capacity) {
    const uint64_t laps = uint64_t{capacity} * 4;
    const Sample sample =
        throughput<Ring<Bytes>, Bytes, Batch>(duel, capacity, laps > least_messages ? laps : least_messages);
    print("throughput", Ring<Bytes>::name, {Bytes, capacity, Batch ? batch_size : 1}, sample);
}

template <size_t Bytes>
void throughputs(Duel& duel, uint32_t capacity) {
    one_throughput<Across, Bytes, false>(duel, capacity);
    one_throughput<AnyBoost, Bytes, false>(duel, capacity);
    one_throughput<Dpdk, Bytes, false>(duel, capacity);
    one_throughput<Moodycamel, Bytes, false>(duel, capacity);
    one_throughput<Across, Bytes, true>(duel, capacity);
    one_throughput<AnyBoost, Bytes, true>(duel, capacity);
    one_throughput<Dpdk, Bytes, true>(duel, capacity);
}

template <template <size_t> class Ring, size_t Bytes>
void one_round_trip(Duel& duel, uint32_t capacity) {
    print("round_trip", Ring<Bytes>::name, {Bytes, capacity, 1},
          round_trip<Ring<Bytes>, Bytes>(duel, capacity, round_trips));
}

template <size_t Bytes>
void trips(Duel& duel, uint32_t capacity) {
    one_round_trip<Across, Bytes>(duel, capacity);
    one_round_trip<AnyBoost, Bytes>(duel, capacity);
    one_round_trip<Dpdk, Bytes>(duel, capacity);
    one_round_trip<Moodycamel, Bytes>(duel, capacity);
}

template <class Ring, size_t Bytes>
void one_same_core(Duel& duel, uint32_t capacity) {
    double ns = 0;
    Sample sample =
        duel.run([] {}, [&] { ns = same_core<Ring, Bytes>(capacity, same_core_messages); }, [] {});
    sample.ns = ns;
    print("same_core", Ring::name, {Bytes, capacity, 1}, sample);
}

template <size_t Bytes, uint32_t capacity>
void same_cores(Duel& duel) {
    one_same_core<OneCore<Bytes, capacity>, Bytes>(duel, capacity);
    one_same_core<Boost<Bytes>, Bytes>(duel, capacity);
    one_same_core<Boost<Bytes, capacity>, Bytes>(duel, capacity);
    one_same_core<Dpdk<Bytes>, Bytes>(duel, capacity);
    one_same_core<Moodycamel<Bytes>, Bytes>(duel, capacity);
}

template <template <uint32_t> class With>
void grid(Duel& duel) {
    With<small>::run(duel);
    With<large>::run(duel);
}

template <uint32_t capacity>
struct Throughputs {
    static void run(Duel& duel) {
        throughputs<8>(duel, capacity);
        throughputs<56>(duel, capacity);
        throughputs<64>(duel, capacity);
        throughputs<128>(duel, capacity);
        throughputs<192>(duel, capacity);
    }
};

template <uint32_t capacity>
struct Trips {
    static void run(Duel& duel) {
        trips<8>(duel, capacity);
        trips<64>(duel, capacity);
        trips<192>(duel, capacity);
    }
};

template <uint32_t capacity>
struct SameCores {
    static void run(Duel& duel) {
        same_cores<8, capacity>(duel);
        same_cores<56, capacity>(duel);
        same_cores<64, capacity>(duel);
        same_cores<128, capacity>(duel);
        same_cores<192, capacity>(duel);
    }
};

template <class Way>
void parked(Duel& duel, const char* race) {
    print(race, Way::name, {64, 8, 1}, waited_trip<Way>(duel, parked_trips));
}

// What `claim` and `commit` of a batch of prepared slots take; the ring never fills.
struct Submitter {
    Memory memory;
    ion::BasicProducer<AcrossCores> out;
    uint32_t batches;
};

void submit(void* with) {
    auto& submitter = *static_cast<Submitter*>(with);
    for (uint32_t i = 0; i < submitter.batches; ++i) {
        (void)submitter.out.claim(batch_size);
        (void)submitter.out.commit(batch_size);
    }
}

int64_t submitted(uint32_t batches) {
    const ion::Geometry geometry = ion::Geometry::of(small, 64);
    Memory memory = allocate(geometry.bytes());
    (void)ion::format({memory.get(), geometry.bytes()}, geometry);
    void* base = memory.get();
    Submitter submitter{std::move(memory), {base, geometry}, batches};
    return instructions(submit, &submitter);
}

void facts() {
    const int64_t more = submitted(24);
    const int64_t less = submitted(8);
    const double each = more < 0 || less < 0 ? -1 : static_cast<double>(more - less) / (16.0 * batch_size);
    std::printf("{\"race\": \"submit\", \"instructions\": %.4f}\n", each);
    std::printf("{\"race\": \"memory\", \"bytes\": %llu}\n",
                static_cast<unsigned long long>(ion::Geometry::of(8, 64).bytes()));
}

bool wanted(int argc, char** argv, const char* race) {
    for (int i = 4; i < argc; ++i) {
        if (std::string_view(argv[i]) == race) {
            return true;
        }
    }
    return argc <= 4;
}

void one_round(Duel& duel, int argc, char** argv) {
    if (wanted(argc, argv, "round_trip")) {
        grid<Trips>(duel);
    }
    if (wanted(argc, argv, "throughput")) {
        grid<Throughputs>(duel);
    }
    if (wanted(argc, argv, "same_core")) {
        grid<SameCores>(duel);
    }
    if (wanted(argc, argv, "park_wake")) {
        for (int i = 0; i < parked_pairs; ++i) {
            parked<ParkedIon>(duel, "park_wake");
            parked<BareFutex>(duel, "park_wake");
        }
    }
    if (wanted(argc, argv, "pipe")) {
        parked<Pipe>(duel, "pipe");
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: rings ROUNDS PROCESSOR PROCESSOR [RACE...]\n");
        return 1;
    }
    if (!Membarrier::available()) {
        std::fprintf(stderr, "rings: this host has no membarrier, which the ring parks with\n");
        return 1;
    }
    if (wanted(argc, argv, "facts")) {
        facts();
    }
    const int first = std::atoi(argv[2]);
    Duel duel(first, std::atoi(argv[3]));
    const Neighbours neighbours(first);
    for (int round = 0; round < std::atoi(argv[1]); ++round) {
        one_round(duel, argc, argv);
        if (wanted(argc, argv, "pipe")) {
            print("pipe_one_core", Pipe::name, {64, 8, 1}, one_core_trip<Pipe>(neighbours, parked_trips));
        }
    }
    return 0;
}
