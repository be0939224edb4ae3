// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a boot table: once as they are, once with a checksum that agrees,
// so that the fuzzer gets to the fields behind it.
#include <cstdlib>
#include <cstring>

#include "core/boot_table.h"
#include "tests/unit/core/table_image.h"

namespace {

void read(std::span<const std::byte> image) {
    const auto table = rumpk::BootTable::read(image);
    if (table && !core_test::holds_what_it_promises(*table, image)) {
        std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const core_test::PageAligned image(std::as_bytes(std::span(data, size)));
    read(image.bytes());
    rumpk_boot_table header;
    if (size < sizeof header) {
        return 0;
    }
    std::memcpy(&header, data, sizeof header);
    if (header.size >= sizeof header && header.size <= size) {
        header.checksum = rumpk::crc32(image.bytes().subspan(sizeof header, header.size - sizeof header));
        std::memcpy(image.bytes().data(), &header, sizeof header);
        read(image.bytes());
    }
    return 0;
}
