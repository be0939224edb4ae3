// SPDX-License-Identifier: Apache-2.0
//
// The golden program: built once against version 0.1 of the ABI (build.py), kept as a binary, and run by
// every later version as it is. It uses nothing but the SysTable and the boot rings: no C library, no
// membrane. Prints `ok what` or `FAILED what`, a line each; the exit code is the number of failures.
#include <stdbool.h>

#include "abi/call.h"
#include "abi/ring.h"

static const struct rumpk_systable* const table = (const struct rumpk_systable*)RUMPK_SYSTABLE_ADDRESS;
static uint64_t failures;
static struct rumpk_meta_self self;

// What the compiler itself calls to fill and copy structs.
void* memcpy(void* to, const void* from, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        ((char*)to)[i] = ((const char*)from)[i];
    }
    return to;
}

void* memset(void* to, int byte, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        ((char*)to)[i] = (char)byte;
    }
    return to;
}

static int64_t call(enum rumpk_call_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f) {
    return ((rumpk_call)table->call[number])(a, b, c, d, e, f);
}

static uint64_t address(const volatile void* pointer) {
    return (uint64_t)(uintptr_t)pointer;
}

static uint64_t length(const char* text) {
    uint64_t size = 0;
    while (text[size] != '\0') {
        ++size;
    }
    return size;
}

static void say(const char* text) {
    call(RUMPK_CALL_WRITE, RUMPK_FD_OUTPUT, address(text), length(text), 0, 0, 0);
}

static void check(const char* name, bool held) {
    say(held ? "ok " : "FAILED ");
    say(name);
    say("\n");
    failures += !held;
}

static void check_table(void) {
    check("magic", table->magic == RUMPK_SYSTABLE_MAGIC);
    check("size", table->size == 240);
    check("abi", table->abi >= 1);
    bool all = true;
    for (int i = 0; i < RUMPK_CALL_COUNT; ++i) {
        all &= table->call[i] != 0;
    }
    check("thirteen calls", all);
}

static void check_meta(void) {
    check("meta null", call(RUMPK_CALL_META, RUMPK_META_NULL, 0, 0, 0, 0, 0) == 0);
    const int64_t size = call(RUMPK_CALL_META, RUMPK_META_SELF, address(&self), sizeof self, 0, 0, 0);
    check("meta self", size >= (int64_t)sizeof self && self.size >= sizeof self && self.fiber != 0);
    check("window", self.window_base == RUMPK_WINDOW_A + self.cell * RUMPK_WINDOW_SIZE);
    check("heap", self.heap_base % 4096 == 0 && self.heap_base < self.heap_end);
    volatile char* const heap = (volatile char*)(uintptr_t)self.heap_base;
    heap[0] = 1;
    heap[self.heap_end - self.heap_base - 1] = 2;
    check("heap is writable", heap[0] == 1);
    char version[64];
    check("version",
          call(RUMPK_CALL_META, RUMPK_META_VERSION, address(version), sizeof version, 0, 0, 0) > 8 &&
              version[0] == 'r' && version[5] == ' ');
}

static void check_errors(void) {
    check("a wrong descriptor", call(RUMPK_CALL_READ, 9, address(&self), 1, 0, 0, 0) == -RUMPK_EBADF);
    check("a wrong pointer", call(RUMPK_CALL_WRITE, 1, 0, 1, 0, 0, 0) == -RUMPK_EFAULT);
    check("a wrong clock", call(RUMPK_CALL_TIME, 99, 0, 0, 0, 0, 0) == -RUMPK_EINVAL);
    check("a wrong operation", call(RUMPK_CALL_META, 4000, 0, 0, 0, 0, 0) == -RUMPK_ENOSYS);
    check("a wrong fiber", call(RUMPK_CALL_KILL, ~0ull >> 1, 1, 0, 0, 0, 0) == -RUMPK_ESRCH);
    check("a wrong slot", call(RUMPK_CALL_YIELD, 1ull << 40, 0, 0, 0, 0, 0) == -RUMPK_EBADF);
}

static void check_time_and_random(void) {
    const int64_t before = call(RUMPK_CALL_TIME, RUMPK_CLOCK_MONOTONIC, 0, 0, 0, 0, 0);
    const int64_t deadline = before + 2000000;
    check("sleep", call(RUMPK_CALL_YIELD, 0, 0, (uint64_t)deadline, 0, 0, 0) == 0);
    check("time", before > 0 && call(RUMPK_CALL_TIME, RUMPK_CLOCK_MONOTONIC, 0, 0, 0, 0, 0) >= deadline);
    uint64_t drawn = 0;
    const int64_t random = call(RUMPK_CALL_RANDOM, address(&drawn), sizeof drawn, 0, 0, 0, 0);
    check("random", random == sizeof drawn || random == -RUMPK_EAGAIN);
}

static void check_map(void) {
    const int64_t at =
        call(RUMPK_CALL_MAP, RUMPK_HANDLE_MEMORY, 0, 8192, RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE, 0, 0);
    check("map", at > 0 && at % 4096 == 0);
    if (at > 0) {
        volatile char* const memory = (volatile char*)(uintptr_t)at;
        check("mapped memory is zero", memory[0] == 0 && memory[8191] == 0);
        memory[8191] = 1;
        check("unmap", call(RUMPK_CALL_UNMAP, (uint64_t)at, 8192, 0, 0, 0, 0) == 0);
    }
}

static volatile uint64_t given;
static volatile bool rung;

static void fiber(uint64_t argument) {
    given = argument;
    rung = call(RUMPK_CALL_YIELD, RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0, 0, 0) == RUMPK_CHANNEL_RX;
}

static void check_fibers(void) {
    struct rumpk_spawn_args args = {
        .size = 80,
        .entry = address((const void*)(uintptr_t)fiber),
        .argument = 42,
        .tier = self.home_tier,
        .core = RUMPK_SPAWN_ANY_CORE,
        .name = "golden",
    };
    const int64_t id = call(RUMPK_CALL_SPAWN, address(&args), 0, 0, 0, 0, 0);
    check("spawn", id > 0);
    call(RUMPK_CALL_YIELD, 0, 0, 0, 0, 0, 0);
    check("a fiber runs", given == 42 && !rung);
    const uint64_t peer = (uint64_t)id;
    check("a bell", call(RUMPK_CALL_YIELD, 0, 0, 0, RUMPK_YIELD_NOWAIT, address(&peer), 1) == 0);
    call(RUMPK_CALL_YIELD, 0, 0, 0, 0, 0, 0);
    check("a bell wakes", rung);
    check("an ended fiber is gone", call(RUMPK_CALL_KILL, peer, 1, 0, 0, 0, 0) == -RUMPK_ESRCH);
    const int64_t other = call(RUMPK_CALL_SPAWN, address(&args), 0, 0, 0, 0, 0);
    check("kill", call(RUMPK_CALL_KILL, (uint64_t)other, 5, 0, 0, 0, 0) == 0);
}

static struct rumpk_ring_header* ring(enum rumpk_boot_ring which) {
    return (struct rumpk_ring_header*)(uintptr_t)(table->ring[which].base + self.cell * RUMPK_WINDOW_SIZE);
}

static struct rumpk_slot_header* slot(enum rumpk_boot_ring which, uint64_t position) {
    const struct rumpk_ring_descriptor* const shape = &table->ring[which];
    return (struct rumpk_slot_header*)((char*)ring(which) + RUMPK_RING_HEADER_SIZE +
                                       (position & (shape->slots - 1)) * shape->slot_size);
}

// Parks until the console has worked: armed, looked again, slept. `position` of the other side as last seen.
static void wait_for_console(uint32_t* waiting, const uint32_t* word, uint32_t old) {
    __atomic_store_n(waiting, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == old) {
        call(RUMPK_CALL_YIELD, RUMPK_CHANNEL_CONSOLE, 0, RUMPK_NEVER, 0, 0, 0);
    }
    __atomic_store_n(waiting, 0, __ATOMIC_SEQ_CST);
}

static void ring_if_waiting(const uint32_t* waiting) {
    if (__atomic_load_n(waiting, __ATOMIC_SEQ_CST) != 0) {
        call(RUMPK_CALL_YIELD, 0, RUMPK_CHANNEL_CONSOLE, 0, RUMPK_YIELD_NOWAIT, 0, 0);
    }
}

// More messages than the ring has slots, so that it is full and comes around.
static void check_tx(void) {
    struct rumpk_ring_header* const tx = ring(RUMPK_RING_TX);
    const uint32_t slots = table->ring[RUMPK_RING_TX].slots;
    check("tx ring", table->ring[RUMPK_RING_TX].base != 0 && slots >= 2 && (slots & (slots - 1)) == 0);
    static const char line[] = "ok a line by the tx ring\n";
    for (uint64_t position = 0; position < 2 * slots; ++position) {
        uint64_t released = __atomic_load_n(&tx->consumer.position, __ATOMIC_ACQUIRE);
        while (position - released >= slots) {
            wait_for_console(&tx->producer.waiting, (const uint32_t*)&tx->consumer.position,
                             (uint32_t)released);
            released = __atomic_load_n(&tx->consumer.position, __ATOMIC_ACQUIRE);
        }
        struct rumpk_slot_header* const message = slot(RUMPK_RING_TX, position);
        char* const payload = (char*)(message + 1);
        message->tag = RUMPK_TX_STDOUT;
        message->length = 0;
        for (; line[message->length] != '\0'; ++message->length) {
            payload[message->length] = line[message->length];
        }
        __atomic_store_n(&message->sequence, (uint32_t)(position + 1), __ATOMIC_RELEASE);
        __atomic_store_n(&tx->producer.position, position + 1, __ATOMIC_RELEASE);
        ring_if_waiting(&tx->consumer.waiting);
    }
    while (__atomic_load_n(&tx->consumer.position, __ATOMIC_ACQUIRE) != 2 * slots) {
        const uint64_t released = __atomic_load_n(&tx->consumer.position, __ATOMIC_ACQUIRE);
        if (released != 2 * slots) {
            wait_for_console(&tx->producer.waiting, (const uint32_t*)&tx->consumer.position,
                             (uint32_t)released);
        }
    }
    check("tx ring drained", true);
}

// All input to its end, where it lies.
static void check_rx(void) {
    struct rumpk_ring_header* const rx = ring(RUMPK_RING_RX);
    uint64_t position = 0;
    bool right = true;
    while (true) {
        struct rumpk_slot_header* const message = slot(RUMPK_RING_RX, position);
        const uint32_t sequence = __atomic_load_n(&message->sequence, __ATOMIC_ACQUIRE);
        if (sequence != (uint32_t)(position + 1)) {
            wait_for_console(&rx->consumer.waiting, &message->sequence, sequence);
            continue;
        }
        const uint32_t tag = message->tag;
        right &= tag == RUMPK_RX_END || (tag == RUMPK_RX_DATA && message->length > 0);
        __atomic_store_n(&rx->consumer.position, ++position, __ATOMIC_RELEASE);
        ring_if_waiting(&rx->producer.waiting);
        if (tag == RUMPK_RX_END) {
            break;
        }
    }
    check("rx ring to the end of input", right);
}

__attribute__((noreturn)) void _start(uint64_t argument) {
    (void)argument;
    check_table();
    check_meta();
    check_errors();
    check_time_and_random();
    check_map();
    check_fibers();
    check_tx();
    check_rx();
    call(RUMPK_CALL_HALT, failures > RUMPK_EXIT_MAX ? RUMPK_EXIT_MAX : failures, RUMPK_SCOPE_CELL, 0, 0, 0,
         0);
    __builtin_trap();
}
