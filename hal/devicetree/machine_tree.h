// SPDX-License-Identifier: Apache-2.0
//
// What a machine's device tree says, checked: memory, processors, interrupt
// controller, devices, boot arguments. tree_riscv.cpp or tree_arm.cpp knows the devices. Runs on the host as
// well; hostile trees end in a problem that a person can read, never in a wild access.
//
// Sources: Devicetree Specification 0.4 chapters 2 and 3 (cells, reg, ranges,
// status, interrupts, /memory, /reserved-memory, /chosen, /cpus); the Linux
// bindings riscv/cpus, riscv,cpu-intc, sifive,plic-1.0.0, ns16550a,
// google,goldfish-rtc, riscv,aclint-sswi, arm/cpus, arm/psci, arm,gic-v3, arm,pl011, arm,pl031, virtio,mmio.
#pragma once

#include "abi/hal.h"
#include "hal/devicetree/range.h"

namespace rumpk::hal {

struct TreeHart {
    static constexpr uint32_t no_context = ~0u;

    uint64_t id = 0;         // what firmware calls it; ids may have gaps
    uint32_t controller = 0; // phandle of its local interrupt controller; 0: none was seen
    uint32_t context = 0;    // its context at the PLIC, of the mode in which the kernel runs
};

// Of RISC-V: the causes by which the tree names that context, and a hart's word at the bells. The
// architecture's, who knows the mode; 0: this kernel does not look for bells.
extern const uint32_t tree_external_cause;
extern const uint32_t tree_bell_cause;

struct TreeDevice {
    AddressRange registers; // size 0: the machine has none
    uint32_t line = 0;      // at the interrupt controller; 0: none
    uint32_t parent = 0;    // phandle of the interrupt controller that the line goes to

    bool present() const { return registers.size != 0; }
};

// Fresh it is all zeros, so that a static one costs neither code nor bytes of the image.
struct MachineTree {
    ShortList<AddressRange, 8> memory;    // not empty, page aligned inward, disjoint
    ShortList<AddressRange, 32> reserved; // as the tree says, unaligned; may overlap
    ShortList<TreeHart, HAL_MAX_CORES> harts;
    uint32_t boot_hart = 0; // index into harts
    TreeDevice serial;      // always there
    TreeDevice rtc;
    ShortList<TreeDevice, 32> virtio;     // transport slots, empty ones too, in the tree's order
    ShortList<hal_virtio, 32> transports; // those of them that can work, as core/ is told of them

    const char* arguments = nullptr; // read: in the blob, or "", NUL-terminated
    const uint8_t* seed = nullptr;   // in the blob
    uint32_t seed_size = 0;

    // Of RISC-V.
    bool sstc = false;     // all harts have stimecmp
    uint64_t timebase = 0; // ticks of `time` per second, 1000..1000000000
    TreeDevice plic;       // always there
    uint32_t plic_lines = 0;
    uint32_t plic_phandle = 0;
    TreeDevice finisher;

    // Of Arm. Lines count as the interrupt controller does, from 0.
    TreeDevice gic;              // the distributor; always there
    AddressRange redistributors; // likewise
    uint32_t gic_phandle = 0;
    bool firmware_by_smc = false; // by hvc otherwise

    // Of RISC-V, in kernels of several cores: a store of 1 to a hart's word is its software interrupt.
    TreeDevice bells;
    uint32_t bell_of[HAL_MAX_CORES] = {}; // by hart: which word, counted from 1; 0: it has none
};

// "node: property what", to be read in this order; what == nullptr: nothing is wrong.
struct TreeProblem {
    const char* what = nullptr;
    const char* node = "";
    const char* property = "";

    explicit operator bool() const { return what != nullptr; }
};

// Bytes of a tree's header, which says how long the tree is.
inline constexpr uint64_t machine_tree_header = 40;

// How long the tree says it is; 0: this is no device tree. Reads the header only.
// blob: 8-byte aligned
uint64_t machine_tree_size(const void* blob);

// Reads a device tree into `machine`, which must be fresh. The strings in `machine` and in
// the problem point into the blob. Takes time in proportion to the blob's size, whatever is in it.
// blob: 8-byte aligned; readable: bytes that may be read there; boot_hart: id of the hart that runs.
[[nodiscard]] TreeProblem read_machine_tree(const void* blob, uint64_t readable, uint64_t boot_hart,
                                            MachineTree& machine);

} // namespace rumpk::hal
