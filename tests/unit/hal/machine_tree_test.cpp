// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/machine_tree.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/unit/hal/tree_model.h"

using namespace rumpk::hal;

const uint32_t rumpk::hal::tree_external_cause = 9; // as in supervisor mode
const uint32_t rumpk::hal::tree_bell_cause = 1;
using namespace hal_test;

namespace {

struct Outcome {
    Blob blob;
    MachineTree machine;
    TreeProblem problem;
};

Outcome read(Blob blob, uint64_t boot_hart = 0) {
    Outcome outcome{std::move(blob), {}, {}};
    outcome.problem = read_machine_tree(outcome.blob.data(), outcome.blob.size(), boot_hart, outcome.machine);
    return outcome;
}

Outcome read(const Node& root, uint64_t boot_hart = 0) {
    return read(flatten(root), boot_hart);
}

// "node: what", "" if there is nothing wrong.
std::string problem_of(const Node& root, uint64_t boot_hart = 0) {
    Outcome outcome = read(root, boot_hart);
    return outcome.problem
               ? std::string(outcome.problem.node) + ": " + outcome.problem.property + outcome.problem.what
               : "";
}

// `virt` after a change.
template <typename Change>
std::string changed(Change change) {
    Node root = virt({0, 1});
    change(root);
    return problem_of(root);
}

TEST(MachineTree, ReadsAVirtMachine) {
    Outcome outcome = read(virt({0}));
    ASSERT_EQ(outcome.problem.what, nullptr);
    const MachineTree& machine = outcome.machine;
    ASSERT_EQ(machine.memory.size(), 1u);
    EXPECT_EQ(machine.memory[0].base, 0x80000000);
    EXPECT_EQ(machine.memory[0].size, 0x8000000);
    ASSERT_EQ(machine.reserved.size(), 1u);
    EXPECT_EQ(machine.reserved[0].size, 0x80000);
    ASSERT_EQ(machine.harts.size(), 1u);
    EXPECT_EQ(machine.harts[0].context, 1u);
    EXPECT_TRUE(machine.sstc);
    EXPECT_EQ(machine.timebase, 10000000u);
    EXPECT_EQ(machine.serial.registers.base, 0x10000000);
    EXPECT_EQ(machine.serial.line, 10u);
    EXPECT_EQ(machine.plic.registers.size, 0x600000);
    EXPECT_EQ(machine.plic_lines, 96u);
    EXPECT_EQ(machine.rtc.registers.base, 0x101000);
    EXPECT_EQ(machine.finisher.registers.base, 0x100000);
    ASSERT_EQ(machine.transports.size(), 3u);
    EXPECT_EQ(machine.transports[2].line, 3u);
    EXPECT_STREQ(machine.arguments, "rumpk.log=verbose -- a");
    EXPECT_EQ(machine.seed_size, 16u);
    EXPECT_EQ(machine.seed[15], 4);
}

TEST(MachineTree, ReadsWhatQemuWrote) {
    std::filesystem::path folder = RUMPK_SOURCE_DIR "/tests/fuzz/corpus/devicetree_fuzz";
    size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        if (!file.path().filename().string().starts_with("virt")) {
            continue;
        }
        std::ifstream stream(file.path(), std::ios::binary);
        Bytes bytes{std::istreambuf_iterator<char>(stream), {}};
        Outcome outcome = read(Blob(bytes));
        EXPECT_EQ(outcome.problem.what, nullptr) << file.path() << " " << outcome.problem.node;
        EXPECT_EQ(outcome.machine.transports.size(), 8u) << file.path();
        ++files;
    }
    EXPECT_GE(files, 3u);
}

TEST(MachineTree, HartIdsMayHaveGaps) {
    Outcome outcome = read(virt({3, 0x40, 7}), 0x40);
    ASSERT_EQ(outcome.problem.what, nullptr);
    ASSERT_EQ(outcome.machine.harts.size(), 3u);
    EXPECT_EQ(outcome.machine.boot_hart, 1u);
    EXPECT_EQ(outcome.machine.harts[0].id, 3u);
    EXPECT_EQ(outcome.machine.harts[2].id, 7u);
    EXPECT_EQ(outcome.machine.harts[2].context, 5u);
    EXPECT_EQ(problem_of(virt({3, 7}), 4), "/: the hart that runs is not in it");
}

TEST(MachineTree, MoreHartsThanCores) {
    std::initializer_list<uint32_t> ids = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    Outcome first = read(virt(ids), 0);
    ASSERT_EQ(first.problem.what, nullptr);
    EXPECT_EQ(first.machine.harts.size(), HAL_MAX_CORES);
    EXPECT_EQ(first.machine.boot_hart, 0u);
    // The hart that runs takes the last place if all are gone.
    Outcome last = read(virt(ids), 10);
    ASSERT_EQ(last.problem.what, nullptr);
    EXPECT_EQ(last.machine.harts.size(), HAL_MAX_CORES);
    EXPECT_EQ(last.machine.harts[last.machine.boot_hart].id, 10u);
    EXPECT_EQ(last.machine.harts[last.machine.boot_hart].context, 21u);
}

TEST(MachineTree, DisabledHartsAreLeftOut) {
    Node root = virt({0, 1, 2});
    root.at("cpus/cpu@1").set("status", text("disabled"));
    Outcome outcome = read(root, 2);
    ASSERT_EQ(outcome.problem.what, nullptr);
    EXPECT_EQ(outcome.machine.harts.size(), 2u);
    EXPECT_EQ(outcome.machine.boot_hart, 1u);
    EXPECT_EQ(problem_of(root, 1), "/: the hart that runs is not in it");
}

TEST(MachineTree, SstcOnlyIfAllHartsHaveIt) {
    auto sstc = [](const char* isa) {
        Node root = virt({0, 1});
        root.at("cpus/cpu@1").set("riscv,isa", text(isa));
        return read(root).machine.sstc;
    };
    EXPECT_TRUE(sstc("rv64imafdc_sstc"));
    EXPECT_TRUE(sstc("rv64imafdc_zicsr_sstc_zihpm"));
    EXPECT_FALSE(sstc("rv64imafdc_zicsr"));
    EXPECT_FALSE(sstc("rv64imafdc_sstcx"));
    EXPECT_FALSE(sstc("rv64imafdc_ss_stc"));
    EXPECT_FALSE(sstc(""));
}

TEST(MachineTree, OptionalDevicesMayBeMissing) {
    Node root = virt();
    root.at("soc").remove("rtc@101000");
    root.at("soc").remove("test@100000");
    root.remove("chosen");
    Outcome outcome = read(root);
    ASSERT_EQ(outcome.problem.what, nullptr);
    EXPECT_FALSE(outcome.machine.rtc.present());
    EXPECT_FALSE(outcome.machine.finisher.present());
    EXPECT_STREQ(outcome.machine.arguments, "");
    EXPECT_EQ(outcome.machine.seed_size, 0u);
}

TEST(MachineTree, SaysWhatIsMissing) {
    EXPECT_EQ(changed([](Node& root) { root.remove("memory@80000000"); }), "/: no memory");
    EXPECT_EQ(changed([](Node& root) { root.remove("cpus"); }), "/: the hart that runs is not in it");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus").drop("timebase-frequency"); }),
              "/: no timebase-frequency");
    EXPECT_EQ(changed([](Node& root) { root.at("soc").remove("serial@10000000"); }),
              "/: no serial port (ns16550a)");
    EXPECT_EQ(changed([](Node& root) { root.at("soc").remove("plic@c000000"); }),
              "/: no interrupt controller (sifive,plic-1.0.0)");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/plic@c000000").drop("riscv,ndev"); }),
              "/: no interrupt lines");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/plic@c000000").drop("phandle"); }),
              "/: no phandle of the interrupt controller");
    EXPECT_EQ(changed([](Node& root) { root.at("soc").drop("ranges"); }),
              "/: no interrupt controller (sifive,plic-1.0.0)");
    EXPECT_EQ(changed([](Node& root) { root.at("soc").set("status", text("disabled")); }),
              "/: no interrupt controller (sifive,plic-1.0.0)");
}

TEST(MachineTree, RefusesBadLengths) {
    EXPECT_EQ(changed([](Node& root) { root.set("#address-cells", words({2, 2})); }),
              ": #address-cells has a bad value");
    EXPECT_EQ(changed([](Node& root) { root.set("#size-cells", words({5})); }),
              ": #size-cells has a bad value");
    EXPECT_EQ(changed([](Node& root) { root.set("#address-cells", words({3})); }),
              "memory@80000000: reg has cells of unknown size");
    EXPECT_EQ(changed([](Node& root) { root.set("#size-cells", words({0})); }),
              "memory@80000000: reg has cells of unknown size");
    EXPECT_EQ(changed([](Node& root) { root.at("memory@80000000").set("reg", words({0, 1, 2})); }),
              "memory@80000000: reg has a bad length");
    EXPECT_EQ(changed([](Node& root) { root.at("memory@80000000").set("reg", {}); }),
              "memory@80000000: reg has a bad length");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus/cpu@1").set("reg", words({0, 1})); }),
              "cpu@1: reg has a bad length");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus/cpu@1").drop("reg"); }), "cpu@1: reg has a bad length");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus").set("timebase-frequency", words({1, 2, 3})); }),
              "cpus: timebase-frequency has a bad length");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/serial@10000000").set("interrupts", {1, 2}); }),
              "serial@10000000: interrupts has a bad length");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/plic@c000000").set("interrupts-extended", words({1})); }),
              "plic@c000000: interrupts-extended has a bad length");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/serial@10000000").drop("reg"); }),
              "serial@10000000: reg is too small");
}

TEST(MachineTree, RefusesStringsWithoutEnd) {
    EXPECT_EQ(changed([](Node& root) { root.at("chosen").set("bootargs", {'a', 'b'}); }),
              "chosen: bootargs has a bad value");
    EXPECT_EQ(changed([](Node& root) { root.at("chosen").set("bootargs", {}); }),
              "chosen: bootargs has a bad value");
    EXPECT_EQ(changed([](Node& root) { root.at("soc").set("status", {'o'}); }),
              "soc: status has a bad value");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus/cpu@0").set("riscv,isa", {'_'}); }),
              "cpu@0: riscv,isa has a bad value");
    EXPECT_EQ(changed([](Node& root) { root.at("memory@80000000").set("device_type", {}); }),
              "memory@80000000: device_type has a bad value");
    // One that cannot be read is no device of ours.
    EXPECT_EQ(changed([](Node& root) { root.at("soc/serial@10000000").set("compatible", {'n', 's'}); }),
              "/: no serial port (ns16550a)");
}

TEST(MachineTree, RefusesImpossibleValues) {
    EXPECT_EQ(changed([](Node& root) { root.at("memory@80000000").set("reg", words({~0u, ~0u, 0, 2})); }),
              "memory@80000000: reg wraps");
    EXPECT_EQ(
        changed([](Node& root) { root.at("soc/serial@10000000").set("reg", words({~0u, ~0u, ~0u, ~0u})); }),
        "serial@10000000: reg wraps");
    EXPECT_EQ(
        changed([](Node& root) { root.at("soc/serial@10000000").set("reg", words({0, 0x10000000, 0, 4})); }),
        "serial@10000000: reg is too small");
    EXPECT_EQ(changed([](Node& root) {
                  root.at("soc/plic@c000000").set("reg", words({0, 0xc000000, 0, 0x200000}));
              }),
              "plic@c000000: reg is too small");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/plic@c000000").set("riscv,ndev", words({1024})); }),
              "plic@c000000: riscv,ndev has a bad value");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus").set("timebase-frequency", words({999})); }),
              "cpus: timebase-frequency out of range");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus").set("timebase-frequency", words({1, 0})); }),
              "cpus: timebase-frequency out of range");
    EXPECT_EQ(changed([](Node& root) { root.at("cpus/cpu@1").set("reg", words({0})); }),
              "cpu@1: two harts of one id");
}

TEST(MachineTree, RefusesContradictions) {
    EXPECT_EQ(changed([](Node& root) {
                  root.at("soc/serial@10000000").set("reg", words({0, 0x80001000, 0, 0x100}));
              }),
              "/: device registers in memory");
    EXPECT_EQ(changed([](Node& root) {
                  root.at("soc/plic@c000000").set("reg", words({0, 0x7ff00000, 0, 0x600000}));
              }),
              "/: device registers in memory");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/serial@10000000").set("interrupts", words({97})); }),
              "/: the serial port's interrupt goes nowhere");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/serial@10000000").set("interrupts", words({0})); }),
              "/: the serial port's interrupt goes nowhere");
    EXPECT_EQ(changed([](Node& root) { root.at("soc/serial@10000000").set("interrupt-parent", words({1})); }),
              "/: the serial port's interrupt goes nowhere");
    EXPECT_EQ(
        changed([](Node& root) { root.at("soc/plic@c000000").set("interrupts-extended", words({1, 9})); }),
        "/: a hart has no place at the PLIC");
    EXPECT_EQ(changed([](Node& root) {
                  root.at("soc/plic@c000000").set("reg", words({0, 0xc000000, 0, 0x203000}));
              }),
              "/: a hart has no place at the PLIC");
    EXPECT_EQ(changed([](Node& root) {
                  root.add("memory@84000000")
                      .set("device_type", text("memory"))
                      .set("reg", words({0, 0x84000000, 0, 0x1000}));
              }),
              "memory@84000000: memory overlaps memory");
}

// `virt` of those harts, the first boots, with bells at that place and of that size, for those controllers.
Node with_bells(std::initializer_list<uint32_t> harts, uint32_t base, uint32_t size, Bytes pairs) {
    Node root = virt(harts);
    root.at("soc")
        .add("sswi@2f00000")
        .set("compatible", text("riscv,aclint-sswi"))
        .set("reg", words({0, base, 0, size}))
        .set("interrupts-extended", std::move(pairs));
    return root;
}

TEST(MachineTree, TheOrderOfTheBellsIsTheTreesAndNotTheHarts) {
    // Controllers 1 and 2 are those of harts 4 and 7; 3 is nobody's, and at 11 are no supervisor software
    // interrupts.
    Outcome outcome = read(with_bells({4, 7}, 0x2f00000, 0x4000, words({3, 1, 2, 1, 0, 1, 1, 1, 1, 11})), 4);
    ASSERT_EQ(outcome.problem.what, nullptr);
    EXPECT_EQ(outcome.machine.bells.registers.base, 0x2f00000);
    EXPECT_EQ(outcome.machine.bells.registers.size, 0x4000);
    EXPECT_EQ(outcome.machine.bell_of[0], 4U);
    EXPECT_EQ(outcome.machine.bell_of[1], 2U);
    EXPECT_EQ(outcome.machine.bell_of[2], 0U);
}

TEST(MachineTree, AHartWithoutABellHasNone) {
    EXPECT_FALSE(read(virt({0, 1})).machine.bells.present());
    Outcome beyond =
        read(with_bells({0, 1}, 0x2f00000, 7, words({2, 1, 1, 1}))); // one word, and a part of one
    ASSERT_EQ(beyond.problem.what, nullptr);
    EXPECT_EQ(beyond.machine.bell_of[0], 0U);
    EXPECT_EQ(beyond.machine.bell_of[1], 1U);
    Outcome unnamed = read(with_bells({0}, 0x2f00000, 0x4000, {}));
    ASSERT_EQ(unnamed.problem.what, nullptr);
    EXPECT_EQ(unnamed.machine.bell_of[0], 0U);
}

TEST(MachineTree, RefusesBellsThatCannotBe) {
    const Bytes pair = words({1, 1});
    EXPECT_EQ(problem_of(with_bells({0}, 0x2f00000, 3, pair)), "sswi@2f00000: reg is too small");
    EXPECT_EQ(problem_of(with_bells({0}, 0x2f00002, 0x4000, pair)), "sswi@2f00000: reg has a bad value");
    EXPECT_EQ(problem_of(with_bells({0}, 0x2f00000, 0x4000, words({1, 1, 2}))),
              "sswi@2f00000: interrupts-extended has a bad length");
    EXPECT_EQ(problem_of(with_bells({0}, 0x80001000, 0x4000, pair)), "/: device registers in memory");
}

TEST(MachineTree, VirtioSlotsThatCannotWorkAreLeftOut) {
    Node root = virt();
    root.at("soc/virtio_mmio@0").set("interrupts", words({97}));
    root.at("soc/virtio_mmio@1").set("reg", words({0, 0x80010000, 0, 0x1000}));
    Outcome outcome = read(root);
    ASSERT_EQ(outcome.problem.what, nullptr);
    ASSERT_EQ(outcome.machine.transports.size(), 1u);
    EXPECT_EQ(outcome.machine.transports[0].line, 3u);
}

TEST(MachineTree, MemoryIsCutToWholePages) {
    Node root = virt();
    root.at("memory@80000000").set("reg", words({0, 0x80000100, 0, 0x8000000, 0, 0x90000010, 0, 0x20}));
    Outcome outcome = read(root);
    ASSERT_EQ(outcome.problem.what, nullptr);
    ASSERT_EQ(outcome.machine.memory.size(), 1u);
    EXPECT_EQ(outcome.machine.memory[0].base, 0x80001000);
    EXPECT_EQ(outcome.machine.memory[0].end(), 0x88000000);
}

TEST(MachineTree, ReservationsAreNeverForgotten) {
    Node root = virt();
    for (int index = 0; index < 31; ++index) {
        root.at("reserved-memory").add("r").set("reg", words({0, 0x81000000, 0, 0x1000}));
    }
    EXPECT_EQ(problem_of(root), "");
    root.at("reserved-memory").add("last").set("reg", words({0, 0x81000000, 0, 0x1000}));
    EXPECT_EQ(problem_of(root), "last: too many reservations");

    Flattener flattener;
    flattener.reservations.assign(33, {0x81000000, 0x1000});
    Outcome outcome = read(flattener.flatten(virt()));
    EXPECT_STREQ(outcome.problem.what, "too many reservations");
}

TEST(MachineTree, EveryTruncatedOrFlippedTreeEnds) {
    Blob whole = flatten(virt({0, 1}));
    for (size_t size = 0; size < whole.size(); ++size) {
        Blob cut(Bytes(whole.bytes(), whole.bytes() + size));
        if (size >= machine_tree_header) {
            cut.set_header(header_word::total, static_cast<uint32_t>(size));
        }
        EXPECT_TRUE(read(cut).problem);
    }
    for (size_t at = 0; at < whole.size(); ++at) {
        for (uint8_t mask : {0x01, 0x80, 0xff}) {
            Blob flipped = whole;
            flipped.bytes()[at] = static_cast<uint8_t>(flipped.bytes()[at] ^ mask);
            Outcome outcome = read(flipped);
            // Read or refused: the sanitizers say whether anything outside was touched.
            EXPECT_EQ(static_cast<bool>(outcome.problem), outcome.problem.what != nullptr);
        }
    }
}

} // namespace
