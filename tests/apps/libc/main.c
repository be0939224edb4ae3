// SPDX-License-Identifier: Apache-2.0
//
// The C library's parts that docs/applications.md promises, one check each at least.
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int failures;

static void check(const char* name, bool held) {
    printf("%s %s\n", held ? "ok" : "FAILED", name);
    failures += !held;
}

__attribute__((format(printf, 2, 3))) static bool prints(const char* wanted, const char* format, ...) {
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return length == (int)strlen(wanted) && strcmp(text, wanted) == 0;
}

static void check_printf(void) {
    check("printf integers",
          prints("-7 00042 0xff 37777777777 z %", "%d %05u %#x %o %c %%", -7, 42u, 255u, UINT_MAX, 'z'));
    check("printf 64 bits",
          prints("-9223372036854775808 18446744073709551615", "%" PRId64 " %" PRIu64, INT64_MIN, UINT64_MAX));
    check("printf doubles",
          prints("3.142 1.5e+300 0.1 inf", "%.3f %g %g %g", 3.14159, 1.5e300, 0.1, (double)INFINITY));
    const double awkward = 1.0 / 3 * 1e-200;
    char text[32];
    snprintf(text, sizeof text, "%.17g", awkward);
    check("printf and strtod round trip", strtod(text, NULL) == awkward);
    check("printf widths", prints("[   ab][ab   ][abc]", "[%5s][%-5s][%.3s]", "ab", "ab", "abcdef"));
    check("printf sizes", prints("12 -3 7", "%zu %hhd %jd", (size_t)12, (signed char)-3, (intmax_t)7));
}

static void check_scanf(void) {
    int whole = 0;
    double real = 0;
    char word[8] = "";
    check("sscanf", sscanf("42 2.5 seven", "%d %lf %7s", &whole, &real, word) == 3 && whole == 42 &&
                        real == 2.5 && strcmp(word, "seven") == 0);
    char* end;
    check("strtol", strtol("0x7fz", &end, 0) == 127 && *end == 'z');
    errno = 0;
    check("strtol out of range", strtol("99999999999999999999", NULL, 10) == LONG_MAX && errno == ERANGE);
    check("strtod", strtod("1e-3", NULL) == 0.001);
}

static int by_value(const void* a, const void* b) {
    return *(const int*)a - *(const int*)b;
}

static void check_stdlib(void) {
    int values[] = {5, 3, 9, 1, 7};
    qsort(values, 5, sizeof *values, by_value);
    const int key = 7;
    const int* found = bsearch(&key, values, 5, sizeof *values, by_value);
    check("qsort and bsearch", values[0] == 1 && values[4] == 9 && found == &values[3]);
    srand(1);
    const int first = rand();
    srand(1);
    check("rand", rand() == first);
    check("div", div(17, 5).rem == 2);
    setenv("RUMPK", "here", 1);
    check("setenv and getenv", strcmp(getenv("RUMPK"), "here") == 0 && getenv("NOT_SET") == NULL);
}

static void check_malloc(void) {
    char* block = malloc(1000);
    memset(block, 'x', 1000);
    block = realloc(block, 100000);
    check("malloc and realloc", block != NULL && block[999] == 'x');
    free(block);
    int* zero = calloc(100, sizeof *zero);
    bool all_zero = zero != NULL;
    for (int i = 0; all_zero && i < 100; ++i) {
        all_zero = zero[i] == 0;
    }
    check("calloc", all_zero);
    free(zero);
    errno = 0;
    void* volatile too_much = malloc((size_t)1 << 40);
    check("malloc of 1 TiB is ENOMEM", too_much == NULL && errno == ENOMEM);
    void* aligned = aligned_alloc(256, 512);
    check("aligned_alloc", aligned != NULL && (uintptr_t)aligned % 256 == 0);
    free(aligned);
}

static void check_string(void) {
    char text[32] = "one,two,three";
    check("strtok", strcmp(strtok(text, ","), "one") == 0 && strcmp(strtok(NULL, ","), "two") == 0);
    check("memmove", (memcpy(text, "abcdef", 7), memmove(text + 2, text, 4), strcmp(text, "ababcd") == 0));
    check("strstr and strchr", strstr("haystack", "st") != NULL && strchr("haystack", 'z') == NULL);
    check("strerror", strlen(strerror(ENOENT)) > 0);
    check("ctype", isalpha('q') && !isalpha('7') && toupper('q') == 'Q');
}

static jmp_buf point;

static void check_jump(void) {
    const int value = setjmp(point);
    if (value == 0) {
        longjmp(point, 42);
    }
    check("setjmp and longjmp", value == 42);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number) {
    signalled = number;
}

static void check_signal(void) {
    signal(SIGUSR1, on_signal);
    check("signal and raise", raise(SIGUSR1) == 0 && signalled == SIGUSR1);
}

static void check_math(void) {
    volatile double two = 2;
    check("math", fabs(sqrt(two) - 1.41421356237) < 1e-10 && fabs(sin(two) - 0.909297426826) < 1e-10 &&
                      pow(two, 10) == 1024 && isnan(NAN) && floor(-1.5) == -2);
}

static void check_descriptors(void) {
    struct stat status;
    char byte;
    check("fstat", fstat(1, &status) == 0 && S_ISCHR(status.st_mode));
    check("lseek is ESPIPE", lseek(0, 0, SEEK_SET) == -1 && errno == ESPIPE);
    check("isatty is ENOTTY", isatty(1) == 0 && errno == ENOTTY);
    check("read of 1 is EBADF", read(1, &byte, 1) == -1 && errno == EBADF);
    check("write to 0 is EBADF", write(0, "", 1) == -1 && errno == EBADF);
    check("write to 3 is EBADF", write(3, "", 1) == -1 && errno == EBADF);
    check("close of 7 is EBADF", close(7) == -1 && errno == EBADF);
    check("fseek(stdout) is ESPIPE", fseek(stdout, 0, SEEK_SET) == -1 && errno == ESPIPE);
    check("sysconf", sysconf(_SC_PAGESIZE) == 4096 && sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    check("sched_yield", sched_yield() == 0);
    errno = 0;
    check("sysconf of the unknown is EINVAL", sysconf(12345) == -1 && errno == EINVAL);
    check("close", close(2) == 0 && write(2, "x", 1) == -1 && errno == EBADF);
}

int main(void) {
    assert(failures == 0);
    check_printf();
    check_scanf();
    check_stdlib();
    check_malloc();
    check_string();
    check_jump();
    check_signal();
    check_math();
    check_descriptors();
    return failures == 0 ? 0 : 1;
}
