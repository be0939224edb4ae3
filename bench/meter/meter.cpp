// SPDX-License-Identifier: Apache-2.0
//
// A plugin of the emulator that counts, from outside the guest, how many instructions a core executes while
// its kernel's interrupts are masked, and from the entry of a trap to a marked instruction.
// `./rumpk bench fibers` and docs/benchmarks.md say what the figures mean.
//
//   out=FILE              where the report goes when the emulator ends
//   firmware=BASE-END     code below the kernel, hexadecimal as all that follows
//   entry=ADDRESS         the first instruction of the kernel's trap entry
//   mark=ADDRESS          the first instruction of what an interrupt wakes
//   send=ADDRESS          the first instruction of what wakes another core
//
// A stretch is what a core executes from the instruction that masks (its own, or the trap entry's first) up
// to and with the one that unmasks (its own, or the return from the trap). Firmware is counted as what it is,
// time in which no interrupt is taken: within a stretch, or as a stretch of its own. WFI executes nothing
// while it waits; the stretch around it is one. Nothing is counted before a core unmasks for the first time:
// boot is not measured. A wake-up begins with the trap that ends elsewhere than where it began, by unmasking
// and not by returning: it switched to the fiber that comes to the mark. Where none does, with the last trap
// before the mark.
//
// Across cores a wake-up has two parts: on the one what it executes from `send` up to and with the first
// store to a device, its own or the firmware's that it calls; on the other what that executes from its wait
// (WFI) to the mark.
#include "bench/meter/decode.h"
#include "bench/meter/emulator.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

// An instruction of the guest, as it was translated. Lives for ever: generated code points to it.
struct Instruction {
    uint64_t address;
    uint32_t code;
    Kind kind;
    bool firmware;
};

struct Options {
    std::string out;
    uint64_t firmware_base = 0;
    uint64_t firmware_end = 0;
    uint64_t entry = ~uint64_t{0};
    uint64_t mark = ~uint64_t{0};
    uint64_t send = ~uint64_t{0};
};

// The longest stretch between two places, and how often there was one.
struct Longest {
    uint64_t length = 0;
    uint64_t times = 0;
    std::vector<uint64_t> path;
};

// Between waking and the mark, a woken fiber may be interrupted once more before it comes to its first
// instruction; so close behind the last stretch it is the same wake-up that is delayed.
constexpr uint64_t hardly_unmasked = 32;
constexpr size_t longest_path = 8192;
constexpr size_t callers_distance = 8; // instructions of a function that masks, until it returns
constexpr size_t sites_shown = 16;
constexpr size_t most_cores = 8;

struct Core {
    uint64_t executed = 0;
    bool running = false; // has unmasked once
    bool deaf = false;    // takes no interrupt
    bool in_firmware = false;
    uint64_t begun = 0;       // of this stretch, in instructions executed
    uint64_t from = 0;        // where this stretch begins: its first caller
    bool returned = false;    // the last instruction was a return, close to the begin
    bool interrupted = false; // a trap was entered and the mark not reached
    uint64_t trap = 0;
    bool of_trap = false;    // this stretch began with a trap
    uint64_t trap_ended = 0; // the last such stretch
    std::vector<uint64_t> path;
    std::vector<uint64_t> way; // since that trap, until the mark
    // Across cores.
    bool sends = false;
    std::vector<uint64_t> sent;  // since then
    std::vector<uint64_t> awake; // since its last wait
};

// One wake-up across cores: both parts are known when neither is empty.
struct Across {
    std::vector<uint64_t> sender;
    std::vector<uint64_t> sleeper;
    [[nodiscard]] uint64_t length() const { return sender.size() + sleeper.size(); }
};

// All of it: made when the plugin is loaded and never destroyed, since the emulator may end in the middle of
// an instruction, and asks for the report after it has destroyed what is static.
struct Meter {
    Options options;
    Decode* decode = nullptr;
    std::deque<Instruction> instructions;
    std::unordered_map<uint64_t, Instruction*> by_address;
    std::array<Core, most_cores> cores;
    std::map<std::pair<uint64_t, uint64_t>, Longest> sites; // by begin and end
    std::vector<uint64_t> wakes;
    uint64_t longest_wake = 0;
    std::vector<uint64_t> longest_way; // of the longest of these
    bool under_way = false;            // something has been sent, and not both parts are known
    Across across;
    Across longest_across;
    std::vector<uint64_t> across_lengths;
    uint64_t unclear = 0; // executed: what may mask or not
};
Meter& meter = *new Meter;

Kind kind_of(uint64_t address, uint32_t code, uint32_t before, bool firmware) {
    if (address == meter.options.entry) {
        return Kind::entry;
    }
    if (address == meter.options.mark) {
        return Kind::mark;
    }
    if (address == meter.options.send) {
        return Kind::send;
    }
    return firmware ? Kind::plain : meter.decode(code, before);
}

void begin(Core& core, const Instruction& at) {
    core.deaf = true;
    core.of_trap = at.kind == Kind::entry;
    core.in_firmware = at.firmware;
    core.begun = core.executed - 1;
    core.from = at.address;
    core.returned = false;
    core.path.assign(1, at.address);
}

// `length` instructions after its begin. `switched`: if it was a trap, it does not go back to where it began.
void end(Core& core, uint64_t to, uint64_t length, bool switched) {
    core.deaf = false;
    if (core.of_trap) {
        core.trap_ended = core.begun + length;
        if (switched) {
            core.trap = core.begun;
            core.way = core.path;
        }
    }
    Longest& site = meter.sites[{core.from, to}];
    ++site.times;
    if (length > site.length) {
        site.length = length;
        site.path = core.path;
    }
}

void enter_trap(Core& core, const Instruction& at) {
    if (core.deaf) {
        return; // a fault
    }
    const uint64_t now = core.executed - 1;
    const bool delayed = core.interrupted && now - core.trap_ended <= hardly_unmasked;
    begin(core, at);
    if (!delayed) {
        core.trap = now;
        core.way.assign(1, at.address);
    }
    core.interrupted = true;
}

void reach_mark(Core& core) {
    if (core.interrupted) {
        const uint64_t length = core.executed - 1 - core.trap;
        if (meter.wakes.empty() || length > meter.longest_wake) {
            meter.longest_wake = length;
            meter.longest_way = core.way;
        }
        meter.wakes.push_back(length);
    }
    core.interrupted = false;
}

void send(Core& core) {
    core.sends = true;
    core.sent.clear();
    meter.across = {};
    meter.under_way = true;
}

// A part is known.
void come_across(std::vector<uint64_t>& part, std::vector<uint64_t>& path) {
    if (!meter.under_way || !part.empty()) {
        return;
    }
    part.swap(path); // which begins anew
    if (meter.across.sender.empty() || meter.across.sleeper.empty()) {
        return;
    }
    meter.under_way = false;
    meter.across_lengths.push_back(meter.across.length());
    if (meter.across.length() > meter.longest_across.length()) {
        meter.longest_across = meter.across;
    }
}

// Before the instruction does what it does.
void follow_across(Core& core, const Instruction& at) {
    if (at.kind == Kind::mark) {
        come_across(meter.across.sleeper, core.awake);
    }
    if (core.awake.size() < longest_path) {
        core.awake.push_back(at.address);
    }
    if (core.sends && core.sent.size() < longest_path) {
        core.sent.push_back(at.address);
    }
}

// After a store.
void stored(unsigned index, qemu_plugin_meminfo_t access, uint64_t address, void*) {
    Core& core = meter.cores[index];
    if (!core.sends) {
        return;
    }
    const qemu_plugin_hwaddr* const where = qemu_plugin_get_hwaddr(access, address);
    if (where != nullptr && qemu_plugin_hwaddr_is_io(where)) {
        core.sends = false;
        come_across(meter.across.sender, core.sent);
    }
}

void unmask(Core& core, const Instruction& at) {
    if (core.deaf) {
        end(core, at.address, core.executed - core.begun, at.kind == Kind::unmask);
    }
    core.running = true;
}

void execute(unsigned index, void* data) {
    const Instruction& at = *static_cast<const Instruction*>(data);
    Core& core = meter.cores[index];
    ++core.executed;
    if (meter.options.send != ~uint64_t{0}) {
        follow_across(core, at);
    }
    if (core.interrupted && core.way.size() < longest_path) {
        core.way.push_back(at.address);
    }
    if (core.deaf) {
        if (core.in_firmware && !at.firmware) {
            end(core, at.address, core.executed - 1 - core.begun, false);
        } else {
            if (core.returned && core.path.size() <= callers_distance) {
                core.from = at.address;
            }
            core.returned = false;
            if (core.path.size() < longest_path) {
                core.path.push_back(at.address);
            }
        }
    } else if (at.firmware && core.running) {
        begin(core, at);
    }
    switch (at.kind) {
    case Kind::plain:
        break;
    case Kind::entry:
        enter_trap(core, at);
        break;
    case Kind::mask:
        if (!core.deaf && core.running) {
            begin(core, at);
        }
        break;
    case Kind::unmask:
    case Kind::trap_return:
        unmask(core, at);
        break;
    case Kind::unclear:
        meter.unclear += core.running && !at.firmware ? 1 : 0;
        break;
    case Kind::function_return:
        core.returned = !core.of_trap && core.path.size() < callers_distance;
        break;
    case Kind::wait:
        core.awake.clear();
        break;
    case Kind::mark:
        reach_mark(core);
        break;
    case Kind::send:
        send(core);
        core.sent.push_back(at.address);
        break;
    }
}

void translated(qemu_plugin_id_t, qemu_plugin_tb* block) {
    uint32_t code = 0;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); ++i) {
        qemu_plugin_insn* const instruction = qemu_plugin_tb_get_insn(block, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        const uint32_t before = std::exchange(code, 0);
        std::memcpy(&code, qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction));
        Instruction*& known = meter.by_address[address];
        if (known == nullptr || known->code != code) {
            const bool firmware =
                address >= meter.options.firmware_base && address < meter.options.firmware_end;
            meter.instructions.push_back({address, code, kind_of(address, code, before, firmware), firmware});
            known = &meter.instructions.back();
        }
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, execute, QEMU_PLUGIN_CB_NO_REGS, known);
        if (meter.options.send != ~uint64_t{0}) {
            qemu_plugin_register_vcpu_mem_cb(instruction, stored, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_W,
                                             nullptr);
        }
    }
}

void print_spread(std::FILE* file, const char* name, std::vector<uint64_t>& values) {
    std::ranges::sort(values);
    const auto at = [&](size_t of_thousand) {
        return values.empty() ? uint64_t{0} : values[(values.size() - 1) * of_thousand / 1000];
    };
    std::fprintf(file, "%s %zu %lu %lu %lu %lu\n", name, values.size(), at(0), at(500), at(990), at(1000));
}

void print_path(std::FILE* file, const char* name, const std::vector<uint64_t>& path) {
    std::fputs(name, file);
    for (const uint64_t address : path) {
        std::fprintf(file, " %lx", address);
    }
    std::fputs("\n", file);
}

// Each line begins with what it is:
//   wake          how many, least, median, 99th percentile, most
//   way           the addresses from the trap to the mark of the longest wake, at most 8192
//   across        the same across cores, and of the longest of these
//   sender        the addresses on the one core
//   sleeper       and on the other
//   masked        length, how often, begin, end; the longest of each place, the longest first. Behind it:
//   path          the addresses of the one above, at most 8192
void report(qemu_plugin_id_t, void*) {
    std::FILE* const file = std::fopen(meter.options.out.c_str(), "w");
    if (file == nullptr) {
        std::perror(meter.options.out.c_str());
        return;
    }
    print_spread(file, "wake", meter.wakes);
    print_path(file, "way", meter.longest_way);
    print_spread(file, "across", meter.across_lengths);
    print_path(file, "sender", meter.longest_across.sender);
    print_path(file, "sleeper", meter.longest_across.sleeper);
    std::fprintf(file, "unclear %lu\n", meter.unclear);
    using Site = std::pair<std::pair<uint64_t, uint64_t>, Longest>;
    std::vector<Site> sorted(meter.sites.begin(), meter.sites.end());
    std::ranges::sort(sorted, [](const Site& a, const Site& b) { return a.second.length > b.second.length; });
    sorted.resize(std::min(sorted.size(), sites_shown));
    for (const auto& [place, longest] : sorted) {
        std::fprintf(file, "masked %lu %lu %lx %lx\n", longest.length, longest.times, place.first,
                     place.second);
        print_path(file, "path", longest.path);
    }
    std::fclose(file);
}

// False: no such option.
bool take_option(const char* text) {
    const char* const equals = std::strchr(text, '=');
    if (equals == nullptr) {
        return false;
    }
    const std::string name(text, equals);
    char* rest = nullptr;
    const uint64_t number = std::strtoull(equals + 1, &rest, 16);
    if (name == "out") {
        meter.options.out = equals + 1;
    } else if (name == "firmware" && *rest == '-') {
        meter.options.firmware_base = number;
        meter.options.firmware_end = std::strtoull(rest + 1, nullptr, 16);
    } else if (name == "entry") {
        meter.options.entry = number;
    } else if (name == "mark") {
        meter.options.mark = number;
    } else if (name == "send") {
        meter.options.send = number;
    } else {
        return false;
    }
    return true;
}

} // namespace

extern "C" {

int qemu_plugin_version = 1;

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int argc, char** argv) {
    meter.decode = decoder(info->target_name);
    if (meter.decode == nullptr) {
        std::fprintf(stderr, "meter: the instructions of %s are not known\n", info->target_name);
        return 1;
    }
    for (int i = 0; i < argc; ++i) {
        if (!take_option(argv[i])) {
            std::fprintf(stderr, "meter: what is %s?\n", argv[i]);
            return 1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, report, nullptr);
    return 0;
}
}
