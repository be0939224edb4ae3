// SPDX-License-Identifier: Apache-2.0
//
// Two threads, each held to a processor of its own, that run one sample against each other. A sample
// in which the host took a processor away is thrown out and taken again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

namespace bench {

// What one sample says.
struct Sample {
    double ns = 0;           // from the start to the later end
    double floor_before = 0; // a bare cache line's round trip, just before and just after
    double floor_after = 0;
    unsigned disturbed = 0; // how often it had to be taken again
    bool undisturbed = true;
};

class Duel {
  public:
    Duel(int first_cpu, int second_cpu);
    ~Duel();
    Duel(const Duel&) = delete;
    Duel& operator=(const Duel&) = delete;

    // `prepare` runs alone before each try; then `mine` on this thread and `other` on the other one
    // begin together.
    Sample run(const std::function<void()>& prepare, const std::function<void()>& mine,
               const std::function<void()>& other);

    // ns of a round trip of one cache line between the two, and nothing else.
    double ping_pong();

  private:
    struct Part {
        double ns = 0;
        bool disturbed = false;
    };

    // One try: whether neither side lost its processor, and how long it took.
    Part together(const std::function<void()>& mine, const std::function<void()>& other);
    static long switches();
    void serve(int cpu);

    const std::function<void()>* job_ = nullptr;
    alignas(64) std::atomic<uint32_t> order_ = 0; // counts jobs; the helper sleeps on it
    alignas(64) std::atomic<uint32_t> ready_ = 0;
    alignas(64) std::atomic<uint32_t> go_ = 0;
    alignas(64) std::atomic<uint32_t> done_ = 0;
    bool helper_disturbed_ = false;
    bool over_ = false;
    std::thread helper_;
};

// Two threads on one processor: what blocks lets the other one go on.
class Neighbours {
  public:
    explicit Neighbours(int cpu) : cpu_(cpu) {}
    // ns until both have ended.
    double run(const std::function<void()>& mine, const std::function<void()>& other) const;

  private:
    int cpu_;
};

// One processor is this thread's own from here on.
void pin(int cpu);
// Before everybody else, where the host lets this user ask for it; each sample does, for as long as it runs.
void ahead(bool on);
uint64_t now_ns();

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    asm volatile("yield");
#endif
}

} // namespace bench
