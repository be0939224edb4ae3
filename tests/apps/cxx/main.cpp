// SPDX-License-Identifier: Apache-2.0
//
// The C++ library's parts that docs/applications.md promises, one check each at least.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cfenv>
#include <charconv>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <deque>
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include <nexus/fiber.h>

#include "tests/apps/check.h"

namespace {

using test::check;

int constructed = 0;

struct Counted {
    Counted() { ++constructed; }
    Counted(const Counted&) { ++constructed; }
    ~Counted() { --constructed; }
};

// Made before main; its destructor's line is the last of the output.
struct Static {
    Static() { ++made; }
    ~Static() { std::puts("static object destroyed"); }
    static inline int made = 0;
};
const Static static_object;

void check_containers() {
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::ranges::reverse(numbers);
    std::sort(numbers.begin(), numbers.end());
    check("vector, iota, sort", std::ranges::is_sorted(numbers) && numbers.size() == 1000);
    std::deque<int> queue{1, 2, 3};
    queue.push_front(0);
    queue.pop_back();
    check("deque", queue.front() == 0 && queue.back() == 2);
    std::list<int> list{3, 1, 2};
    list.sort();
    check("list", list.front() == 1 && list.back() == 3);
    std::map<std::string, int> ages{{"ada", 36}, {"alan", 41}};
    ages["grace"] = 85;
    check("map", ages.size() == 3 && ages.begin()->first == "ada" && ages.contains("grace"));
    check("set", std::set<int>{3, 1, 3, 2}.size() == 3);
    std::unordered_map<std::string, int> counts;
    for (const char* word : {"a", "b", "a", "c", "a"}) {
        ++counts[word];
    }
    check("unordered_map", counts["a"] == 3 && counts.size() == 3);
    constexpr std::array<int, 4> fixed{1, 2, 3, 4};
    const std::span<const int> view(fixed);
    check("array and span", view.subspan(1, 2)[1] == 3 && view.size() == 4);
}

void check_strings() {
    std::string text = "A string that is too long for the small buffer";
    text += ", and grows";
    text.insert(0, "> ");
    check("string",
          text.starts_with("> A") && text.ends_with("grows") && text.find("small") != std::string::npos);
    text.resize(2000, '.');
    check("string grows", text.size() == 2000 && text.substr(1998) == "..");
    constexpr std::string_view view = "key=value";
    check("string_view", view.substr(view.find('=') + 1) == "value");
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), -1234567890123LL).ptr;
    check("to_chars", std::string_view(digits.data(), end) == "-1234567890123");
    int number = 0;
    constexpr std::string_view decimal = "417x";
    check("from_chars",
          std::from_chars(view.data(), view.data() + view.size(), number).ec == std::errc::invalid_argument &&
              std::from_chars(decimal.data(), decimal.data() + decimal.size(), number).ec == std::errc{} &&
              number == 417);
    check("to_string and stoi",
          std::to_string(-42) + std::to_string(7u) == "-427" && std::stoi("99 bottles") == 99);
}

void check_vocabulary() {
    std::optional<int> maybe;
    check("optional", !maybe && maybe.value_or(3) == 3 && (maybe = 4) && *maybe == 4);
    std::expected<int, std::string> outcome = std::unexpected("no");
    check("expected", !outcome && outcome.error() == "no");
    std::variant<int, std::string, double> either = "text";
    const size_t length = std::visit(
        [](const auto& value) -> size_t {
            if constexpr (std::same_as<std::decay_t<decltype(value)>, std::string>) {
                return value.size();
            } else {
                return 0;
            }
        },
        either);
    check("variant", either.index() == 1 && length == 4);
    const auto [first, second] = std::tuple(1, 'x');
    check("tuple", first == 1 && second == 'x');
    std::function<int(int)> twice = [factor = 2](int x) { return x * factor; };
    check("function", twice(21) == 42);
}

void check_memory() {
    {
        auto one = std::make_unique<Counted>();
        auto many = std::make_unique<Counted[]>(3);
        auto moved = std::move(one);
        check("unique_ptr", constructed == 4 && one == nullptr);
    }
    check("unique_ptr destroys", constructed == 0);
    std::weak_ptr<Counted> weak;
    {
        auto shared = std::make_shared<Counted>();
        auto other = shared;
        weak = shared;
        check("shared_ptr", shared.use_count() == 2 && weak.lock() != nullptr);
    }
    check("weak_ptr expires", weak.expired() && constructed == 0);
    struct alignas(128) Wide {
        char bytes[128];
    };
    const auto wide = std::make_unique<Wide>();
    check("aligned new", reinterpret_cast<uintptr_t>(wide.get()) % 128 == 0);
    check("static constructors", Static::made == 1);
}

void check_algorithms() {
    using namespace std::views;
    std::vector<int> squares;
    for (const int square : iota(1, 20) | filter([](int i) { return i % 2 == 1; }) |
                                transform([](int i) { return i * i; }) | take(4)) {
        squares.push_back(square);
    }
    check("ranges and views", squares == std::vector{1, 9, 25, 49});
    std::ranges::sort(squares, std::greater{});
    check("ranges::sort", squares.front() == 49);
    std::vector<double> reals{2.5, -1.0, 9.75};
    std::sort(reals.begin(), reals.end());
    check("sort of doubles", reals.back() == 9.75);
    std::vector<std::string> words{"pear", "fig", "apple"};
    std::stable_sort(words.begin(), words.end(),
                     [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
    check("stable_sort of strings", words.front() == "fig" && words.back() == "apple");
    check("accumulate", std::accumulate(squares.begin(), squares.end(), 0) == 84);
    check("binary_search", std::ranges::binary_search(std::array{1, 3, 5, 7}, 5));
    std::mt19937 engine(42);
    std::uniform_int_distribution dice(1, 6);
    int sum = 0;
    for (int i = 0; i < 6000; ++i) {
        sum += dice(engine);
    }
    check("random engines", sum > 20000 && sum < 22000);
}

// A generator of numbers: coroutines need nothing but operator new.
struct Numbers {
    struct promise_type {
        int current = 0;
        Numbers get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(int value) {
            current = value;
            return {};
        }
        void return_void() {}
        void unhandled_exception() {}
    };

    Numbers(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    Numbers(const Numbers&) = delete;
    ~Numbers() { handle_.destroy(); }

    int next() {
        handle_.resume();
        return handle_.promise().current;
    }

  private:
    std::coroutine_handle<promise_type> handle_;
};

Numbers fibonacci() {
    int a = 0;
    int b = 1;
    while (true) {
        co_yield a;
        a = std::exchange(b, a + b);
    }
}

void check_language() {
    Numbers numbers = fibonacci();
    int last = 0;
    for (int i = 0; i < 11; ++i) {
        last = numbers.next();
    }
    check("coroutines", last == 55);
    std::atomic<uint64_t> counter{40};
    counter.fetch_add(2);
    uint64_t expected = 42;
    check("atomic", counter.compare_exchange_strong(expected, 7) && counter.load() == 7);
    check("bit", std::popcount(0xf0u) == 4 && std::bit_cast<uint32_t>(1.0f) == 0x3f800000);
    using namespace std::chrono_literals;
    check("chrono durations",
          std::chrono::duration_cast<std::chrono::milliseconds>(1h + 1500us).count() == 3'600'001);
    static int calls = 0;
    for (int i = 0; i < 2; ++i) {
        static const int once = ++calls;
        check("static local", once == 1 && calls == 1);
    }
}

// The rounding mode is a fiber's own: another that begins, or goes on, without any of its own rounds to
// nearest.
void check_rounding() {
    std::array<int, 3> seen{-1, -1, -1};
    const auto other = nexus::spawn([&] {
        seen[0] = std::fegetround();
        nexus::yield();
        seen[1] = std::fegetround();
    });
    const int before = std::fegetround();
    std::fesetround(FE_UPWARD);
    nexus::yield();
    seen[2] = std::fegetround();
    nexus::yield();
    std::fesetround(before);
    check("rounding mode",
          other && before == FE_TONEAREST && seen == std::array{FE_TONEAREST, FE_TONEAREST, FE_UPWARD});
}

} // namespace

int main() {
    check_containers();
    check_strings();
    check_vocabulary();
    check_memory();
    check_algorithms();
    check_language();
    check_rounding();
    return test::result();
}
