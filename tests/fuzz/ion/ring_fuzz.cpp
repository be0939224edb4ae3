// SPDX-License-Identifier: Apache-2.0
//
// The fuzzer plays both the adversary, who rewrites the ring's memory before every access, and the
// honest end's caller. See tests/unit/ion/hostile.h for what must hold.
#include "tests/unit/ion/hostile.h"

namespace {

class Script : public ion_test::Source {
  public:
    Script(const uint8_t* data, size_t size) : data_(data), left_(size) {}
    uint64_t next(unsigned bytes) override {
        uint64_t value = 0;
        for (; bytes != 0 && left_ != 0; --bytes, --left_) {
            value = value << 8 | *data_++;
        }
        return value;
    }
    bool used_up() override { return left_ == 0; }

  private:
    const uint8_t* data_;
    size_t left_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Script script(data, size);
    const uint64_t shape = script.next(1);
    const auto geometry = ion::Geometry::make(1u << (shape & 7), 32 + 16 * (shape >> 4 & 7));
    ion_test::Victim victim(*geometry, script);
    constexpr unsigned calls = 4096;
    switch ((shape >> 3 & 1) | (shape >> 6 & 2)) {
    case 0:
        victim.consume<ion_test::HookedConsumer>(calls);
        break;
    case 1:
        victim.produce<ion_test::HookedProducer>(calls);
        break;
    case 2:
        victim.consume<ion_test::HookedAcrossConsumer>(calls);
        break;
    default:
        victim.produce<ion_test::HookedAcrossProducer>(calls);
    }
    return 0;
}
