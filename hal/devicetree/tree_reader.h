// SPDX-License-Identifier: Apache-2.0
//
// The reader behind machine_tree.h: machine_tree.cpp walks the tree and reads
// memory and harts, tree_devices.cpp devices, and checks that all fits together.
#pragma once

#include "hal/devicetree/flat_tree.h"
#include "hal/devicetree/machine_tree.h"

namespace rumpk::hal {

// The properties that are read, sorted by their first letter.
enum PropertyId : uint32_t {
    property_address_cells,
    property_size_cells,
    property_arguments,
    property_compatible,
    property_device_type,
    property_interrupts,
    property_interrupt_parent,
    property_extended,
    property_phandle,
    property_reg,
    property_ranges,
    property_isa,
    property_plic_lines,
    property_seed,
    property_status,
    property_timebase,
    property_count
};

inline constexpr const char* property_names[property_count] = {
    "#address-cells", "#size-cells", "bootargs",         "compatible",
    "device_type",    "interrupts",  "interrupt-parent", "interrupts-extended",
    "phandle",        "reg",         "ranges",           "riscv,isa",
    "riscv,ndev",     "rng-seed",    "status",           "timebase-frequency"};

// What a node's `compatible` makes of it.
enum class Kind : uint8_t { unknown, serial, plic, rtc, finisher, virtio, hart_controller };

struct Property {
    const uint8_t* data = nullptr;
    uint32_t length = 0;
};

// What an open node means for its children.
enum class Role : uint8_t { other, cpus, cpu, reserved_memory, chosen };

struct Level {
    const char* name = "";
    Role role = Role::other;
    bool enabled = true;
    bool mapped = true; // its children's addresses are the processor's
    uint32_t address_cells = 2;
    uint32_t size_cells = 1;
    uint32_t interrupt_parent = 0;
    TreeHart* hart = nullptr; // of a cpu node
};

// Of NUL-terminated strings.
bool same(const char* left, const char* right);
bool begins_with(const char* text, const char* start);

class TreeReader {
  public:
    TreeReader(MachineTree& machine, uint64_t boot_hart) : machine_(machine), boot_hart_id_(boot_hart) {}

    TreeProblem read(const void* blob, uint64_t readable);

  private:
    TreeProblem fail(const char* what) const { return {.what = what, .node = levels_[depth_].name}; }
    TreeProblem fail(PropertyId id) const {
        return {.what = " has a bad value", .node = levels_[depth_].name, .property = property_names[id]};
    }

    TreeProblem enter(const char* name);
    void take_property(const FlatTree& tree);
    TreeProblem finish_node();
    TreeProblem finish_level(Level& level, const Level& parent);
    TreeProblem read_memory(const Level& parent);
    TreeProblem read_reserved(const Level& parent);
    TreeProblem read_cpu(Level& level, const Level& parent);
    TreeProblem read_timebase();
    TreeProblem read_chosen();
    TreeProblem read_device(const Level& level, const Level& parent);
    TreeProblem read_registers(const Level& level, const Level& parent, uint64_t least, TreeDevice& device);
    TreeProblem read_plic(const Level& level, const Level& parent);

    TreeProblem check() const;
    TreeProblem check_devices();
    TreeProblem resolve_contexts();
    bool in_memory(AddressRange range) const;

    bool has(PropertyId id) const { return (present_ & (1u << id)) != 0; }
    TreeProblem cell(PropertyId id, uint32_t most, uint32_t& value) const;
    TreeProblem string(PropertyId id, const char*& text) const;
    Kind kind() const;
    TreeProblem entry(const Level& parent, uint32_t index, AddressRange& range, bool& there) const;

    MachineTree& machine_;
    uint64_t boot_hart_id_;
    bool boot_hart_seen_ = false;
    uint32_t depth_ = 0;   // levels_[depth_] is the innermost open node; [0] stands above the root
    bool pending_ = false; // its properties are being collected
    uint32_t present_ = 0; // bit per property collected
    Property properties_[property_count];
    const char* seen_[property_count] = {}; // where a property's name stood last
    Property contexts_;                     // the PLIC's interrupts-extended
    Level levels_[FlatTree::max_depth + 1];
};

} // namespace rumpk::hal
