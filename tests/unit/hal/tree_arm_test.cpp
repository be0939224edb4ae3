// SPDX-License-Identifier: Apache-2.0
//
// What tree_arm.cpp reads. The rest of the reader is one for all: machine_tree_test.cpp.
#include "hal/devicetree/machine_tree.h"

#include <gtest/gtest.h>

#include "tests/unit/hal/tree_model.h"

using namespace rumpk::hal;
using namespace hal_test;

namespace {

constexpr uint32_t gic = 0x8002;

// What QEMU says of its `virt` machine with a GICv3, shortened.
Node virt(std::initializer_list<uint32_t> affinities) {
    Node root;
    root.set("#address-cells", words({2}))
        .set("#size-cells", words({2}))
        .set("interrupt-parent", words({gic}));
    root.add("memory@40000000")
        .set("device_type", text("memory"))
        .set("reg", words({0, 0x40000000, 0, 0x8000000}));
    Node& cpus = root.add("cpus");
    cpus.set("#address-cells", words({1})).set("#size-cells", words({0}));
    for (uint32_t affinity : affinities) {
        cpus.add("cpu@" + std::to_string(affinity))
            .set("device_type", text("cpu"))
            .set("reg", words({affinity}))
            .set("enable-method", text("psci"));
    }
    Bytes psci = text("arm,psci-1.0");
    for (uint8_t byte : text("arm,psci-0.2")) {
        psci.push_back(byte);
    }
    root.add("psci").set("compatible", psci).set("method", text("hvc"));
    root.add("intc@8000000")
        .set("compatible", text("arm,gic-v3"))
        .set("phandle", words({gic}))
        .set("reg", words({0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000}));
    root.add("pl011@9000000")
        .set("compatible", text("arm,pl011"))
        .set("reg", words({0, 0x9000000, 0, 0x1000}))
        .set("interrupts", words({0, 1, 4}));
    root.add("pl031@9010000")
        .set("compatible", text("arm,pl031"))
        .set("reg", words({0, 0x9010000, 0, 0x1000}))
        .set("interrupts", words({0, 2, 4}));
    for (uint32_t slot = 0; slot < 3; ++slot) {
        root.add("virtio_mmio@" + std::to_string(slot))
            .set("compatible", text("virtio,mmio"))
            .set("reg", words({0, 0xa000000 + slot * 0x200, 0, 0x200}))
            .set("interrupts", words({0, 16 + slot, 1}));
    }
    root.add("chosen").set("bootargs", text("-- a"));
    return root;
}

struct Outcome {
    Blob blob;
    MachineTree machine;
    TreeProblem problem;
};

Outcome read(const Node& root, uint64_t boot = 0) {
    Outcome outcome{flatten(root), {}, {}};
    outcome.problem = read_machine_tree(outcome.blob.data(), outcome.blob.size(), boot, outcome.machine);
    return outcome;
}

template <typename Change>
std::string changed(Change change) {
    Node root = virt({0, 1});
    change(root);
    Outcome outcome = read(root);
    return outcome.problem
               ? std::string(outcome.problem.node) + ": " + outcome.problem.property + outcome.problem.what
               : "";
}

TEST(ArmTree, ReadsAVirtMachine) {
    Outcome outcome = read(virt({0, 1, 0x100}), 0x100);
    ASSERT_EQ(outcome.problem.what, nullptr) << outcome.problem.node;
    const MachineTree& machine = outcome.machine;
    EXPECT_EQ(machine.memory[0].base, 0x40000000u);
    ASSERT_EQ(machine.harts.size(), 3u);
    EXPECT_EQ(machine.boot_hart, 2u);
    EXPECT_EQ(machine.harts[2].id, 0x100u);
    EXPECT_EQ(machine.gic.registers.base, 0x8000000u);
    EXPECT_EQ(machine.redistributors.base, 0x80a0000u);
    EXPECT_EQ(machine.redistributors.size, 0xf60000u);
    EXPECT_EQ(machine.serial.line, 33u); // shared lines begin at 32
    EXPECT_EQ(machine.rtc.registers.base, 0x9010000u);
    ASSERT_EQ(machine.transports.size(), 3u);
    EXPECT_EQ(machine.transports[2].registers, 0xa000400u);
    EXPECT_EQ(machine.transports[2].line, 50u);
    EXPECT_FALSE(machine.firmware_by_smc);
    EXPECT_STREQ(machine.arguments, "-- a");
}

TEST(ArmTree, FirmwareIsCalledAsTheTreeSays) {
    Node root = virt({0});
    root.at("psci").set("method", text("smc"));
    EXPECT_TRUE(read(root).machine.firmware_by_smc);
    EXPECT_EQ(changed([](Node& tree) { tree.at("psci").set("method", text("abc")); }),
              "psci: method has a bad value");
    EXPECT_EQ(changed([](Node& tree) { tree.at("psci").set("compatible", text("arm,psci-0.2")); }), "");
}

TEST(ArmTree, WhatIsMissingIsNamed) {
    EXPECT_EQ(changed([](Node& tree) { tree.remove("intc@8000000"); }),
              "/: no interrupt controller (arm,gic-v3)");
    EXPECT_EQ(
        changed([](Node& tree) { tree.at("intc@8000000").set("compatible", text("arm,cortex-a15-gic")); }),
        "/: no interrupt controller (arm,gic-v3)");
    EXPECT_EQ(changed([](Node& tree) { tree.at("intc@8000000").drop("phandle"); }),
              "/: no phandle of the interrupt controller");
    EXPECT_EQ(changed([](Node& tree) { tree.remove("pl011@9000000"); }), "/: no serial port (arm,pl011)");
    EXPECT_EQ(changed([](Node& tree) { tree.remove("memory@40000000"); }), "/: no memory");
    EXPECT_EQ(changed([](Node& tree) { tree.at("cpus").remove("cpu@0"); }),
              "/: the processor that runs is not in it");
}

TEST(ArmTree, RegistersHaveToBeThereAndLargeEnough) {
    EXPECT_EQ(
        changed([](Node& tree) { tree.at("intc@8000000").set("reg", words({0, 0x8000000, 0, 0x10000})); }),
        "intc@8000000: reg is too small");
    EXPECT_EQ(
        changed([](Node& tree) {
            tree.at("intc@8000000").set("reg", words({0, 0x8000000, 0, 0x8000, 0, 0x80a0000, 0, 0xf60000}));
        }),
        "intc@8000000: reg is too small");
    EXPECT_EQ(
        changed([](Node& tree) {
            tree.at("intc@8000000").set("reg", words({0, 0x8000000, 0, 0x10000, 0, 0x40000000, 0, 0x100000}));
        }),
        "/: device registers in memory");
    EXPECT_EQ(
        changed([](Node& tree) { tree.at("pl011@9000000").set("reg", words({0, 0x9000000, 0, 0x100})); }),
        "pl011@9000000: reg is too small");
}

TEST(ArmTree, LinesAreChecked) {
    auto serial = [](Bytes interrupts) {
        return changed([&](Node& tree) { tree.at("pl011@9000000").set("interrupts", interrupts); });
    };
    EXPECT_EQ(serial(words({0, 1})), "pl011@9000000: interrupts has a bad length");
    EXPECT_EQ(serial(words({2, 1, 4})), "pl011@9000000: interrupts has a bad value");
    EXPECT_EQ(serial(words({0, 0xffffffff, 4})), "pl011@9000000: interrupts has a bad value");
    EXPECT_EQ(serial(words({0, 988, 4})), "pl011@9000000: interrupts has a bad value");
    EXPECT_EQ(serial(words({0, 987, 4})), "");
    EXPECT_EQ(serial(words({1, 16, 4})),
              "pl011@9000000: interrupts has a bad value"); // a device's, by its number
    EXPECT_EQ(serial(words({1, 3, 4})), "/: the serial port's interrupt goes nowhere"); // a processor's own
    EXPECT_EQ(changed([](Node& tree) { tree.set("interrupt-parent", words({7})); }),
              "/: the serial port's interrupt goes nowhere");
    // A transport that cannot interrupt is left out.
    Node root = virt({0});
    root.at("virtio_mmio@1").set("interrupt-parent", words({7}));
    EXPECT_EQ(read(root).machine.transports.size(), 2u);
}

TEST(ArmTree, EveryTruncatedOrFlippedTreeEnds) {
    Blob whole = flatten(virt({0, 1}));
    for (size_t size = 0; size < whole.size(); size += 3) {
        MachineTree machine;
        EXPECT_TRUE(read_machine_tree(whole.data(), size, 0, machine));
    }
    for (size_t at = 0; at < whole.size(); ++at) {
        for (uint8_t bit : {uint8_t{1}, uint8_t{0x80}}) {
            whole.bytes()[at] ^= bit;
            MachineTree machine;
            (void)read_machine_tree(whole.data(), whole.size(), 0, machine);
            whole.bytes()[at] ^= bit;
        }
    }
}

} // namespace
