// SPDX-License-Identifier: Apache-2.0
#include "hal/board/report.h"

#include "abi/console.h"
#include "hal/board/arch.h"

namespace rumpk::hal {

void say(const char* text) {
    for (; *text != '\0'; ++text) {
        char character = *text;
        bool printable = (character >= ' ' && character <= '~') || character == '\n';
        auto byte = static_cast<uint8_t>(printable ? character : '?');
        console_put(HAL_CONSOLE_KERNEL, &byte, 1);
    }
}

void say_hex(uint64_t number) {
    char text[19] = "0x";
    for (int digit = 0; digit < 16; ++digit) {
        text[2 + digit] = "0123456789abcdef"[number >> (60 - 4 * digit) & 15];
    }
    text[18] = '\0';
    say(text);
}

void say(uint64_t number) {
    char text[21];
    char* first = text + 20;
    *first = '\0';
    do {
        *--first = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(first);
}

void end_refused() {
    say("\n");
    end_early(RUMPK_EXIT_PANIC);
}

void end_faulted(const LastFault& fault, uint32_t before) {
    static constinit LastFault first{};
    switch (before) {
    case 0:
        first = fault;
        break;
    case 1:
        devices_distrust(); // saying so has faulted
        break;
    case 2:
        firmware_off(); // ending has
        [[fallthrough]];
    default:
        stop();
    }
    say("\nrumpk: ");
    say(first.what);
    say(first.where);
    say(", pc ");
    say_hex(first.pc);
    say(", address ");
    say_hex(first.address);
    say("\n");
    end_early(RUMPK_EXIT_PANIC);
}

} // namespace rumpk::hal
