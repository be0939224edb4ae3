// SPDX-License-Identifier: Apache-2.0
//
// Device trees for tests: a tree to change, and its flattened form.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace hal_test {

using Bytes = std::vector<uint8_t>;

inline void put_u32(Bytes& bytes, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        bytes.push_back(static_cast<uint8_t>(value >> shift));
    }
}

inline Bytes words(std::initializer_list<uint32_t> values) {
    Bytes bytes;
    for (uint32_t value : values) {
        put_u32(bytes, value);
    }
    return bytes;
}

inline Bytes text(const std::string& value) {
    Bytes bytes(value.begin(), value.end());
    bytes.push_back(0);
    return bytes;
}

struct Node {
    std::string name;
    std::vector<std::pair<std::string, Bytes>> properties;
    std::vector<Node> children;

    Node& set(const std::string& property, Bytes value) {
        for (auto& [known, old] : properties) {
            if (known == property) {
                old = std::move(value);
                return *this;
            }
        }
        properties.emplace_back(property, std::move(value));
        return *this;
    }
    Node& drop(const std::string& property) {
        std::erase_if(properties, [&](const auto& one) { return one.first == property; });
        return *this;
    }
    Node& add(const std::string& child) { return children.emplace_back(Node{child, {}, {}}); }
    void remove(const std::string& child) {
        std::erase_if(children, [&](const Node& one) { return one.name == child; });
    }
    // "soc/serial@10000000"
    Node& at(const std::string& path) {
        size_t slash = path.find('/');
        for (Node& child : children) {
            if (child.name == path.substr(0, slash)) {
                return slash == std::string::npos ? child : child.at(path.substr(slash + 1));
            }
        }
        throw std::out_of_range(path);
    }
};

// A flattened tree, 8-byte aligned, and nothing readable behind it for a sanitizer.
class Blob {
  public:
    explicit Blob(const Bytes& bytes) : words_((bytes.size() + 7) / 8), size_(bytes.size()) {
        if (!bytes.empty()) {
            std::memcpy(words_.data(), bytes.data(), bytes.size());
        }
    }
    const void* data() const { return words_.data(); }
    uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words_.data()); }
    size_t size() const { return size_; }

    // Word `index` of the header.
    void set_header(uint32_t index, uint32_t value) {
        for (int byte = 0; byte < 4; ++byte) {
            bytes()[4 * index + static_cast<uint32_t>(byte)] = static_cast<uint8_t>(value >> (24 - 8 * byte));
        }
    }
    uint32_t header(uint32_t index) {
        const uint8_t* at = bytes() + 4 * index;
        return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
    }

  private:
    std::vector<uint64_t> words_;
    size_t size_;
};

namespace header_word {
inline constexpr uint32_t magic = 0, total = 1, structure = 2, strings = 3, reservations = 4, version = 5,
                          last_compatible = 6, strings_size = 8, structure_size = 9;
}

class Flattener {
  public:
    std::vector<std::pair<uint64_t, uint64_t>> reservations;

    Blob flatten(const Node& root) {
        structure_.clear();
        strings_.assign(1, 0);
        write(root);
        return assemble();
    }

    // With a structure block of one's own.
    Blob assemble(const Bytes& structure, const Bytes& strings) {
        structure_ = structure;
        strings_ = strings;
        return assemble_as_is();
    }

  private:
    static void pad(Bytes& bytes) {
        while (bytes.size() % 4 != 0) {
            bytes.push_back(0);
        }
    }
    uint32_t string(const std::string& name) {
        Bytes wanted = text(name);
        auto at = std::search(strings_.begin(), strings_.end(), wanted.begin(), wanted.end());
        auto offset = static_cast<uint32_t>(at - strings_.begin());
        if (at == strings_.end()) {
            strings_.insert(strings_.end(), wanted.begin(), wanted.end());
        }
        return offset;
    }
    void write(const Node& node) {
        put_u32(structure_, 1);
        Bytes name = text(node.name);
        structure_.insert(structure_.end(), name.begin(), name.end());
        pad(structure_);
        for (const auto& [property, value] : node.properties) {
            put_u32(structure_, 3);
            put_u32(structure_, static_cast<uint32_t>(value.size()));
            put_u32(structure_, string(property));
            structure_.insert(structure_.end(), value.begin(), value.end());
            pad(structure_);
        }
        for (const Node& child : node.children) {
            write(child);
        }
        put_u32(structure_, 2);
    }
    Blob assemble() {
        put_u32(structure_, 9);
        return assemble_as_is();
    }
    Blob assemble_as_is() {
        Bytes entries;
        reservations.emplace_back(0, 0);
        for (auto [base, size] : reservations) {
            put_u32(entries, static_cast<uint32_t>(base >> 32));
            put_u32(entries, static_cast<uint32_t>(base));
            put_u32(entries, static_cast<uint32_t>(size >> 32));
            put_u32(entries, static_cast<uint32_t>(size));
        }
        reservations.pop_back();
        auto header_size = uint32_t{40};
        auto structure_at = header_size + static_cast<uint32_t>(entries.size());
        auto strings_at = structure_at + static_cast<uint32_t>(structure_.size());
        auto total = strings_at + static_cast<uint32_t>(strings_.size());
        Bytes all = words({0xd00dfeed, total, structure_at, strings_at, header_size, 17, 16, 0,
                           static_cast<uint32_t>(strings_.size()), static_cast<uint32_t>(structure_.size())});
        for (const Bytes* part : {&entries, &structure_, &strings_}) {
            all.insert(all.end(), part->begin(), part->end());
        }
        return Blob(all);
    }

    Bytes structure_;
    Bytes strings_;
};

inline Blob flatten(const Node& root) {
    return Flattener().flatten(root);
}

inline constexpr uint32_t plic_phandle = 0x90;

// QEMU's virt machine in small: harts with these ids, the first boots.
inline Node virt(std::initializer_list<uint32_t> hart_ids = {0}) {
    Node root{"", {}, {}};
    root.set("#address-cells", words({2})).set("#size-cells", words({2}));
    root.add("chosen").set("bootargs", text("rumpk.log=verbose -- a")).set("rng-seed", words({1, 2, 3, 4}));
    root.add("memory@80000000")
        .set("device_type", text("memory"))
        .set("reg", words({0, 0x80000000, 0, 0x8000000}));
    Node reserved{"reserved-memory", {}, {}};
    reserved.set("#address-cells", words({2})).set("#size-cells", words({2})).set("ranges", {});
    reserved.add("mmode_resv0@80000000").set("reg", words({0, 0x80000000, 0, 0x80000})).set("no-map", {});
    root.children.push_back(reserved);

    Node cpus{"cpus", {}, {}};
    cpus.set("#address-cells", words({1})).set("#size-cells", words({0}));
    cpus.set("timebase-frequency", words({10000000}));
    Bytes contexts;
    uint32_t phandle = 1;
    for (uint32_t id : hart_ids) {
        Node& cpu = cpus.add("cpu@" + std::to_string(id));
        cpu.set("device_type", text("cpu")).set("reg", words({id})).set("status", text("okay"));
        cpu.set("riscv,isa", text("rv64imafdc_zicsr_sstc"));
        cpu.add("interrupt-controller")
            .set("compatible", text("riscv,cpu-intc"))
            .set("phandle", words({phandle}));
        for (uint32_t value : {phandle, 11U, phandle, 9U}) {
            put_u32(contexts, value);
        }
        ++phandle;
    }
    root.children.push_back(cpus);

    Node soc{"soc", {}, {}};
    soc.set("#address-cells", words({2})).set("#size-cells", words({2})).set("ranges", {});
    soc.set("interrupt-parent", words({plic_phandle}));
    soc.add("rtc@101000")
        .set("compatible", text("google,goldfish-rtc"))
        .set("reg", words({0, 0x101000, 0, 0x1000}));
    soc.add("serial@10000000")
        .set("compatible", text("ns16550a"))
        .set("reg", words({0, 0x10000000, 0, 0x100}))
        .set("interrupts", words({10}));
    Bytes tests = text("sifive,test1");
    Bytes more = text("sifive,test0");
    tests.insert(tests.end(), more.begin(), more.end());
    soc.add("test@100000").set("compatible", tests).set("reg", words({0, 0x100000, 0, 0x1000}));
    for (uint32_t slot = 0; slot < 3; ++slot) {
        soc.add("virtio_mmio@" + std::to_string(slot))
            .set("compatible", text("virtio,mmio"))
            .set("reg", words({0, 0x10001000 + slot * 0x1000, 0, 0x1000}))
            .set("interrupts", words({1 + slot}));
    }
    soc.add("plic@c000000")
        .set("compatible", text("sifive,plic-1.0.0"))
        .set("reg", words({0, 0xc000000, 0, 0x600000}))
        .set("riscv,ndev", words({96}))
        .set("phandle", words({plic_phandle}))
        .set("interrupts-extended", contexts);
    root.children.push_back(soc);
    return root;
}

} // namespace hal_test
