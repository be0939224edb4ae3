// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/machine_tree.h"

#include "hal/devicetree/flat_tree.h"
#include "hal/devicetree/tree_reader.h"

namespace rumpk::hal {

namespace {

// Which of them begin with a letter: most properties of a tree are told from all by their first.
struct PropertySpan {
    uint32_t begin;
    uint32_t end;
};
constexpr PropertySpan properties_with(char first) {
    switch (first) {
    case '#':
        return {property_address_cells, property_arguments};
    case 'b':
        return {property_arguments, property_compatible};
    case 'c':
        return {property_compatible, property_device_type};
    case 'd':
        return {property_device_type, property_interrupts};
    case 'i':
        return {property_interrupts, property_phandle};
    case 'p':
        return {property_phandle, property_reg};
    case 'r':
        return {property_reg, property_status};
    case 's':
        return {property_status, property_timebase};
    case 't':
        return {property_timebase, property_count};
    default:
        return {0, 0};
    }
}
constexpr bool spans_fit() {
    for (uint32_t id = 0; id < property_count; ++id) {
        PropertySpan span = properties_with(property_names[id][0]);
        if (id < span.begin || id >= span.end) {
            return false;
        }
    }
    return true;
}
static_assert(spans_fit());

} // namespace

bool same(const char* left, const char* right) {
    while (*left != '\0' && *left == *right) {
        ++left;
        ++right;
    }
    return *left == *right;
}

bool begins_with(const char* text, const char* start) {
    while (*start != '\0' && *text == *start) {
        ++text;
        ++start;
    }
    return *start == '\0';
}

TreeProblem TreeReader::read(const void* blob, uint64_t readable) {
    FlatTree tree;
    if (const char* problem = tree.open(blob, readable)) {
        return {.what = problem, .node = "header"};
    }
    machine_.sstc = true;
    for (AddressRange range; tree.next_reservation(range);) {
        if (range.size != 0 && !machine_.reserved.add(range)) {
            return {.what = "too many reservations", .node = "header"};
        }
    }
    // Ends: every token moves forward in a block that has an end.
    for (;;) {
        TreeToken token = tree.next();
        if (token == TreeToken::property) {
            take_property(tree);
            continue;
        }
        if (token == TreeToken::broken) {
            return fail(tree.problem());
        }
        // Properties come before children, so here the innermost node's are complete.
        if (pending_) {
            if (TreeProblem problem = finish_node()) {
                return problem;
            }
        }
        if (token == TreeToken::end) {
            break;
        }
        if (token == TreeToken::node_end) {
            --depth_;
        } else if (TreeProblem problem = enter(tree.name())) {
            return problem;
        }
    }
    levels_[0].name = "/";
    depth_ = 0;
    if (TreeProblem problem = check()) {
        return problem;
    }
    if (TreeProblem problem = resolve_contexts()) {
        return problem;
    }
    return check_devices();
}

TreeProblem TreeReader::enter(const char* name) {
    // FlatTree lets max_depth nodes be open, and there is one level more.
    levels_[++depth_] = Level{.name = name};
    pending_ = true;
    present_ = 0;
    return {};
}

void TreeReader::take_property(const FlatTree& tree) {
    const char* name = tree.name();
    PropertySpan span = properties_with(*name);
    for (uint32_t id = span.begin; id < span.end; ++id) {
        // Names are mostly shared: one string for all properties of that name.
        if (name == seen_[id] || same(name, property_names[id])) {
            seen_[id] = name;
            properties_[id] = {tree.data(), tree.length()};
            present_ |= 1u << id;
            return;
        }
    }
}

TreeProblem TreeReader::cell(PropertyId id, uint32_t most, uint32_t& value) const {
    if (!has(id)) {
        return {};
    }
    if (properties_[id].length != 4) {
        return fail(id);
    }
    value = tree_u32(properties_[id].data);
    return value <= most ? TreeProblem{} : fail(id);
}

TreeProblem TreeReader::string(PropertyId id, const char*& text) const {
    if (!has(id)) {
        return {};
    }
    const Property& property = properties_[id];
    if (property.length == 0 || property.data[property.length - 1] != '\0') {
        return fail(id);
    }
    text = reinterpret_cast<const char*>(property.data);
    return {};
}

// Entry `index` of reg (2.3.6). No wrap; what the parent's cells cannot say is a problem.
TreeProblem TreeReader::entry(const Level& parent, uint32_t index, AddressRange& range, bool& there) const {
    there = false;
    if (!has(property_reg)) {
        return {};
    }
    uint32_t address_cells = parent.address_cells;
    uint32_t size_cells = parent.size_cells;
    if (address_cells < 1 || address_cells > 2 || size_cells < 1 || size_cells > 2) {
        return fail("reg has cells of unknown size");
    }
    const Property& reg = properties_[property_reg];
    uint32_t bytes = 4 * (address_cells + size_cells);
    if (reg.length == 0 || reg.length % bytes != 0) {
        return fail("reg has a bad length");
    }
    if (index >= reg.length / bytes) {
        return {};
    }
    const uint8_t* at = reg.data + uint64_t{index} * bytes;
    range.base = address_cells == 2 ? tree_u64(at) : tree_u32(at);
    at += 4 * address_cells;
    range.size = size_cells == 2 ? tree_u64(at) : tree_u32(at);
    there = true;
    return range.base + range.size < range.base ? fail("reg wraps") : TreeProblem{};
}

TreeProblem TreeReader::finish_node() {
    pending_ = false;
    Level& level = levels_[depth_];
    const Level& parent = levels_[depth_ - 1];
    if (TreeProblem problem = finish_level(level, parent)) {
        return problem;
    }
    if (!level.enabled) {
        return {};
    }
    switch (level.role) {
    case Role::cpus:
        return read_timebase();
    case Role::chosen:
        return read_chosen();
    case Role::cpu:
        return read_cpu(level, parent);
    case Role::reserved_memory:
        return {};
    case Role::other:
        break;
    }
    if (parent.role == Role::reserved_memory) {
        return read_reserved(parent);
    }
    if (parent.role == Role::cpu) {
        if (parent.hart != nullptr && kind() == Kind::hart_controller) {
            return cell(property_phandle, ~0u, parent.hart->controller);
        }
        return {};
    }
    const char* type = "";
    if (TreeProblem problem = string(property_device_type, type)) {
        return problem;
    }
    if (depth_ == 2 && same(type, "memory")) {
        return read_memory(parent);
    }
    return parent.mapped ? read_device(level, parent) : TreeProblem{};
}

// What the node means for its children, and whether it counts.
TreeProblem TreeReader::finish_level(Level& level, const Level& parent) {
    if (TreeProblem problem = cell(property_address_cells, 4, level.address_cells)) {
        return problem;
    }
    if (TreeProblem problem = cell(property_size_cells, 4, level.size_cells)) {
        return problem;
    }
    level.interrupt_parent = parent.interrupt_parent;
    if (TreeProblem problem = cell(property_interrupt_parent, ~0u, level.interrupt_parent)) {
        return problem;
    }
    const char* status = "okay";
    if (TreeProblem problem = string(property_status, status)) {
        return problem;
    }
    level.enabled = parent.enabled && (same(status, "okay") || same(status, "ok"));
    // An empty `ranges` says that addresses pass unchanged (2.3.8). Buses that move them
    // carry nothing that this machine needs.
    level.mapped =
        depth_ == 1 || (parent.mapped && has(property_ranges) && properties_[property_ranges].length == 0);
    if (depth_ == 2) {
        level.role = same(level.name, "cpus")              ? Role::cpus
                     : same(level.name, "chosen")          ? Role::chosen
                     : same(level.name, "reserved-memory") ? Role::reserved_memory
                                                           : Role::other;
    } else if (parent.role == Role::cpus) {
        const char* type = "";
        if (TreeProblem problem = string(property_device_type, type)) {
            return problem;
        }
        level.role = same(type, "cpu") ? Role::cpu : Role::other;
    }
    return {};
}

TreeProblem TreeReader::read_memory(const Level& parent) {
    bool there = true;
    for (uint32_t index = 0; there; ++index) {
        AddressRange range;
        if (TreeProblem problem = entry(parent, index, range, there)) {
            return problem;
        }
        uint64_t base = (range.base + HAL_PAGE_SIZE - 1) & ~uint64_t{HAL_PAGE_SIZE - 1};
        uint64_t end = range.end() & ~uint64_t{HAL_PAGE_SIZE - 1};
        if (!there || base < range.base || base >= end) {
            continue;
        }
        AddressRange pages{base, end - base};
        if (in_memory(pages)) {
            return fail("memory overlaps memory");
        }
        // Memory past the list's end is left alone, which harms nobody.
        machine_.memory.add(pages);
    }
    return {};
}

TreeProblem TreeReader::read_reserved(const Level& parent) {
    bool there = true;
    for (uint32_t index = 0; there; ++index) {
        AddressRange range;
        if (TreeProblem problem = entry(parent, index, range, there)) {
            return problem;
        }
        if (there && range.size != 0 && !machine_.reserved.add(range)) {
            return fail("too many reservations");
        }
    }
    return {};
}

TreeProblem TreeReader::read_timebase() {
    if (!has(property_timebase)) {
        return {};
    }
    const Property& property = properties_[property_timebase];
    if (property.length != 4 && property.length != 8) {
        return fail("timebase-frequency has a bad length");
    }
    machine_.timebase = property.length == 8 ? tree_u64(property.data) : tree_u32(property.data);
    // `now` and `timer_set` are exact in this range (see clock.h).
    bool sane = machine_.timebase >= 1000 && machine_.timebase <= 1000000000;
    return sane ? TreeProblem{} : fail("timebase-frequency out of range");
}

TreeProblem TreeReader::read_cpu(Level& level, const Level& parent) {
    const Property& reg = properties_[property_reg];
    uint32_t cells = parent.address_cells;
    if (!has(property_reg) || cells < 1 || cells > 2 || reg.length != 4 * cells) {
        return fail("reg has a bad length");
    }
    const char* isa = "";
    if (TreeProblem problem = string(property_isa, isa)) {
        return problem;
    }
    // "rv64imac_zicsr_sstc": names of more than one letter, each behind an underscore.
    bool sstc = false;
    for (; *isa != '\0' && !sstc; ++isa) {
        sstc = begins_with(isa, "_sstc") && (isa[5] == '\0' || isa[5] == '_');
    }
    uint64_t id = cells == 2 ? tree_u64(reg.data) : tree_u32(reg.data);
    for (const TreeHart& other : machine_.harts) {
        if (other.id == id) {
            return fail("two harts of one id");
        }
    }
    bool boot = id == boot_hart_id_;
    if (machine_.harts.full()) {
        // More harts than this kernel has cores. The one that runs must be among them.
        if (!boot) {
            return {};
        }
        machine_.harts.truncate(machine_.harts.size() - 1);
    }
    if (boot) {
        machine_.boot_hart = static_cast<uint32_t>(machine_.harts.size());
        boot_hart_seen_ = true;
    }
    machine_.sstc = machine_.sstc && sstc;
    machine_.harts.add({.id = id});
    level.hart = machine_.harts.end() - 1;
    return {};
}

TreeProblem TreeReader::read_chosen() {
    if (TreeProblem problem = string(property_arguments, machine_.arguments)) {
        return problem;
    }
    if (has(property_seed)) {
        machine_.seed = properties_[property_seed].data;
        machine_.seed_size = properties_[property_seed].length;
    }
    return {};
}

TreeProblem read_machine_tree(const void* blob, uint64_t readable, uint64_t boot_hart, MachineTree& machine) {
    return TreeReader(machine, boot_hart).read(blob, readable);
}

} // namespace rumpk::hal
