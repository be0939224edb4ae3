// SPDX-License-Identifier: Apache-2.0
//
// Runs out of memory: malloc says so with a null pointer and ENOMEM, what was freed can be had again, and
// operator new ends the program with a clear message.
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "tests/apps/check.h"

int main() {
    constexpr size_t block = 16 * 1024;
    static void* blocks[1024];
    size_t count = 0;
    errno = 0;
    while (count < 1024 && (blocks[count] = std::malloc(block)) != nullptr) {
        ++count;
    }
    test::check("malloc of too much is ENOMEM", count > 16 && count < 1024 && errno == ENOMEM);
    char* const volatile none =
        new (std::nothrow) char[block]; // volatile: the compiler may leave out a `new`
    test::check("new (std::nothrow) gives a null pointer", none == nullptr);
    for (size_t i = 0; i < count; ++i) {
        std::free(blocks[i]);
    }
    size_t again = 0;
    while (again < count && (blocks[again] = std::malloc(block)) != nullptr) {
        ++again;
    }
    test::check("what was freed can be had again", again == count);
    for (size_t i = 0; i < again; ++i) {
        std::free(blocks[i]);
    }
    if (test::failures != 0) {
        return 1;
    }
    std::vector<std::unique_ptr<char[]>> all;
    while (true) {
        all.push_back(std::make_unique<char[]>(block));
    }
}
