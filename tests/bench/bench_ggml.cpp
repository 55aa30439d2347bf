// SPDX-License-Identifier: Apache-2.0
// Plain conversion to ggml blocks from float16, beside a copy of the same bytes.
#include "core/codec/ggml_encode.h"
#include "core/tensor/ggml_blocks.h"
#include "tests/bench/bench.h"

#include <cstring>
#include <random>

using namespace qs;

QS_BENCH(ggml) {
    constexpr size_t kRows = 4096, kCols = 4096, kBytes = 2 * kRows * kCols;
    std::mt19937 rng(1);
    std::normal_distribution<float> normal(0.0f, 0.02f);
    std::vector<std::byte> halves(kBytes), copy(kBytes), out;
    for (size_t i = 0; i < kBytes; i += 2) {
        const uint16_t bits = floatToHalf(normal(rng));
        std::memcpy(halves.data() + i, &bits, sizeof bits);
    }
    const double memcpySpeed = kBytes / 1e9 / qs::bench::bestSeconds([&] {
                                   std::memcpy(copy.data(), halves.data(), kBytes);
                                   qs::bench::keep(copy.data());
                               });
    report.line("memcpy of float16", memcpySpeed, "GB/s");
    for (const GgmlGrid& grid : ggmlGrids()) {
        const GgmlType& type = grid.ggml();
        out.resize(kRows * kCols / type.elements * type.bytes);
        const qs::bench::Timing t = qs::bench::best([&] {
            if (const auto done = quantizeGgmlFromHalf(type, halves, kCols, out); !done)
                report.note(done.error().describe());
            qs::bench::keep(out.data());
        });
        const std::string name = "float16 to " + std::string(type.name);
        report.line(name, kBytes / 1e9 / t.wall, "GB/s", "memcpy", memcpySpeed);
        report.line(name + ", per core", kBytes / 1e9 / t.cpu, "GB/s");
    }
}
