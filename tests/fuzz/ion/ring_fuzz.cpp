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
    const auto geometry = ion::Geometry::make(1u << (shape & 7), 32 + 16 * (shape >> 4));
    ion_test::Victim victim(*geometry, script);
    if (shape & 8) {
        victim.produce(4096);
    } else {
        victim.consume(4096);
    }
    return 0;
}
