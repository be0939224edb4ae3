// SPDX-License-Identifier: Apache-2.0
// An intrusive list: first in, first out, and out of the middle, each in a few
// instructions without a branch. The members bring their own links; the list
// owns nothing and allocates nothing.
#pragma once

#include <cstddef>
#include <type_traits>

#include "core/result.h"

namespace rumpk {

// Both pointers are null exactly while the member is in no list. Touched by the
// list alone; a member that is in a list must not move.
struct Link {
    Link* next = nullptr;
    Link* previous = nullptr;

    [[nodiscard]] constexpr bool linked() const { return next != nullptr; }
};

// A list of T, whose first member is `Link link`. The list itself is one more
// link in the circle, which is why it may not move either.
template <typename T>
class List {
  public:
    constexpr List() : circle_{&circle_, &circle_} {}
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    [[nodiscard]] constexpr bool empty() const { return circle_.next == &circle_; }
    // nullptr: empty.
    [[nodiscard]] T* front() { return empty() ? nullptr : member(circle_.next); }

    // The member is in no list.
    void push_back(T& value) { insert(value.link, *circle_.previous, circle_); }
    void push_front(T& value) { insert(value.link, circle_, *circle_.next); }

    // nullptr: empty.
    T* pop_front() {
        if (empty()) {
            return nullptr;
        }
        T* const first = member(circle_.next);
        remove(*first);
        return first;
    }

    // Out of whichever list it is in; it is in one.
    static void remove(T& value) {
        Link& link = value.link;
        ensure(link.linked());
        link.previous->next = link.next;
        link.next->previous = link.previous;
        link = Link{};
    }

  private:
    static void insert(Link& link, Link& before, Link& after) {
        ensure(!link.linked());
        link.next = &after;
        link.previous = &before;
        before.next = &link;
        after.previous = &link;
    }
    static T* member(Link* link) {
        static_assert(std::is_standard_layout_v<T> && offsetof(T, link) == 0);
        return reinterpret_cast<T*>(link);
    }

    Link circle_;
};

} // namespace rumpk
