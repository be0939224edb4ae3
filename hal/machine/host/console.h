// SPDX-License-Identifier: Apache-2.0
// The console: descriptors 0, 1 and 2 of the process, served by two threads; with telemetry
// one more descriptor, whose letters a third thread takes.
//
// The descriptors' flags belong to open files that other processes share, a shell
// for one: they are never changed. So somebody has to block in read(2) and write(2),
// and that is the two threads; between them and the core stands a ring of bytes
// each, and progress raises the console's line when the core had come up short.
#ifndef RUMPK_HAL_MACHINE_HOST_CONSOLE_H
#define RUMPK_HAL_MACHINE_HOST_CONSOLE_H

#include <stdint.h>

namespace rumpk::hal {

// telemetry: a descriptor for a program that is told things and asks; less than 0: there is none.
void console_make(int telemetry);

int64_t console_read(uint8_t* buffer, uint64_t size);
int64_t console_write(uint32_t channel, const uint8_t* buffer, uint64_t size);
void console_put(uint32_t channel, const uint8_t* buffer, uint64_t size);
uint32_t console_request();
void console_flush();

} // namespace rumpk::hal

#endif
