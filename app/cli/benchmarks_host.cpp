// SPDX-License-Identifier: Apache-2.0
#include "app/cli/benchmarks.h"
#include "core/backend/selftest/cases.h"
#include "core/codec/codec.h"
#include "core/codec/ggml_encode.h"
#include "core/metrics/channel_stats.h"
#include "core/metrics/weight_scan.h"
#include "core/quant/method.h"
#include "core/tensor/convert.h"
#include "core/tensor/ggml_blocks.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

namespace {

constexpr size_t kRows = 4096, kCols = 4096;
constexpr double kGiga = 1e-9;

/// GB/s of `bytes` that a call works on.
Result<double> rate(double bytes, const std::function<Result<void>()>& call) {
    QS_TRY(const double seconds, secondsOf(call));
    return bytes / seconds * kGiga;
}

/// float16 weights to blocks of llama.cpp.
Result<void> benchBlocks(const Matrix& w, Figures& out) {
    std::vector<std::byte> halves(2 * w.size()), encoded;
    floatToHalfBulk(w.data(), halves.data(), w.size());
    for (const GgmlGrid& grid : ggmlGrids()) {
        const GgmlType& type = grid.ggml();
        const std::string name(type.name);
        if (name != "Q8_0" && name != "Q4_0" && name != "Q4_K") continue;
        encoded.resize(w.size() / type.elements * type.bytes);
        QS_TRY(const double speed, rate(double(halves.size()), [&] {
                   return quantizeGgmlFromHalf(type, halves, w.cols(), encoded);
               }));
        out.push_back({fmt::format("float16 to {}", name), speed, "GB/s of float16", 0, ""});
    }
    return {};
}

/// Nearest 4-bit codes in groups of 128.
Result<void> benchNearest(const Matrix& w, Figures& out) {
    QS_TRY(const MethodDescriptor* method, findMethod("rtn"));
    QS_TRY(const CodecDescriptor* codec, findCodec("int"));
    QS_TRY(const Params grid, Params::fromJson(codec->params, {{"bits", 4}, {"group", 128}}, "int"));
    QS_TRY(const auto made, codec->create(grid));
    QuantizeInput in;
    in.weight = w.view();
    in.codec = made.get();
    in.params = Params::defaults(method->params);
    QS_TRY(const double speed, rate(2.0 * double(w.size()), [&]() -> Result<void> {
               QS_CHECK(method->quantize(in, {}));
               return {};
           }));
    out.push_back({"nearest int4 in groups of 128", speed, "GB/s of float16", 0, ""});
    return {};
}

} // namespace

Result<Figures> benchHost(const Ceilings& ceilings, const JobContext& job) {
    Figures out;
    const Matrix w = selftest::randomMatrix(kRows, kCols, 1, 0.05);
    QS_TRY(const double statistics, rate(double(w.size()) * sizeof(float), [&]() -> Result<void> {
               QS_CHECK(tensorStats(w.view(), 64, job));
               return {};
           }));
    out.push_back({fmt::format("statistics of w [{}, {}], exact percentiles", kRows, kCols), statistics,
                   "GB/s", ceilings.readBytes, "reading memory"});
    const Matrix large = matrixInMemory();
    QS_TRY(const double scan, rate(double(large.size()) * sizeof(float), [&]() -> Result<void> {
               QS_CHECK(scanWeights(large.view(), job));
               return {};
           }));
    out.push_back({fmt::format("scan of w [{}, {}], without percentiles", large.rows(), large.cols()), scan,
                   "GB/s", ceilings.readBytes, "reading memory"});
    ChannelAccumulator stream(kCols);
    QS_TRY(const double activations, rate(double(w.size()) * sizeof(float), [&]() -> Result<void> {
               stream.add(w.view());
               return job.checkpoint();
           }));
    out.push_back({fmt::format("statistics of activations [{}, {}]", kRows, kCols), activations, "GB/s",
                   ceilings.readBytes, "reading memory"});
    QS_CHECK(benchBlocks(w, out));
    QS_CHECK(benchNearest(w, out));
    return out;
}

} // namespace qs::cli
