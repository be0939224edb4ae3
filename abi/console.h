/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing between the console driver and the runner on a serial line.
 *
 * A UART knows neither the end of input nor exit codes, and firmware and kernel
 * share its output with the application. With the boot option
 * `rumpk.console=framed` both directions are framed; without it the line is
 * plain text for a terminal. A frame is DLE and one byte; every other byte
 * stands for itself. DLE in data is sent as DLE DLE, so all 256 values pass.
 *
 * To the runner:                       To the driver:
 *   DLE DLE   the data byte 0x10         DLE DLE   the data byte 0x10
 *   DLE k     kernel text follows        DLE EOT   standard input has ended
 *   DLE o     standard output follows
 *   DLE e     standard error follows         DLE r     a request of abi/telemetry.h: report
 *   DLE t     telemetry follows              DLE s     likewise: stop
 *   DLE i     the application takes input from now on
 *   DLE x N   the end: N is the exit code, one byte, never followed by data
 *   DLE p     the end will be a panic; kernel text follows
 *
 * Standard input is sent after DLE i: before it, and after its end, the driver reads
 * the line for requests alone and drops data. Telemetry is what abi/telemetry.h defines.
 *
 * Until the first frame the line carries the firmware's text. A frame the
 * receiver does not know is an error of the line: the runner says so and ends
 * with its own code; the driver drops both bytes and counts them.
 */
#ifndef RUMPK_ABI_CONSOLE_H
#define RUMPK_ABI_CONSOLE_H

#define RUMPK_CONSOLE_DLE 0x10u
#define RUMPK_CONSOLE_END_OF_INPUT 0x04u /* EOT */
#define RUMPK_CONSOLE_KERNEL 'k'
#define RUMPK_CONSOLE_STDOUT 'o'
#define RUMPK_CONSOLE_STDERR 'e'
#define RUMPK_CONSOLE_TELEMETRY 't'
#define RUMPK_CONSOLE_INPUT 'i'
#define RUMPK_CONSOLE_EXIT 'x'
#define RUMPK_CONSOLE_PANIC 'p'

/* Exit codes of `rumpk run`, and of a hosted image by itself, above the application's 0..123. */
enum rumpk_exit {
    RUMPK_EXIT_TIMEOUT = 124,  /* the runner's time limit passed */
    RUMPK_EXIT_EMULATOR = 125, /* the emulator ended without the image having said how, or the line broke */
    RUMPK_EXIT_PANIC = 126,    /* the kernel, or in a fused image the application, met a fault */
    RUMPK_EXIT_USAGE = 127     /* nothing was started: unknown image, machine or option, or a failed build */
};

#endif
