// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/machine_tree.h"

#include <libfdt.h>

#include "hal/devicetree/tree_reader.h"

namespace rumpk::hal {

bool same(const char* left, const char* right) {
    while (*left != '\0' && *left == *right) {
        ++left;
        ++right;
    }
    return *left == *right;
}

uint32_t find_text(const char* list, uint32_t count, const char* text) {
    uint32_t index = 0;
    for (; index < count; ++index) {
        const char* rest = text;
        while (*list != '\0' && *list == *rest) {
            ++list;
            ++rest;
        }
        if (*list == *rest) {
            break;
        }
        while (*list++ != '\0') {
        }
    }
    return index;
}

bool begins_with(const char* text, const char* start) {
    while (*start != '\0' && *text == *start) {
        ++text;
        ++start;
    }
    return *start == '\0';
}

uint32_t Property::u32(uint32_t offset) const {
    return fdt32_ld(reinterpret_cast<const fdt32_t*>(data + offset));
}

uint64_t Property::u64(uint32_t offset) const {
    return uint64_t{u32(offset)} << 32 | u32(offset + 4);
}

uint64_t machine_tree_size(const void* blob) {
    return fdt_magic(blob) == FDT_MAGIC ? fdt_totalsize(blob) : 0;
}

namespace {

constexpr const char* damaged = "it is cut off or damaged";

} // namespace

// nullptr, or what is wrong with the header. After this libfdt's answers are inside the blob.
const char* TreeReader::check_header(uint64_t readable) const {
    if (readable < machine_tree_header || fdt_magic(blob_) != FDT_MAGIC) {
        return "no device tree there";
    }
    if (fdt_version(blob_) < FDT_LAST_SUPPORTED_VERSION ||
        fdt_last_comp_version(blob_) > FDT_LAST_SUPPORTED_VERSION) {
        return "unknown version";
    }
    if (fdt_check_header(blob_) != 0 || fdt_totalsize(blob_) > readable) {
        return damaged;
    }
    // libfdt looks for the end of a property's name at each visit. Names of bounded length (the
    // specification, 2.2.4, allows 31) keep that from taking for ever.
    constexpr uint32_t longest_name = 63;
    auto strings = static_cast<const char*>(blob_) + fdt_off_dt_strings(blob_);
    uint32_t length = 0;
    for (uint32_t left = fdt_size_dt_strings(blob_); left != 0; --left) {
        length = *strings++ == '\0' ? 0 : length + 1;
        if (length > longest_name) {
            return damaged;
        }
    }
    // libfdt does not ask for these (5.1).
    bool aligned = fdt_off_dt_struct(blob_) % 4 == 0 && fdt_off_mem_rsvmap(blob_) % 8 == 0;
    return aligned ? nullptr : damaged;
}

// Pairs of address and size, up to one of size 0 (5.3.2).
bool TreeReader::read_reservations() {
    constexpr uint32_t entry_size = 16;
    uint32_t at = fdt_off_mem_rsvmap(blob_); // inside, says the header's check
    Property block{static_cast<const uint8_t*>(blob_), fdt_totalsize(blob_)};
    for (; block.length - at >= entry_size; at += entry_size) {
        AddressRange range{block.u64(at), block.u64(at + 8)};
        if (range.size == 0) {
            return true;
        }
        if (range.base + range.size < range.base) {
            return fail("a reservation wraps");
        }
        if (!machine_.reserved.add(range)) {
            return fail("too many reservations");
        }
    }
    return fail(damaged);
}

// One root, without a name, and nothing behind it. Properties come before children (5.4.2), so a
// node's are complete when anything else comes.
bool TreeReader::read_nodes() {
    bool root_closed = false;
    // Ends: each tag is behind the one before.
    for (int offset = 0, next = 0;; offset = next) {
        uint32_t tag = fdt_next_tag(blob_, offset, &next);
        if (next < 0 || (root_closed && tag != FDT_END)) {
            return fail(damaged);
        }
        if (tag == FDT_NOP) {
            continue;
        }
        if (tag == FDT_PROP) {
            if (!take_property(offset)) {
                return false;
            }
            continue;
        }
        if (pending_ && !finish_node()) {
            return false;
        }
        if (tag == FDT_END) {
            return depth_ == 0 || fail(damaged);
        }
        if (tag == FDT_BEGIN_NODE) {
            // fdt_next_tag has found the end of the name, which stands behind the tag (5.4.1).
            if (!enter(static_cast<const char*>(fdt_offset_ptr(blob_, offset + FDT_TAGSIZE, 1)))) {
                return false;
            }
            continue;
        }
        if (depth_ == 0) {
            return fail(damaged);
        }
        root_closed = --depth_ == 0;
    }
}

bool TreeReader::enter(const char* name) {
    if (depth_ == deepest_node) {
        return fail("nested too deep");
    }
    if (depth_ == 0 && *name != '\0') {
        return fail(damaged);
    }
    ++depth_;
    begin_level(name);
    pending_ = true;
    for (Property& property : properties_) {
        property = {};
    }
    return true;
}

// fdt_next_tag has seen that the value is inside.
bool TreeReader::take_property(int offset) {
    if (!pending_) {
        return fail("a property outside its node");
    }
    auto property =
        static_cast<const struct fdt_property*>(fdt_offset_ptr(blob_, offset, sizeof(struct fdt_property)));
    const char* name = fdt_get_string(blob_, static_cast<int>(fdt32_ld(&property->nameoff)), nullptr);
    if (name == nullptr) {
        return fail(damaged);
    }
    uint32_t id = find_text(property_names, property_count, name);
    if (id < property_count) {
        properties_[id] = {reinterpret_cast<const uint8_t*>(property->data), fdt32_ld(&property->len)};
    }
    return true;
}

TreeProblem TreeReader::read(uint64_t readable) {
    machine_.arguments = "";
    begin_level("header");
    if (const char* wrong = check_header(readable)) {
        fail(wrong);
    } else if (read_reservations() && read_nodes()) {
        levels_[0].name = "/";
        (void)check();
    }
    return problem_;
}

bool TreeReader::cell(PropertyId id, uint32_t most, uint32_t& value) {
    const Property& property = properties_[id];
    if (!property) {
        return true;
    }
    if (property.length != 4) {
        return fail(id);
    }
    value = property.u32(0);
    return value <= most || fail(id);
}

bool TreeReader::string(PropertyId id, const char*& text) {
    const Property& property = properties_[id];
    if (!property) {
        return true;
    }
    if (property.length == 0 || property.data[property.length - 1] != '\0') {
        return fail(id);
    }
    text = reinterpret_cast<const char*>(property.data);
    return true;
}

// Entry `index` of reg (2.3.6). No wrap; what the parent's cells cannot say is a problem.
bool TreeReader::entry(const Level& parent, uint32_t index, AddressRange& range, bool& there) {
    const Property& reg = properties_[property_reg];
    there = false;
    if (!reg) {
        return true;
    }
    uint32_t address_cells = parent.address_cells;
    uint32_t size_cells = parent.size_cells;
    if (address_cells < 1 || address_cells > 2 || size_cells < 1 || size_cells > 2) {
        return fail("reg has cells of unknown size");
    }
    uint32_t bytes = 4 * (address_cells + size_cells);
    if (reg.length == 0 || reg.length % bytes != 0) {
        return fail("reg has a bad length");
    }
    if (index >= reg.length / bytes) {
        return true;
    }
    uint32_t at = index * bytes;
    range.base = address_cells == 2 ? reg.u64(at) : reg.u32(at);
    at += 4 * address_cells;
    range.size = size_cells == 2 ? reg.u64(at) : reg.u32(at);
    there = true;
    return range.base + range.size >= range.base || fail("reg wraps");
}

bool TreeReader::finish_node() {
    pending_ = false;
    Level& level = levels_[depth_];
    const Level& parent = levels_[depth_ - 1];
    if (!read_level(level, parent)) {
        return false;
    }
    if (!level.enabled) {
        return true;
    }
    switch (level.role) {
    case Role::cpus:
        return read_timebase();
    case Role::chosen:
        return read_chosen();
    case Role::cpu:
        return read_cpu(level, parent);
    case Role::reserved_memory:
        return true;
    case Role::other:
        break;
    }
    if (parent.role == Role::reserved_memory) {
        return read_reserved(parent);
    }
    if (parent.role == Role::cpu) {
        return parent.hart == nullptr || read_cpu_part(*parent.hart);
    }
    const char* type = "";
    if (!string(property_device_type, type)) {
        return false;
    }
    if (depth_ == 2 && same(type, "memory")) {
        return read_memory(parent);
    }
    return !parent.mapped || read_device(level, parent);
}

// What the node means for its children, and whether it counts.
bool TreeReader::read_level(Level& level, const Level& parent) {
    if (!cell(property_address_cells, 4, level.address_cells)) {
        return false;
    }
    if (!cell(property_size_cells, 4, level.size_cells)) {
        return false;
    }
    level.interrupt_parent = parent.interrupt_parent;
    if (!cell(property_interrupt_parent, ~0u, level.interrupt_parent)) {
        return false;
    }
    const char* status = "okay";
    if (!string(property_status, status)) {
        return false;
    }
    level.enabled = parent.enabled && (same(status, "okay") || same(status, "ok"));
    // An empty `ranges` says that addresses pass unchanged (2.3.8). Buses that move them
    // carry nothing that this machine needs.
    const Property& ranges = properties_[property_ranges];
    level.mapped = depth_ == 1 || (parent.mapped && ranges && ranges.length == 0);
    if (depth_ == 2) {
        level.role = same(level.name, "cpus")              ? Role::cpus
                     : same(level.name, "chosen")          ? Role::chosen
                     : same(level.name, "reserved-memory") ? Role::reserved_memory
                                                           : Role::other;
    } else if (parent.role == Role::cpus) {
        const char* type = "";
        if (!string(property_device_type, type)) {
            return false;
        }
        level.role = same(type, "cpu") ? Role::cpu : Role::other;
    }
    return true;
}

bool TreeReader::read_memory(const Level& parent) {
    bool there = true;
    for (uint32_t index = 0; there; ++index) {
        AddressRange range;
        if (!entry(parent, index, range, there)) {
            return false;
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
    return true;
}

bool TreeReader::read_reserved(const Level& parent) {
    bool there = true;
    for (uint32_t index = 0; there; ++index) {
        AddressRange range;
        if (!entry(parent, index, range, there)) {
            return false;
        }
        if (there && range.size != 0 && !machine_.reserved.add(range)) {
            return fail("too many reservations");
        }
    }
    return true;
}

bool TreeReader::read_timebase() {
    const Property& property = properties_[property_timebase];
    if (!property) {
        return true;
    }
    if (property.length != 4 && property.length != 8) {
        return fail("timebase-frequency has a bad length");
    }
    machine_.timebase = property.length == 8 ? property.u64(0) : property.u32(0);
    // `now` and `timer_set` are exact in this range (see clock.h).
    bool sane = machine_.timebase >= 1000 && machine_.timebase <= 1000000000;
    return sane || fail("timebase-frequency out of range");
}

bool TreeReader::read_cpu(Level& level, const Level& parent) {
    const Property& reg = properties_[property_reg];
    uint32_t cells = parent.address_cells;
    if (!reg || cells < 1 || cells > 2 || reg.length != 4 * cells) {
        return fail("reg has a bad length");
    }
    uint64_t id = cells == 2 ? reg.u64(0) : reg.u32(0);
    for (const TreeHart& other : machine_.harts) {
        if (other.id == id) {
            return fail("two harts of one id");
        }
    }
    bool boot = id == boot_hart_id_;
    if (machine_.harts.full()) {
        // More harts than this kernel has cores. The one that runs must be among them.
        if (!boot) {
            return true;
        }
        machine_.harts.truncate(machine_.harts.size() - 1);
    }
    if (boot) {
        machine_.boot_hart = static_cast<uint32_t>(machine_.harts.size());
        boot_hart_seen_ = true;
    }
    machine_.harts.add({.id = id, .context = TreeHart::no_context});
    level.hart = machine_.harts.end() - 1;
    return read_cpu_features();
}

bool TreeReader::read_chosen() {
    if (!string(property_arguments, machine_.arguments)) {
        return false;
    }
    const Property& seed = properties_[property_seed];
    machine_.seed = seed.data;
    machine_.seed_size = seed.length;
    return true;
}

bool TreeReader::read_registers(const Level& level, const Level& parent, uint64_t least, TreeDevice& device) {
    if (device.present()) {
        return true; // the first one of its kind counts
    }
    bool there = false;
    AddressRange range;
    if (!entry(parent, 0, range, there)) {
        return false;
    }
    if (!there || range.size < least) {
        return fail("reg is too small");
    }
    device.registers = range;
    device.parent = level.interrupt_parent;
    const Property& interrupts = properties_[property_interrupts];
    if (!interrupts) {
        return true;
    }
    if (interrupts.length < 4 || interrupts.length % 4 != 0) {
        return fail("interrupts has a bad length");
    }
    return read_line(interrupts, device.line);
}

bool TreeReader::read_transport(const Level& level, const Level& parent) {
    TreeDevice slot;
    if (!read_registers(level, parent, 0x100, slot)) {
        return false;
    }
    machine_.virtio.add(slot); // slots past the list's end stay unused
    return true;
}

void TreeReader::take_transports(uint32_t controller, uint32_t first_line, uint32_t end_line) {
    for (const TreeDevice& slot : machine_.virtio) {
        bool routed = slot.parent == controller && slot.line >= first_line && slot.line < end_line;
        if (routed && !in_memory(slot.registers)) {
            machine_.transports.add({slot.registers.base, slot.registers.size, slot.line, 0});
        }
    }
}

// `compatible` is a list of strings, each with its NUL (2.3.1).
uint32_t TreeReader::compatible(const char* names, uint32_t count) const {
    const Property& list = properties_[property_compatible];
    if (!list || list.length == 0 || list.data[list.length - 1] != '\0') {
        return count;
    }
    auto text = reinterpret_cast<const char*>(list.data);
    for (auto end = text + list.length; text < end; ++text) {
        uint32_t index = find_text(names, count, text);
        if (index < count && *text != '\0') {
            return index;
        }
        while (*text != '\0') {
            ++text;
        }
    }
    return count;
}

bool TreeReader::in_memory(AddressRange range) const {
    for (const AddressRange& memory : machine_.memory) {
        if (memory.overlaps(range)) {
            return true;
        }
    }
    return false;
}

TreeProblem read_machine_tree(const void* blob, uint64_t readable, uint64_t boot_hart, MachineTree& machine) {
    return TreeReader(blob, machine, boot_hart).read(readable);
}

} // namespace rumpk::hal
