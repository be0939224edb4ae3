// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/arguments.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "abi/hal.h"
#include "hal/machine/host/memory.h"

namespace rumpk::hal {
namespace {

constexpr char option_prefix[] = "rumpk.";
constexpr char memory_option[] = "rumpk.memory=";
constexpr char cores_option[] = "rumpk.cores=";
constexpr char telemetry_option[] = "rumpk.telemetry=";
constexpr char separator[] = "--";

constexpr char memory_takes[] = "it takes bytes, a multiple of 4096 from 1048576 to 1099511627776";
static_assert(HAL_PAGE_SIZE == 4096 && memory_smallest == 1048576 && memory_largest == 1099511627776);
constexpr char cores_takes[] = "it takes a number of cores from 1 to 8";
static_assert(HAL_MAX_CORES == 8);
constexpr char telemetry_takes[] = "it takes the number of an open descriptor";

// What follows the prefix; NULL if the text does not begin with it.
const char* after(const char* text, const char* prefix) {
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : nullptr;
}

// A decimal number and nothing else; false also if it does not fit.
bool read_number(const char* text, uint64_t& number) {
    if (*text == '\0') {
        return false;
    }
    number = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (UINT64_MAX - 9) / 10) {
            return false;
        }
        number = number * 10 + static_cast<uint64_t>(*text - '0');
    }
    return true;
}

bool stands_for_itself(char byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           strchr("._/:=,@+-", byte) != nullptr;
}

// Words with single spaces between them.
struct Writer {
    char* at;
    bool first = true;

    void word(const char* text) {
        begin();
        for (; *text != '\0'; text++) {
            *at++ = *text;
        }
    }
    void encoded(const char* text) {
        begin();
        if (*text == '\0') {
            *at++ = '%'; // an empty argument
        }
        for (; *text != '\0'; text++) {
            if (stands_for_itself(*text)) {
                *at++ = *text;
                continue;
            }
            auto value = static_cast<unsigned char>(*text);
            *at++ = '%';
            *at++ = "0123456789ABCDEF"[value >> 4];
            *at++ = "0123456789ABCDEF"[value & 15];
        }
    }
    void begin() {
        if (!first) {
            *at++ = ' ';
        }
        first = false;
    }
};

enum class Option { ours, not_ours, wrong };

Option take_option(const char* option, Arguments& result) {
    uint64_t number = 0;
    if (const char* value = after(option, memory_option)) {
        bool valid = read_number(value, number) && number % HAL_PAGE_SIZE == 0 && number >= memory_smallest &&
                     number <= memory_largest;
        result.memory = number;
        result.takes = memory_takes;
        return valid ? Option::ours : Option::wrong;
    }
    if (const char* value = after(option, cores_option)) {
        bool valid = read_number(value, number) && number >= 1 && number <= HAL_MAX_CORES;
        result.cores = static_cast<uint32_t>(number);
        result.takes = cores_takes;
        return valid ? Option::ours : Option::wrong;
    }
    if (const char* value = after(option, telemetry_option)) {
        bool valid =
            read_number(value, number) && number <= INT_MAX && fcntl(static_cast<int>(number), F_GETFD) >= 0;
        result.telemetry = valid ? static_cast<int>(number) : -1;
        result.takes = telemetry_takes;
        return valid ? Option::ours : Option::wrong;
    }
    return Option::not_ours;
}

} // namespace

size_t arguments_size(int count, const char* const* values) {
    size_t size = sizeof(separator) + 1;
    for (int i = 1; i < count; i++) {
        size += 3 * strlen(values[i]) + 2; // a "%" for nothing, and a space
    }
    return size;
}

Arguments arguments_read(int count, const char* const* values, char* text) {
    Arguments result;
    Writer writer{text};
    int next = 1;
    for (; next < count && after(values[next], option_prefix) != nullptr; next++) {
        Option option = take_option(values[next], result);
        if (option == Option::wrong) {
            result.wrong = values[next];
            break;
        }
        if (option == Option::not_ours) {
            writer.word(values[next]);
        }
    }
    if (next < count && strcmp(values[next], separator) == 0) {
        next++;
    }
    writer.word(separator);
    for (; next < count; next++) {
        writer.encoded(values[next]);
    }
    *writer.at = '\0';
    return result;
}

} // namespace rumpk::hal
