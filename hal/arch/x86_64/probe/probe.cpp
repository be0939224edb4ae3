// SPDX-License-Identifier: Apache-2.0
// The register probes of the contract test (tests/contract/probe.h) on x86-64.
#include <cpuid.h>
#include <stdint.h>

namespace rumpk::hal::x86_64 {
namespace {

// x87, SSE, AVX and the three parts of AVX-512: what fibers compute with.
constexpr uint64_t probed_components = 0xe7;
constexpr uint64_t header = 512; // of an XSAVE area (AMD64 APM volume 2, 11.5.2)
constexpr uint64_t area_size = 4096;

struct alignas(64) Area {
    uint8_t bytes[area_size];
};

uint64_t components() {
    uint32_t low = 0, high = 0;
    asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t{high} << 32 | low) & probed_components;
}

uint64_t mix(uint64_t& state) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return state ^ (state >> 29);
}

void fill(uint8_t* bytes, uint64_t size, uint64_t& state) {
    for (uint64_t i = 0; i < size; i++) {
        bytes[i] = static_cast<uint8_t>(mix(state));
    }
}

uint64_t differences(const Area& a, const Area& b, uint64_t offset, uint64_t size) {
    uint64_t count = 0;
    for (uint64_t i = offset; i < offset + size; i++) {
        count += a.bytes[i] != b.bytes[i] ? 1 : 0;
    }
    return count;
}

// Calls what(offset, size) for the bytes of an area that are registers.
template <typename What>
void for_each_part(uint64_t mask, What what) {
    what(0, 2);  // x87 control word
    what(24, 4); // mxcsr
    for (uint64_t i = 0; i < 8; i++) {
        what(32 + 16 * i, 10); // st0-st7
    }
    what(160, 256); // xmm0-xmm15
    for (uint32_t part = 2; part < 8; part++) {
        uint32_t a = 0, b = 0, c = 0, d = 0;
        if ((mask >> part & 1) != 0 && __get_cpuid_count(0xd, part, &a, &b, &c, &d) != 0 &&
            a + b <= area_size) {
            what(b, a);
        }
    }
}

void image_make(Area& image, uint64_t mask, uint64_t seed) {
    for (uint8_t& byte : image.bytes) {
        byte = 0;
    }
    for_each_part(mask, [&](uint64_t offset, uint64_t size) { fill(image.bytes + offset, size, seed); });
    auto at = [&image](uint64_t offset) { return image.bytes + offset; };
    // Control words with every exception masked and some rounding mode; every x87 register valid
    // (the abridged tag word of FXSAVE), and its numbers normal ones.
    uint16_t x87_control = static_cast<uint16_t>(0x037f | (seed & 3) << 10);
    uint32_t mxcsr = static_cast<uint32_t>(0x1f80 | (seed & 3) << 13);
    __builtin_memcpy(at(0), &x87_control, sizeof(x87_control));
    *at(4) = 0xff;
    __builtin_memcpy(at(24), &mxcsr, sizeof(mxcsr));
    for (uint64_t i = 0; i < 8; i++) {
        at(32 + 16 * i)[7] |= 0x80;
        at(32 + 16 * i)[9] = 0x3f;
    }
    __builtin_memcpy(at(header), &mask, sizeof(mask));
}

} // namespace

extern "C" {

[[gnu::used]] constinit uint32_t rumpk_probe_stop = 0;

// Loads `image`, fills the general registers from `seed`, waits, counts those that have
// changed, and saves the vector state to `after`. Table on the stack: 15 values, then the
// count, `after` and the mask.
[[gnu::naked]] static uint64_t spin(const Area*, Area*, uint64_t, uint64_t) {
    asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
        "sub $152, %rsp\n"
        "movq $0, 120(%rsp)\n"
        "mov %rsi, 128(%rsp)\n"
        "mov %rcx, 136(%rsp)\n"
        ".set n, 0\n"
        ".rept 15\n"
        "mov %rdx, 8*n(%rsp)\n"
        "rol $5, %rdx\n"
        "add $0x1234567, %rdx\n"
        ".set n, n+1\n"
        ".endr\n"
        "mov %ecx, %eax\n"
        "xor %edx, %edx\n"
        "xrstor64 (%rdi)\n"
        ".macro each do\n"
        "\\do 0, %rax; \\do 1, %rbx; \\do 2, %rcx; \\do 3, %rdx; \\do 4, %rsi\n"
        "\\do 5, %rdi; \\do 6, %rbp; \\do 7, %r8; \\do 8, %r9; \\do 9, %r10\n"
        "\\do 10, %r11; \\do 11, %r12; \\do 12, %r13; \\do 13, %r14; \\do 14, %r15\n"
        ".endm\n"
        ".macro load at, register\n"
        "mov 8*\\at(%rsp), \\register\n"
        ".endm\n"
        ".macro check at, register\n"
        "cmp 8*\\at(%rsp), \\register\n"
        "je 9f\n"
        "incq 120(%rsp)\n"
        "9:\n"
        ".endm\n"
        "each load\n"
        "std\n"                      // legal in between, and nothing that the kernel's code could live with
        ".globl rumpk_probe_waits\n" // for a tracer
        "rumpk_probe_waits:\n"
        "cmpl $0, rumpk_probe_stop(%rip)\n"
        "je rumpk_probe_waits\n"
        "each check\n"
        "pushfq\n"
        "pop %rax\n"
        "cld\n"
        "test $0x400, %eax\n" // DF
        "jnz 2f\n"
        "incq 120(%rsp)\n"
        "2:\n"
        "mov 136(%rsp), %eax\n"
        "xor %edx, %edx\n"
        "mov 128(%rsp), %rdi\n"
        "xsave64 (%rdi)\n"
        "fninit\n"
        "movl $0x1f80, (%rsp)\n"
        "ldmxcsr (%rsp)\n"
        "mov 120(%rsp), %rax\n"
        "add $152, %rsp\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
        "ret\n");
}

uint64_t rumpk_probe_spin(uint64_t seed) {
    Area image, after;
    uint64_t mask = components();
    image_make(image, mask, seed);
    for (uint8_t& byte : after.bytes) {
        byte = 0;
    }
    uint64_t changed = spin(&image, &after, seed, mask);
    for_each_part(
        mask, [&](uint64_t offset, uint64_t size) { changed += differences(image, after, offset, size); });
    return changed;
}

// Table on the stack: 6 values, two control words at 48, room to store them again at 56, the
// count at 64.
[[gnu::naked]] uint64_t rumpk_probe_call(void (*)(void*), void*, uint64_t) {
    asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
        "sub $72, %rsp\n"
        "movq $0, 64(%rsp)\n"
        ".set n, 0\n"
        ".rept 6\n"
        "mov %rdx, 8*n(%rsp)\n"
        "rol $7, %rdx\n"
        "add $0x7654321, %rdx\n"
        ".set n, n+1\n"
        ".endr\n"
        "and $3, %edx\n" // a rounding mode
        "mov %edx, %eax\n"
        "shl $13, %eax\n"
        "or $0x1f80, %eax\n"
        "mov %eax, 48(%rsp)\n"
        "shl $10, %edx\n"
        "or $0x037f, %edx\n"
        "mov %edx, 52(%rsp)\n"
        "ldmxcsr 48(%rsp)\n"
        "fldcw 52(%rsp)\n"
        "mov (%rsp), %rbx; mov 8(%rsp), %rbp; mov 16(%rsp), %r12\n"
        "mov 24(%rsp), %r13; mov 32(%rsp), %r14; mov 40(%rsp), %r15\n"
        "mov %rdi, %rax\n"
        "mov %rsi, %rdi\n"
        "call *%rax\n"
        ".macro check_kept at, register\n"
        "cmp \\at(%rsp), \\register\n"
        "je 9f\n"
        "incq 64(%rsp)\n"
        "9:\n"
        ".endm\n"
        "check_kept 0, %rbx\n"
        "check_kept 8, %rbp\n"
        "check_kept 16, %r12\n"
        "check_kept 24, %r13\n"
        "check_kept 32, %r14\n"
        "check_kept 40, %r15\n"
        "stmxcsr 56(%rsp)\n"
        "mov 56(%rsp), %eax\n"
        "and $-64, %eax\n" // without the status flags, which a call may change
        "check_kept 48, %eax\n"
        "movl $0, 56(%rsp)\n"
        "fnstcw 56(%rsp)\n"
        "mov 56(%rsp), %eax\n"
        "check_kept 52, %eax\n"
        "fninit\n"
        "movl $0x1f80, (%rsp)\n"
        "ldmxcsr (%rsp)\n"
        "mov 64(%rsp), %rax\n"
        "add $72, %rsp\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
        "ret\n");
}

// At a function's entry DF is clear and the x87 stack empty (psABI 3.2.1 and 3.2.3).
uint64_t rumpk_probe_entry() {
    uint64_t flags = 0;
    uint32_t environment[7] = {}; // FNSTENV: the tag word is the third, two bits a register, 3: empty
    asm volatile("pushfq; pop %0; fnstenv %1; fldenv %1" : "=r"(flags), "+m"(environment));
    constexpr uint64_t direction = 0x400;
    return ((flags & direction) != 0 ? 1 : 0) + ((environment[2] & 0xffff) != 0xffff ? 1 : 0);
}

// mov $42, %eax; ret
extern const uint8_t rumpk_probe_code[] = {0xb8, 42, 0, 0, 0, 0xc3};
extern const uint64_t rumpk_probe_code_size = sizeof(rumpk_probe_code);
}

} // namespace rumpk::hal::x86_64
