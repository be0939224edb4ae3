/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table in which physics (hal/) and logic (core/) meet (founding
 * decision K2). hal/ fills a `struct hal` and calls rumpk_core_main with it;
 * core/ fills a `struct hal_events` and hands it to `start`. They share no
 * other name.
 *
 * Every slot says in brackets from where it may be called:
 *   [boot]    before `start`, on the boot core, interrupts masked
 *   [masked]  any core, interrupts masked
 *   [any]     any core, interrupts masked or not
 * None blocks, allocates or takes a lock. Times are monotonic nanoseconds since
 * reset unless said otherwise. int results: 0 or more is a value, less a
 * negated errno of abi/errno.h.
 *
 * Internal to one commit: both halves are always built together.
 */
#ifndef RUMPK_ABI_HAL_H
#define RUMPK_ABI_HAL_H

#include "abi/errno.h"
#include "abi/systable.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HAL_PAGE_SIZE 4096u
#define HAL_MAX_CORES 8u

/* A place where a virtio-mmio device may be: its registers say whether there is one (their device id is 0
 * where there is none). Not mapped: `map` makes the registers reachable, as frames at `registers`. */
struct hal_virtio {
    uint64_t registers; /* physical */
    uint64_t size;      /* bytes of them, 0x100 at least */
    uint32_t line;      /* interrupt line, for device_enable */
    uint32_t reserved;
};

/* A device that is none of those, and that a program may drive. */
struct hal_device {
    const char* compatible; /* its name in a device tree: "ns16550a" */
    uint64_t registers;     /* physical */
    uint64_t size;          /* bytes of them */
    uint32_t line;          /* interrupt line, for device_enable */
    uint32_t reserved;
};

/* What the machine told the HAL at boot. Valid for ever, never written again. */
struct hal_boot {
    const char* machine;           /* "qemu-riscv64" */
    const char* arch;              /* "riscv64" */
    uint32_t cores;                /* that could run, 1..HAL_MAX_CORES */
    uint32_t boot_core;            /* index of the one that runs now */
    uint32_t elf_machine;          /* e_machine of cells: 243 RISC-V, 183 AArch64, 62 x86-64 */
    uint32_t interrupt_stack_size; /* bytes that the HAL itself may need on an interrupt stack */
    uint64_t features;             /* RUMPK_FEATURE_MMU or _PMP */
    uint64_t memory_total;         /* bytes of RAM the machine has */
    uint64_t memory_base;          /* physical; the largest free block, page aligned: ... */
    uint64_t memory_size;          /* ... nothing of kernel, image, device tree or firmware is in it */
    uint64_t direct_map; /* add to a physical address in the free block or in the table's page to touch it */
    uint64_t systable_physical; /* the frame that must show at systable_address: one page, zeroed */
    uint64_t systable_address;  /* virtual, as abi/systable.h says for this machine */
    const void* image;     /* the boot table of abi/image.h; NULL: there is none. Where there are views this
                            * is its physical address as well */
    uint64_t image_size;   /* bytes readable there; what the table claims is not believed */
    const char* arguments; /* boot arguments, NUL-terminated */
    const uint8_t* seed;   /* entropy from the machine ... */
    uint64_t seed_size;    /* ... 0: none, and `random` says EAGAIN */
    int64_t wall_offset;   /* add to monotonic ns for ns since 1970-01-01 UTC; 0: no clock chip */
    uint32_t console_line; /* interrupt line of the console */
    uint32_t console_channels; /* 1: the device carries console_write's channel; 0: one byte stream */
    uint64_t kernel_text_base; /* virtual, end exclusive: to tell a kernel fault from an application's */
    uint64_t kernel_text_end;
    int32_t frame_previous; /* backtraces: the caller's frame pointer is at frame pointer + this, */
    int32_t frame_return;   /* and the return address at frame pointer + this */
    uint64_t table_span; /* where a page was mapped once, none of its aligned neighbourhood of so many bytes
                          * makes map or unmap allocate or clear tables: a power of two, a page at least */
    const char* timer;   /* what timer_set uses, for the log: "Sstc" */
    const struct hal_virtio* virtio; /* the machine's transports, in its own order ... */
    uint32_t virtio_count;           /* ... 0: none */
};

/* A context that is not running: its stack pointer; all else is on that stack. */
struct hal_context {
    uint64_t stack_pointer;
};

#define HAL_REGISTERS 34u

/* Where it happened. */
enum hal_fault_place {
    HAL_FAULT_CONTEXT = 0, /* a context's own code, at kernel privilege */
    HAL_FAULT_HANDLER = 1, /* the kernel, while it handled an interrupt or a fault */
    HAL_FAULT_REPORT = 2,  /* its report of a fault: the HAL's own business */
    HAL_FAULT_USER = 3     /* at user privilege */
};

/* A fault, as registers for a person to read. It and what it points to stay until the stack that it is told
 * on is used anew, or the next fault of this core. */
struct hal_fault {
    const char* what; /* "load page fault" */
    uint64_t cause;   /* the architecture's number */
    uint64_t pc;
    uint64_t address; /* the address that was touched, where the cause has one */
    uint64_t stack_pointer;
    uint64_t frame_pointer; /* where a backtrace starts */
    uint32_t count;         /* registers that follow */
    uint32_t where;         /* hal_fault_place */
    const uint64_t* value;  /* HAL_REGISTERS at most */
    const char* names;      /* of these registers: as many texts, each behind the NUL of the one before */
};

/* What the core wants to hear. All are called masked. core_start begins on the stack that it was given.
 * fault runs on a stack of the HAL's own where it happened in a handler or in a fault's report, and may on
 * others; it runs on the interrupt stack else, as all the rest do: the one that was set with interrupt_stack.
 */
struct hal_events {
    void (*timer)(void);           /* the deadline of timer_set has passed; it is disarmed */
    void (*device)(uint32_t line); /* the line stays quiet until device_done(line) */
    void (*message)(void);         /* another core called core_wake */
    void (*interrupt_exit)(
        void); /* once, after all of the above; may switch to another context with context_preempt */
    void (*fault)(
        const struct hal_fault*);      /* does not return; leaves with context_preempt of HAL_FAULT_USER */
    void (*core_start)(uint32_t core); /* a core brought up by core_start begins here; does not return */
};

enum hal_console_channel {
    HAL_CONSOLE_KERNEL = 0,
    HAL_CONSOLE_STDOUT = 1,
    HAL_CONSOLE_STDERR = 2,
    HAL_CONSOLE_TELEMETRY = 3 /* for a program, not a person: dropped where nobody can take it */
};

#define HAL_MAP_READ (1u << 0)
#define HAL_MAP_WRITE (1u << 1)
#define HAL_MAP_EXEC (1u << 2) /* with WRITE: EINVAL, always */
/* At user privilege, and there alone: the kernel does not execute there, and where the processor can tell its
 * loads and stores fault (RISC-V; Arm with PAN). Only where hal.user is not NULL. */
#define HAL_MAP_USER (1u << 3)

/* Programs at user privilege. */
struct hal_user {
    /* [boot] Makes the gate: code in the page behind the SysTable's, for user privilege alone. `calls` holds
     * the kernel's function for each call, and then the address that a program calls in its place; `time` is
     * answered there, as `now` and boot's wall_offset say. A function is entered unmasked, on the kernel
     * stack of `enter`, with the program's six arguments; of what it leaves in registers the program sees the
     * result alone. */
    int (*make_gate)(uint64_t calls[RUMPK_CALL_COUNT]);
    /* [masked] Goes on unmasked at user privilege with entry(argument), the stack pointer at `user_stack` and
     * every other register 0, of floating point, too; returning from there is halt(0, FIBER). Its calls run
     * on the stack that ends at `kernel_stack`, 16-byte aligned like the other. `guard`: a page that faults
     * while this program runs, even if it is mapped, where there is no MMU; 0: none. `view`: of hal_views, or
     * 0: what is mapped in no view's window. Does not return. */
    void (*enter)(uint64_t entry, uint64_t argument, uint64_t user_stack, uint64_t kernel_stack,
                  uint64_t guard, uint64_t view);
};

/* Views: each shows at user privilege what one program may touch. An address means the same in all. A core
 * goes from one to another on its way to user privilege, if another program is to run there, and only then.
 */
struct hal_views {
    /* [boot] Makes the view of a window, once all that lies outside of windows is mapped. From then on map,
     * protect and unmap of addresses in that window are about this view alone; what is the kernel's is in
     * all. `tagged` 0: as on a processor that cannot tell views apart. *view is what `enter` takes. ENOMEM.
     */
    int (*make)(uint32_t window, uint32_t tagged, uint64_t* view);
    /* [boot] As map, of pages in another's window, or, to be read, of pages of the image in no window: they
     * are in this one's view as well from then on. */
    int (*show)(uint32_t window, uint64_t address, uint64_t physical, uint64_t size, uint32_t rights);
    /* [masked] Takes away what this view shows of the beginning of that range, whoever put it there, on every
     * core: a piece that takes a few steps. Returns how long that piece was; what nothing showed counts, too.
     * With RUMPK_FEATURE_PMP all of the range, and more if no protected region is left for what remains on
     * both sides: then what was mapped together with it goes as well. EINVAL: no whole pages, or a part of
     * what is mapped in larger ones. */
    int64_t (*hide)(uint32_t window, uint64_t address, uint64_t size);
    /* [any] How often this core had to forget translations because it went to another view. */
    uint64_t (*flushes)(void);
    /* [boot] What stands behind a transport of boot's list: virtio's device id, 0: nothing. `version` is the
     * transport's own (virtio 1.2, 4.2.2): 2, or 1 where it is "legacy". */
    uint32_t (*virtio_device)(uint32_t transport, uint32_t* version);
    /* [boot] The machine's other devices that a program may drive, from 0 on; ENOENT: there are no more. The
     * console's is among them. Who gives it away does not call console_read and console_write any more, and
     * console_put and console_flush only while nobody drives it. */
    int (*device)(uint32_t index, struct hal_device* device);
};

struct hal {
    uint32_t size; /* sizeof(struct hal): both halves were built from one file */
    uint32_t reserved;
    const struct hal_boot* boot;
    const struct hal_user* user;   /* NULL: everything runs at kernel privilege */
    const struct hal_views* views; /* NULL: one for all */

    /* 1. Life of the machine */

    /* [boot] From now on events arrive once interrupts are unmasked. */
    void (*start)(const struct hal_events* events);
    /* [any] Ends the machine; the code reaches whoever started it where the machine can. Never returns. */
    void (*power_off)(uint32_t code);

    /* 2. Cores */

    /* [any] Index of the calling core, 0..cores-1. */
    uint32_t (*core_index)(void);
    /* [masked] A pointer of the core's own, NULL until set. */
    void (*core_local_set)(void* local);
    void* (*core_local)(void);
    /* [masked] Starts another core on that stack; it calls events->core_start. EINVAL, EEXIST, EIO. */
    int (*core_start)(uint32_t core, void* stack_base, uint64_t stack_size);
    /* [any] Makes events->message run on that core soon. Bells that overlap coalesce.
     * Everything the caller wrote before is visible to the handler. A core that rings itself, again and
     * again, does not keep its timer away. */
    void (*core_wake)(uint32_t core);

    /* 3. Contexts */

    /* [any] Makes a context that, when first switched to, calls entry(argument) masked,
     * on that stack (16-byte aligned base and size). entry must not return. */
    void (*context_make)(struct hal_context* context, void* stack_base, uint64_t stack_size,
                         void (*entry)(void*), void* argument);
    /* [masked] Saves the callee-saved registers, FP included, in *from; goes on in *to. Returns when
     * somebody switches back, masked again. */
    void (*context_switch)(struct hal_context* from, const struct hal_context* to);
    /* [masked] The same, but unmasks and returns 0 when somebody switches back: the last deed of a call. */
    int64_t (*context_switch_unmask)(struct hal_context* from, const struct hal_context* to);
    /* [masked, not in an event] Goes on in *to; where this one was is kept nowhere. Does not return. */
    void (*context_leave)(const struct hal_context* to);
    /* [masked, in interrupt_exit] As context_switch, for a fiber that was interrupted: every register of
     * its that the interrupt entry did not save is saved too. */
    void (*context_preempt)(struct hal_context* from, const struct hal_context* to);
    /* [masked] Calls function(argument) on another stack and returns what it returns. */
    int64_t (*call_on_stack)(void* stack_base, uint64_t stack_size, int64_t (*function)(void*),
                             void* argument);

    /* 4. Interrupts */

    /* [any] Masks; returns 0 if they were masked already, anything else if not. restore(0) does
     * nothing, any other value unmasks: a new context begins with restore(1). Nests. Both are
     * compiler barriers. */
    uint64_t (*interrupts_mask)(void);
    void (*interrupts_restore)(uint64_t before);
    /* [masked] Waits until an interrupt is pending, which may be at once; it is taken after
     * unmasking. One that came pending before the call ends the wait: no wake-up is lost. */
    void (*interrupts_wait)(void);
    /* [masked] Where the next interrupt of this core runs: no stack with a frame on it may be given twice. */
    void (*interrupt_stack)(void* stack_base, uint64_t stack_size);

    /* 5. Time */

    /* [any] ns since reset; never goes back on one core. */
    uint64_t (*now)(void);
    /* [any] The core's own counter, at the least cost that the machine has; never 0 and never goes back.
     * And ns of a difference of two, or of a sum of differences. */
    uint64_t (*ticks)(void);
    uint64_t (*ticks_ns)(uint64_t ticks);
    /* [masked] One shot: events->timer runs at or after this time, never before; a time in the
     * past fires at once; RUMPK_NEVER (all ones) disarms. Replaces the one before. */
    void (*timer_set)(uint64_t when);

    /* 6. Device interrupts */

    /* [masked] */
    int (*device_enable)(uint32_t line);
    void (*device_done)(uint32_t line);

    /* 7. Memory. The kernel's own map is the HAL's and stands when core starts.
     * With RUMPK_FEATURE_PMP instead of _MMU nothing is translated: a physical address other than the address
     * is EINVAL, as is all memory but windows and the SysTable. What is mapped without HAL_MAP_USER is not
     * kept: the kernel touches it all the same, before and after, and protect and unmap say ENOENT of it. */

    /* [masked] Page-aligned; size > 0. Maps in the one address space. EINVAL (alignment, W with X,
     * an address the kernel owns), EEXIST (something is there), ENOMEM (no page for tables, or no
     * protected region is left). */
    int (*map)(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights);
    /* [masked] Changes rights of what map has mapped, or takes it away. ENOENT where nothing is. */
    int (*protect)(uint64_t address, uint64_t size, uint32_t rights);
    int (*unmap)(uint64_t address, uint64_t size);
    /* [any] What was written as data in [address, +size) is about to be run as code; there, or where views
     * show it, which need not be the map of now. */
    void (*code_written)(uint64_t address, uint64_t size);

    /* 8. Console device: bytes, no protocol */

    /* [masked] Takes what has arrived, up to size; 0: nothing there; -EPIPE: input has ended (host).
     * Less than size: the line interrupts when more arrives. All of size: it does not for input
     * until the next read comes up short, so that a reader that is full leaves the bytes where they
     * are and output on the same line goes on. Before the first read the line is quiet for input. */
    int64_t (*console_read)(uint8_t* buffer, uint64_t size);
    /* [masked] Gives what fits, and says how much. Less than size: the line interrupts when there
     * is room again; all of size: it does not for output. */
    int64_t (*console_write)(uint32_t channel, const uint8_t* buffer, uint64_t size);
    /* [any] Writes all of it, polling. For boot, panic and write(1); works in any state. */
    void (*console_put)(uint32_t channel, const uint8_t* buffer, uint64_t size);
    /* [masked] The next letter that somebody outside sent apart from input; 0: none. The line interrupts
     * when one comes. Where the console is one byte stream there never is: letters come in the stream. */
    uint32_t (*console_request)(void);
    /* [any] All that console_write took has left the machine. Polls. */
    void (*console_flush)(void);
};

/* core/ begins here. [boot] */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void rumpk_core_main(const struct hal* hal);

#ifdef __cplusplus
}
#endif

#endif
