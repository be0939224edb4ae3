// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/machine_tree.h"

#include <initializer_list>

#include "hal/devicetree/flat_tree.h"

namespace rumpk::hal {

namespace {

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

constexpr const char* property_names[property_count] = {
    "#address-cells", "#size-cells", "bootargs",         "compatible",
    "device_type",    "interrupts",  "interrupt-parent", "interrupts-extended",
    "phandle",        "reg",         "ranges",           "riscv,isa",
    "riscv,ndev",     "rng-seed",    "status",           "timebase-frequency"};

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

// What a node's `compatible` makes of it.
enum class Kind : uint8_t { unknown, serial, plic, rtc, finisher, virtio, hart_controller };

struct KindName {
    const char* name;
    Kind kind;
};
constexpr KindName kind_names[] = {
    {"ns16550a", Kind::serial},       {"sifive,plic-1.0.0", Kind::plic},
    {"riscv,plic0", Kind::plic},      {"google,goldfish-rtc", Kind::rtc},
    {"sifive,test0", Kind::finisher}, {"sifive,test1", Kind::finisher},
    {"virtio,mmio", Kind::virtio},    {"riscv,cpu-intc", Kind::hart_controller}};

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

class Reader {
  public:
    Reader(MachineTree& machine, uint64_t boot_hart) : machine_(machine), boot_hart_id_(boot_hart) {}

    TreeProblem read(const void* blob, uint64_t readable);

  private:
    TreeProblem fail(const char* what) const { return {what, levels_[depth_].name}; }

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
    Property contexts_; // the PLIC's interrupts-extended
    Level levels_[FlatTree::max_depth + 1];
};

TreeProblem Reader::read(const void* blob, uint64_t readable) {
    FlatTree tree;
    if (const char* problem = tree.open(blob, readable)) {
        return {problem, "header"};
    }
    machine_.sstc = true;
    for (AddressRange range; tree.next_reservation(range);) {
        if (range.size != 0 && !machine_.reserved.add(range)) {
            return {"too many reservations", "header"};
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

TreeProblem Reader::enter(const char* name) {
    // FlatTree lets max_depth nodes be open, and there is one level more.
    levels_[++depth_] = Level{.name = name};
    pending_ = true;
    present_ = 0;
    return {};
}

void Reader::take_property(const FlatTree& tree) {
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

TreeProblem Reader::cell(PropertyId id, uint32_t most, uint32_t& value) const {
    if (!has(id)) {
        return {};
    }
    if (properties_[id].length != 4) {
        return fail(property_names[id]);
    }
    value = tree_u32(properties_[id].data);
    return value <= most ? TreeProblem{} : fail(property_names[id]);
}

TreeProblem Reader::string(PropertyId id, const char*& text) const {
    if (!has(id)) {
        return {};
    }
    const Property& property = properties_[id];
    if (property.length == 0 || property.data[property.length - 1] != '\0') {
        return fail(property_names[id]);
    }
    text = reinterpret_cast<const char*>(property.data);
    return {};
}

// `compatible` is a list of strings, each with its NUL (2.3.1).
Kind Reader::kind() const {
    const Property& list = properties_[property_compatible];
    if (!has(property_compatible) || list.length == 0 || list.data[list.length - 1] != '\0') {
        return Kind::unknown;
    }
    auto text = reinterpret_cast<const char*>(list.data);
    for (auto end = text + list.length; text < end; ++text) {
        for (const KindName& known : kind_names) {
            if (*text == *known.name && same(text, known.name)) {
                return known.kind;
            }
        }
        while (*text != '\0') {
            ++text;
        }
    }
    return Kind::unknown;
}

// Entry `index` of reg (2.3.6). No wrap; what the parent's cells cannot say is a problem.
TreeProblem Reader::entry(const Level& parent, uint32_t index, AddressRange& range, bool& there) const {
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

TreeProblem Reader::finish_node() {
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
TreeProblem Reader::finish_level(Level& level, const Level& parent) {
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

TreeProblem Reader::read_memory(const Level& parent) {
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

TreeProblem Reader::read_reserved(const Level& parent) {
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

TreeProblem Reader::read_timebase() {
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

TreeProblem Reader::read_cpu(Level& level, const Level& parent) {
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

TreeProblem Reader::read_chosen() {
    if (TreeProblem problem = string(property_arguments, machine_.arguments)) {
        return problem;
    }
    if (has(property_seed)) {
        machine_.seed = properties_[property_seed].data;
        machine_.seed_size = properties_[property_seed].length;
    }
    return {};
}

TreeProblem Reader::read_registers(const Level& level, const Level& parent, uint64_t least,
                                   TreeDevice& device) {
    if (device.present()) {
        return {}; // the first one of its kind counts
    }
    bool there = false;
    AddressRange range;
    if (TreeProblem problem = entry(parent, 0, range, there)) {
        return problem;
    }
    if (!there || range.size < least) {
        return fail("reg is too small");
    }
    device.registers = range;
    device.parent = level.interrupt_parent;
    if (has(property_interrupts)) {
        const Property& property = properties_[property_interrupts];
        if (property.length < 4 || property.length % 4 != 0) {
            return fail("interrupts has a bad length");
        }
        device.line = tree_u32(property.data);
    }
    return {};
}

TreeProblem Reader::read_device(const Level& level, const Level& parent) {
    switch (kind()) {
    case Kind::serial:
        return read_registers(level, parent, 8, machine_.serial);
    case Kind::plic:
        return read_plic(level, parent);
    case Kind::rtc:
        return read_registers(level, parent, 8, machine_.rtc);
    case Kind::finisher:
        return read_registers(level, parent, 4, machine_.finisher);
    case Kind::virtio: {
        TreeDevice slot;
        if (TreeProblem problem = read_registers(level, parent, 0x100, slot)) {
            return problem;
        }
        machine_.virtio.add(slot); // slots past the list's end stay unused
        return {};
    }
    case Kind::hart_controller:
    case Kind::unknown:
        break;
    }
    return {};
}

TreeProblem Reader::read_plic(const Level& level, const Level& parent) {
    if (machine_.plic.present()) {
        return {};
    }
    // Up to the first context's registers (PLIC specification 1.0.0, chapter 3).
    if (TreeProblem problem = read_registers(level, parent, 0x201000, machine_.plic)) {
        return problem;
    }
    if (TreeProblem problem = cell(property_phandle, ~0u, machine_.plic_phandle)) {
        return problem;
    }
    if (TreeProblem problem = cell(property_plic_lines, 1023, machine_.plic_lines)) {
        return problem;
    }
    contexts_ = has(property_extended) ? properties_[property_extended] : Property{};
    return contexts_.length % 8 == 0 ? TreeProblem{} : fail("interrupts-extended has a bad length");
}

TreeProblem Reader::check() const {
    const char* missing = machine_.memory.size() == 0  ? "no memory"
                          : !boot_hart_seen_           ? "the hart that runs is not in it"
                          : machine_.timebase == 0     ? "no timebase-frequency"
                          : !machine_.plic.present()   ? "no interrupt controller (sifive,plic-1.0.0)"
                          : machine_.plic_lines == 0   ? "no interrupt lines"
                          : machine_.plic_phandle == 0 ? "no phandle of the interrupt controller"
                          : !machine_.serial.present() ? "no serial port (ns16550a)"
                                                       : nullptr;
    return missing != nullptr ? fail(missing) : TreeProblem{};
}

// interrupts-extended: pairs of a hart's local controller and a cause. A pair's
// number is the context's; cause 9 is the supervisor external interrupt.
TreeProblem Reader::resolve_contexts() {
    constexpr uint32_t supervisor_external = 9;
    constexpr uint64_t first_context = 0x200000;
    constexpr uint64_t context_size = 0x1000;
    for (uint32_t context = 0; context < contexts_.length / 8; ++context) {
        uint32_t controller = tree_u32(contexts_.data + 8 * context);
        uint32_t cause = tree_u32(contexts_.data + 8 * context + 4);
        for (TreeHart& hart : machine_.harts) {
            if (cause == supervisor_external && controller != 0 && hart.controller == controller) {
                hart.context = context;
            }
        }
    }
    uint64_t contexts = (machine_.plic.registers.size - first_context) / context_size;
    for (const TreeHart& hart : machine_.harts) {
        if (hart.context >= contexts) {
            return fail("a hart has no place at the interrupt controller");
        }
    }
    return {};
}

bool Reader::in_memory(AddressRange range) const {
    for (const AddressRange& memory : machine_.memory) {
        if (memory.overlaps(range)) {
            return true;
        }
    }
    return false;
}

TreeProblem Reader::check_devices() {
    for (const TreeDevice* device : {&machine_.serial, &machine_.plic, &machine_.rtc, &machine_.finisher}) {
        if (device->present() && in_memory(device->registers)) {
            return fail("device registers in memory");
        }
    }
    auto routed = [this](const TreeDevice& device) {
        return device.parent == machine_.plic_phandle && device.line >= 1 &&
               device.line <= machine_.plic_lines;
    };
    if (!routed(machine_.serial)) {
        return fail("the serial port's interrupt goes nowhere");
    }
    size_t kept = 0;
    for (const TreeDevice& slot : machine_.virtio) {
        if (routed(slot) && !in_memory(slot.registers)) {
            machine_.virtio[kept++] = slot;
        }
    }
    machine_.virtio.truncate(kept);
    return {};
}

} // namespace

TreeProblem read_machine_tree(const void* blob, uint64_t readable, uint64_t boot_hart, MachineTree& machine) {
    return Reader(machine, boot_hart).read(blob, readable);
}

} // namespace rumpk::hal
