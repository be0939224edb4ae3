// SPDX-License-Identifier: Apache-2.0
//
// The reader behind machine_tree.h: machine_tree.cpp walks the tree and reads
// memory and processors; tree_riscv.cpp or tree_arm.cpp, whichever is built, devices,
// and checks that all fits together.
#pragma once

#include "hal/devicetree/machine_tree.h"
#include "hal/texts.h"

namespace rumpk::hal {

// The properties that are read.
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
    property_method,
    property_plic_lines,
    property_seed,
    property_status,
    property_timebase,
    property_count
};

inline constexpr const char* property_names = "#address-cells\0"
                                              "#size-cells\0"
                                              "bootargs\0"
                                              "compatible\0"
                                              "device_type\0"
                                              "interrupts\0"
                                              "interrupt-parent\0"
                                              "interrupts-extended\0"
                                              "phandle\0"
                                              "reg\0"
                                              "ranges\0"
                                              "riscv,isa\0"
                                              "method\0"
                                              "riscv,ndev\0"
                                              "rng-seed\0"
                                              "status\0"
                                              "timebase-frequency";

// What a node's `compatible` makes of it.
enum class Kind : uint8_t { serial, lines, rtc, finisher, virtio, hart_controller, firmware, unknown };

// A property's value: inside the blob, 4-byte aligned.
struct Property {
    const uint8_t* data = nullptr; // null: the node has no such property
    uint32_t length = 0;

    explicit operator bool() const { return data != nullptr; }
    // Big-endian words.
    uint32_t u32(uint32_t offset) const;
    uint64_t u64(uint32_t offset) const;
};

// Deepest nesting that is read; a deeper tree is refused.
inline constexpr uint32_t deepest_node = 16;

// What an open node means for its children.
enum class Role : uint8_t { other, cpus, cpu, reserved_memory, chosen };

struct Level {
    const char* name;
    TreeHart* hart; // of a cpu node
    uint32_t interrupt_parent;
    uint32_t address_cells;
    uint32_t size_cells;
    Role role;
    bool enabled;
    bool mapped; // its children's addresses are the processor's
};

// Of NUL-terminated strings.
bool same(const char* left, const char* right);
// Which of `count` texts in the list `text` is; count if none.
uint32_t find_text(const char* list, uint32_t count, const char* text);
bool begins_with(const char* text, const char* start);

class TreeReader {
  public:
    TreeReader(const void* blob, MachineTree& machine, uint64_t boot_hart)
        : blob_(blob), machine_(machine), boot_hart_id_(boot_hart) {}

    TreeProblem read(uint64_t readable);

  private:
    // What reads says whether it went well; if not, the problem is kept.
    bool fail(const char* what, const char* property = "") {
        problem_ = {.what = what, .node = levels_[depth_].name, .property = property};
        return false;
    }
    bool fail(PropertyId id) { return fail(" has a bad value", text_in(property_names, id)); }

    // A level as it is before its properties are read (2.3.5).
    void begin_level(const char* name) {
        levels_[depth_] = {.name = name,
                           .hart = nullptr,
                           .interrupt_parent = 0,
                           .address_cells = 2,
                           .size_cells = 1,
                           .role = Role::other,
                           .enabled = true,
                           .mapped = true};
    }
    const char* check_header(uint64_t readable) const;
    [[nodiscard]] bool read_reservations();
    [[nodiscard]] bool read_nodes();
    [[nodiscard]] bool enter(const char* name);
    [[nodiscard]] bool take_property(int offset);
    [[nodiscard]] bool finish_node();
    [[nodiscard]] bool read_level(Level& level, const Level& parent);
    [[nodiscard]] bool read_memory(const Level& parent);
    [[nodiscard]] bool read_reserved(const Level& parent);
    [[nodiscard]] bool read_cpu(Level& level, const Level& parent);
    [[nodiscard]] bool read_timebase();
    [[nodiscard]] bool read_chosen();
    [[nodiscard]] bool read_registers(const Level& level, const Level& parent, uint64_t least,
                                      TreeDevice& device);
    [[nodiscard]] bool read_transport(const Level& level, const Level& parent);
    void take_transports(uint32_t controller, uint32_t first_line, uint32_t end_line);
    // Which of `count` names, one after the other, the node is compatible with; count if none.
    uint32_t compatible(const char* names, uint32_t count) const;
    bool in_memory(AddressRange range) const;

    // By architecture.
    [[nodiscard]] bool read_cpu_features();
    [[nodiscard]] bool read_cpu_part(TreeHart& hart); // a node below a processor's
    [[nodiscard]] bool read_device(const Level& level, const Level& parent);
    [[nodiscard]] bool read_lines(const Level& level, const Level& parent); // the interrupt controller
    // The line that the first words of `interrupts` name. Its length is a multiple of 4, and at least that.
    [[nodiscard]] bool read_line(const Property& interrupts, uint32_t& line);
    Kind kind() const;
    [[nodiscard]] bool check(); // that all fits together
    [[nodiscard]] bool check_devices();
    [[nodiscard]] bool resolve_contexts();
    [[nodiscard]] bool read_bells(const Level& level, const Level& parent);
    [[nodiscard]] bool resolve_bells();

    // Of the node that is being read.
    [[nodiscard]] bool cell(PropertyId id, uint32_t most, uint32_t& value);
    [[nodiscard]] bool string(PropertyId id, const char*& text);
    [[nodiscard]] bool entry(const Level& parent, uint32_t index, AddressRange& range, bool& there);

    const void* blob_;
    MachineTree& machine_;
    uint64_t boot_hart_id_;
    bool boot_hart_seen_ = false;
    TreeProblem problem_;
    uint32_t depth_ = 0;   // levels_[depth_] is the innermost open node; [0] stands above the root
    bool pending_ = false; // its properties are being collected:
    Property properties_[property_count]; // ... by PropertyId
    Property contexts_;                   // the PLIC's interrupts-extended
    Level levels_[deepest_node + 1];      // written when a node is entered
    Property bells_;                      // the bells' interrupts-extended
};

} // namespace rumpk::hal
