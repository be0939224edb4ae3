// SPDX-License-Identifier: Apache-2.0
//
// Writes to both streams in turns, so that a runner can tell them apart; one line stays without its end.
#include <stdio.h>
#include <unistd.h>

int main(void) {
    puts("to stdout");
    fputs("to stderr\n", stderr);
    fputs("half a line, ", stdout);
    fputs("interrupted by stderr\n", stderr);
    puts("then its end");
    write(2, "write(2)\n", 9);
    write(1, "write(1)\n", 9);
    for (int byte = 0; byte < 256; ++byte) {
        fputc(byte, stderr);
    }
    fputs("no newline at the end", stdout);
    return 3;
}
