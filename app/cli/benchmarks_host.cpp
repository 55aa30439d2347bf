// SPDX-License-Identifier: Apache-2.0
#include "app/cli/benchmarks.h"
#include "core/backend/selftest/cases.h"
#include "core/base/timing.h"
#include "core/codec/codec.h"
#include "core/codec/ggml_encode.h"
#include "core/metrics/channel_stats.h"
#include "core/quant/method.h"
#include "core/tensor/convert.h"
#include "core/tensor/ggml_blocks.h"

#include <fmt/format.h>

namespace qs::cli {

namespace {

constexpr size_t kRows = 4096, kCols = 4096;
constexpr double kGiga = 1e-9;

} // namespace

Result<Figures> benchHost(const Ceilings& ceilings, const JobContext& job) {
    Figures out;
    const Matrix w = selftest::randomMatrix(kRows, kCols, 1, 0.05);
    const double bytes = double(w.size()) * sizeof(float);
    Result<void> failed;
    const auto rate = [&](double moved, const std::function<Result<void>()>& call) {
        return moved / bestTiming([&] {
                           if (auto r = call(); !r) failed = std::move(r);
                       }).wall *
               kGiga;
    };
    out.push_back({fmt::format("statistics of w [{}, {}]", kRows, kCols),
                   rate(bytes,
                        [&]() -> Result<void> {
                            QS_CHECK(tensorStats(w.view(), 64, job));
                            return {};
                        }),
                   "GB/s", ceilings.readBytes, "reading memory"});
    std::vector<std::byte> halves(2 * w.size()), encoded;
    floatToHalfBulk(w.data(), halves.data(), w.size());
    for (const char* name : {"Q8_0", "Q4_0", "Q4_K"}) {
        QS_CHECK(job.checkpoint());
        const auto& grids = ggmlGrids();
        const auto grid = std::find_if(grids.begin(), grids.end(),
                                       [&](const GgmlGrid& g) { return g.ggml().name == std::string(name); });
        if (grid == grids.end()) continue;
        const GgmlType& type = grid->ggml();
        encoded.resize(w.size() / type.elements * type.bytes);
        out.push_back(
            {fmt::format("float16 to {}", name),
             rate(double(halves.size()), [&] { return quantizeGgmlFromHalf(type, halves, kCols, encoded); }),
             "GB/s of float16", 0, ""});
    }
    if (!failed) return failed.takeError();
    return out;
}

} // namespace qs::cli
