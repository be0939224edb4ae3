// SPDX-License-Identifier: Apache-2.0
//
// A binary heap without an array: a complete tree whose k-th node, counted from 1 in level order, is
// found from the root by k's binary digits below the highest, 0 to the left, 1 to the right.
#include <bit>
#include <utility>

#include "nexus/task_frame.h"

namespace nexus::detail {

namespace {

// In a heap a node's `next` is its left child and `previous` its right one.
[[nodiscard]] bool before(const Links& one, const Links& other) {
    const auto& a = static_cast<const PromiseBase&>(one);
    const auto& b = static_cast<const PromiseBase&>(other);
    if (a.when != b.when) {
        return a.when < b.when;
    }
    return static_cast<int32_t>(a.order - b.order) < 0; // the counter wraps
}

} // namespace

Links** TimedHeap::place(size_t number, Links*& parent) {
    Links** at = &root_;
    parent = nullptr;
    for (int digit = std::bit_width(number) - 2; digit >= 0; --digit) {
        parent = *at;
        at = (number >> digit & 1) != 0 ? &parent->previous : &parent->next;
    }
    return at;
}

// `by` takes the place of `node` in the tree.
void TimedHeap::replace(Links& node, Links& by) {
    by.next = node.next;
    by.previous = node.previous;
    by.parent = node.parent;
    if (node.parent == nullptr) {
        root_ = &by;
    } else {
        (node.parent->next == &node ? node.parent->next : node.parent->previous) = &by;
    }
    for (Links* child : {by.next, by.previous}) {
        if (child != nullptr) {
            child->parent = &by;
        }
    }
}

void TimedHeap::swap_with_parent(Links& node) {
    Links& parent = *node.parent;
    const bool left = parent.next == &node;
    Links* const sibling = left ? parent.previous : parent.next;
    Links* const children[2] = {node.next, node.previous};
    Links* const above = parent.parent;
    node.parent = above;
    (above == nullptr ? root_ : above->next == &parent ? above->next : above->previous) = &node;
    (left ? node.next : node.previous) = &parent;
    (left ? node.previous : node.next) = sibling;
    if (sibling != nullptr) {
        sibling->parent = &node;
    }
    parent.parent = &node;
    parent.next = children[0];
    parent.previous = children[1];
    for (Links* child : children) {
        if (child != nullptr) {
            child->parent = &parent;
        }
    }
}

void TimedHeap::rise(Links& node) {
    while (node.parent != nullptr && before(node, *node.parent)) {
        swap_with_parent(node);
    }
}

void TimedHeap::sink(Links& node) {
    while (node.next != nullptr) { // a complete tree: who has one child has a left one
        Links* const right = node.previous;
        Links& least = right != nullptr && before(*right, *node.next) ? *right : *node.next;
        if (!before(least, node)) {
            return;
        }
        swap_with_parent(least);
    }
}

void TimedHeap::insert(PromiseBase& promise, uint64_t when) {
    promise.when = when;
    promise.order = next_order_++;
    promise.state = State::timed;
    promise.next = promise.previous = nullptr;
    Links* parent = nullptr;
    *place(++size_, parent) = &promise;
    promise.parent = parent;
    rise(promise);
}

void TimedHeap::remove(PromiseBase& promise) {
    promise.state = State::idle;
    Links* parent = nullptr;
    Links** const at = place(size_--, parent);
    Links& last = *std::exchange(*at, nullptr);
    if (&last == &promise) {
        return;
    }
    replace(promise, last);
    rise(last);
    sink(last);
}

} // namespace nexus::detail
