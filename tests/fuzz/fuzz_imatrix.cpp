// SPDX-License-Identifier: Apache-2.0
// An importance matrix in either format: what is accepted must have sums for every expert and channel.
#include "core/calibrate/imatrix.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("fuzz_imatrix." + std::to_string(getpid()));
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(data), std::streamsize(size));
    const auto m = qs::readImatrix(path);
    if (!m) return 0;
    if (m->entries.empty()) std::abort();
    for (const qs::ImatrixEntry& e : m->entries) {
        if (e.counts.empty() || e.sum2.size() != e.experts() * e.channels) std::abort();
        if (e.sum2.size() * sizeof(float) > size) std::abort();
        for (const float v : e.sum2)
            if (!(v >= 0) || !std::isfinite(v)) std::abort();
    }
    return 0;
}
