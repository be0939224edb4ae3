// SPDX-License-Identifier: Apache-2.0
//
// Prints what main was given: the count, then each argument as text with bytes outside ASCII's letters,
// digits and _-./ as \xHH, between quotation marks.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void print_quoted(const char* text) {
    putchar('"');
    for (; *text != '\0'; ++text) {
        const unsigned char byte = (unsigned char)*text;
        if (isalnum(byte) || (byte < 128 && strchr("_-./", byte) != NULL)) {
            putchar(byte);
        } else {
            printf("\\x%02x", byte);
        }
    }
    puts("\"");
}

int main(int argc, char** argv) {
    printf("%d\n", argc);
    for (int i = 0; i < argc; ++i) {
        print_quoted(argv[i]);
    }
    return argv[argc] == NULL ? 0 : 1;
}
