// SPDX-License-Identifier: Apache-2.0
// Lines of execution that can be left and gone back to, each on a stack of its own: what a fiber, an
// interrupt and a whole core are to the simulation.
#pragma once

#include <cstddef>
#include <memory>

namespace rumpk::simulated {

// The memory that stands for one of the kernel's stacks. Larger than that: sanitizers want room.
struct HostStack {
    static constexpr size_t size = 128U << 10;
    std::unique_ptr<std::byte[]> memory = std::make_unique<std::byte[]>(size);
};

class Flow {
  public:
    // Calls entry(argument) on that stack when first gone to. entry does not return.
    void prepare(HostStack& stack, void (*entry)(void*), void* argument);
    // Leaves the one that runs, which is `from`, and goes on in the other, on the same core. Returns when
    // somebody goes back.
    static void go(Flow& from, Flow& to);
    // The same between a core and the engine, which chooses whose turn it is.
    static void turn(Flow& from, Flow& to);
    // Can it be gone to? Not while it runs, nor before it was prepared or left.
    [[nodiscard]] bool waits() const { return waits_; }
    // On which it runs or will go on; nullptr: the process's own.
    [[nodiscard]] HostStack* stack() const { return stack_; }
    void set_stack(HostStack* stack) { stack_ = stack; }

  private:
    static void first();
    static void jump(Flow& from, Flow& to);

    void* where_[5]{};
    HostStack* stack_ = nullptr;
    void (*entry_)(void*) = nullptr; // nullptr: it has begun
    void* argument_ = nullptr;
    bool waits_ = false;
};

} // namespace rumpk::simulated
