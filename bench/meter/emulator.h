// SPDX-License-Identifier: Apache-2.0
//
// What the plugins here use of the emulator's interface for plugins, in our own words: QEMU 7.2, version 1 of
// the interface (docs/devel/tcg-plugins in its sources). No package has its header. The emulator exports the
// functions; the plugin exports its version and qemu_plugin_install.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

using qemu_plugin_id_t = uint64_t;
struct qemu_info_t {         // of the emulated machine; more follows, which is not looked at
    const char* target_name; // "riscv64"
};

struct qemu_plugin_tb;   // a piece of code that is being translated
struct qemu_plugin_insn; // an instruction in it; both are valid during the callback alone

// May a callback look at registers? Not here.
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS = 0 };
// Loads, stores, or both.
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_W = 2, QEMU_PLUGIN_MEM_RW = 3 };
using qemu_plugin_meminfo_t = uint32_t; // of an access

using qemu_plugin_translated = void (*)(qemu_plugin_id_t, qemu_plugin_tb*);
using qemu_plugin_executed = void (*)(unsigned core, void* data);
using qemu_plugin_accessed = void (*)(unsigned core, qemu_plugin_meminfo_t, uint64_t address, void* data);
using qemu_plugin_ended = void (*)(qemu_plugin_id_t, void* data);

// Called for each piece of code before it first runs.
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, qemu_plugin_translated);
size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, size_t index);
uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn*);
const void* qemu_plugin_insn_data(const qemu_plugin_insn*);
size_t qemu_plugin_insn_size(const qemu_plugin_insn*);
// Called before each execution of the instruction.
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, qemu_plugin_executed, qemu_plugin_cb_flags,
                                            void* data);
// Called after each access of the instruction's to memory.
void qemu_plugin_register_vcpu_mem_cb(qemu_plugin_insn*, qemu_plugin_accessed, qemu_plugin_cb_flags,
                                      qemu_plugin_mem_rw, void* data);
// Where that access went to, of the callback's alone; null where it is not known.
struct qemu_plugin_hwaddr;
qemu_plugin_hwaddr* qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const qemu_plugin_hwaddr*);
// The binary logarithm of its bytes.
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
// Called when the emulator ends.
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, qemu_plugin_ended, void* data);

// The plugin's.
[[gnu::visibility("default")]] extern int qemu_plugin_version;
[[gnu::visibility("default")]] int qemu_plugin_install(qemu_plugin_id_t, const qemu_info_t*, int argc,
                                                       char** argv);
}
