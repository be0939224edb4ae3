// SPDX-License-Identifier: Apache-2.0
//
// A plugin of the emulator that looks at what cores of 64-bit Arm do before their MMU is on, where memory is
// a device's (Arm ARM, DDI 0487, D8.2.1 and B2.7.2): an unaligned access faults on hardware, DC ZVA faults,
// and what an exclusive access does is nobody's promise. This emulator lets all of them pass. Arguments:
//
//   out=FILE         where the report goes
//   until=ADDRESS    an instruction that turns the MMU on, hexadecimal; may come several times
//
// The report has a line for each core that has run: number, whether its MMU came on, instructions, accesses,
// how many of these were unaligned, forbidden instructions; and a last line with the addresses of all of
// these.
#include "bench/meter/emulator.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

constexpr size_t most_cores = 8;

struct Core {
    bool on = false; // its MMU
    uint64_t instructions = 0;
    uint64_t accesses = 0;
    uint64_t unaligned = 0;
    uint64_t forbidden = 0;
};

struct Instruction {
    bool forbidden = false;
    bool turns_on = false;
    std::atomic<bool> executed = false; // while an MMU was off, by any core
};

// Made when the plugin is loaded and never destroyed, since the emulator may end in the middle of it. Each
// core is a thread of the emulator's, which translates for itself: `cores` is each one's own, `instructions`
// is found under the lock and then stays where it is.
struct Early {
    std::string out;
    std::vector<uint64_t> until;
    std::array<Core, most_cores> cores{};
    std::mutex lock;
    std::map<uint64_t, Instruction> instructions; // by address
};
Early& early = *new Early;

// DDI 0487, C6.2: DC ZVA; the encodings of load and store exclusive, C4.1.66; those of atomics, the same.
bool forbidden(uint32_t code) {
    const bool zeroes = (code & ~31U) == 0xd50b7420;
    const bool exclusive = (code & 0x3fa00000) == 0x08000000;
    const bool atomic = (code & 0x3b200c00) == 0x38200000;
    return zeroes || exclusive || atomic;
}

void execute(unsigned index, void* data) {
    auto& at = *static_cast<Instruction*>(data);
    Core& core = early.cores[index];
    if (core.on) {
        return;
    }
    ++core.instructions;
    core.forbidden += at.forbidden ? 1 : 0;
    core.on = at.turns_on;
    at.executed.store(true, std::memory_order_relaxed);
}

void access(unsigned index, qemu_plugin_meminfo_t info, uint64_t address, void*) {
    Core& core = early.cores[index];
    if (core.on) {
        return;
    }
    ++core.accesses;
    core.unaligned += (address & ((uint64_t{1} << qemu_plugin_mem_size_shift(info)) - 1)) != 0 ? 1 : 0;
}

Instruction& known(uint64_t address, bool is_forbidden, bool turns_on) {
    const std::scoped_lock locked(early.lock);
    const auto [place, is_new] = early.instructions.try_emplace(address);
    if (is_new) {
        place->second.forbidden = is_forbidden;
        place->second.turns_on = turns_on;
    }
    return place->second;
}

void translated(qemu_plugin_id_t, qemu_plugin_tb* block) {
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); ++i) {
        qemu_plugin_insn* const instruction = qemu_plugin_tb_get_insn(block, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        uint32_t code = 0;
        std::memcpy(&code, qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction));
        bool turns_on = false;
        for (const uint64_t until : early.until) {
            turns_on = turns_on || address == until;
        }
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, execute, QEMU_PLUGIN_CB_NO_REGS,
                                               &known(address, forbidden(code), turns_on));
        qemu_plugin_register_vcpu_mem_cb(instruction, access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                         nullptr);
    }
}

void report(qemu_plugin_id_t, void*) {
    std::FILE* const file = std::fopen(early.out.c_str(), "w");
    if (file == nullptr) {
        std::perror(early.out.c_str());
        return;
    }
    for (size_t i = 0; i < most_cores; ++i) {
        const Core& core = early.cores[i];
        if (core.instructions != 0) {
            std::fprintf(file, "core %zu %d %lu %lu %lu %lu\n", i, core.on, core.instructions, core.accesses,
                         core.unaligned, core.forbidden);
        }
    }
    std::fputs("executed", file);
    const std::scoped_lock locked(early.lock);
    for (const auto& [address, instruction] : early.instructions) {
        if (instruction.executed.load(std::memory_order_relaxed)) {
            std::fprintf(file, " %lx", address);
        }
    }
    std::fputs("\n", file);
    std::fclose(file);
}

} // namespace

extern "C" {

int qemu_plugin_version = 1;

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t*, int argc, char** argv) {
    for (int i = 0; i < argc; ++i) {
        if (std::strncmp(argv[i], "out=", 4) == 0) {
            early.out = argv[i] + 4;
        } else if (std::strncmp(argv[i], "until=", 6) == 0) {
            early.until.push_back(std::strtoull(argv[i] + 6, nullptr, 16));
        } else {
            std::fprintf(stderr, "early: what is %s?\n", argv[i]);
            return 1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, report, nullptr);
    return 0;
}
}
