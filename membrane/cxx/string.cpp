// SPDX-License-Identifier: Apache-2.0
//
// std::string's members, which libc++ instantiates once for all programs, and its conversions from and
// to numbers. Where the standard would throw (no number, out of range) the program ends and says so.
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace std::inline _LIBCPP_ABI_NAMESPACE {

template class basic_string<char>;
template string operator+ <char, char_traits<char>, allocator<char>>(const char*, const string&);

namespace {

// One strto* function; errno is the caller's own again afterwards.
template <class Number, class Convert>
Number parse(const char* name, const string& text, size_t* used, Convert convert) {
    const int own_errno = exchange(errno, 0);
    char* end = nullptr;
    const Number number = convert(text.c_str(), &end);
    const bool out_of_range = exchange(errno, own_errno) == ERANGE;
    if (end == text.c_str()) {
        std::__throw_invalid_argument(name);
    }
    if (out_of_range) {
        std::__throw_out_of_range(name);
    }
    if (used != nullptr) {
        *used = static_cast<size_t>(end - text.c_str());
    }
    return number;
}

template <class Number>
string print_whole(Number number) {
    char text[24];
    return string(text, std::to_chars(text, text + sizeof text, number).ptr);
}

// "%f", as the standard has it; 1e308 takes 316 characters.
string print_real(double number) {
    char text[352];
    return string(text, static_cast<size_t>(snprintf(text, sizeof text, "%f", number)));
}

} // namespace

int stoi(const string& text, size_t* used, int base) {
    const long number = parse<long>("stoi", text, used,
                                    [base](const char* from, char** end) { return strtol(from, end, base); });
    if (number < INT_MIN || number > INT_MAX) {
        std::__throw_out_of_range("stoi");
    }
    return static_cast<int>(number);
}

long stol(const string& text, size_t* used, int base) {
    return parse<long>("stol", text, used,
                       [base](const char* from, char** end) { return strtol(from, end, base); });
}

unsigned long stoul(const string& text, size_t* used, int base) {
    return parse<unsigned long>("stoul", text, used,
                                [base](const char* from, char** end) { return strtoul(from, end, base); });
}

long long stoll(const string& text, size_t* used, int base) {
    return parse<long long>("stoll", text, used,
                            [base](const char* from, char** end) { return strtoll(from, end, base); });
}

unsigned long long stoull(const string& text, size_t* used, int base) {
    return parse<unsigned long long>(
        "stoull", text, used, [base](const char* from, char** end) { return strtoull(from, end, base); });
}

float stof(const string& text, size_t* used) {
    return parse<float>("stof", text, used, strtof);
}

double stod(const string& text, size_t* used) {
    return parse<double>("stod", text, used, strtod);
}

string to_string(int number) {
    return print_whole(number);
}
string to_string(unsigned number) {
    return print_whole(number);
}
string to_string(long number) {
    return print_whole(number);
}
string to_string(unsigned long number) {
    return print_whole(number);
}
string to_string(long long number) {
    return print_whole(number);
}
string to_string(unsigned long long number) {
    return print_whole(number);
}
string to_string(float number) {
    return print_real(number);
}
string to_string(double number) {
    return print_real(number);
}

} // namespace std::inline _LIBCPP_ABI_NAMESPACE
