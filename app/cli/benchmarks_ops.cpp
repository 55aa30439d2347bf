// SPDX-License-Identifier: Apache-2.0
#include "app/cli/benchmarks.h"
#include "core/backend/selftest/cases.h"
#include "core/backend/sums.h"
#include "core/base/timing.h"
#include "core/linalg/parallel.h"

#include <atomic>
#include <fmt/format.h>
#include <numeric>

namespace qs::cli {

namespace {

using selftest::randomMatrix;
using selftest::up;

constexpr size_t kTokens = 2048, kWindow = 512, kHidden = 2048, kIntermediate = 5632, kHeads = 32,
                 kKvHeads = 4;
constexpr double kGiga = 1e-9;

Result<double> linearRate(Backend& be, size_t tokens, size_t in, size_t out) {
    QS_TRY(const Tensor x, up(be, randomMatrix(tokens, in, 1)));
    Tensor w;
    QS_CHECK(be.uploadWeight(randomMatrix(out, in, 2).view(), w));
    QS_TRY(Tensor y, be.allocate(tokens, out));
    QS_TRY(const double s, secondsOf([&]() -> Result<void> {
               QS_CHECK(be.linear(x, w, nullptr, y));
               return finish(be, y);
           }));
    return 2.0 * double(tokens) * double(in) * double(out) / s * kGiga;
}

/// GB/s of reading memory that no cache holds.
double readRate() {
    const Matrix m = matrixInMemory();
    std::atomic<double> total{0};
    const Timing t = bestTiming([&] {
        linalg::parallelFor(m.rows(), 256, [&](size_t begin, size_t end) {
            float sums[64] = {};
            for (size_t i = begin * m.cols(); i < end * m.cols(); i += 64)
                for (size_t k = 0; k < 64; ++k)
                    sums[k] += m.data()[i + k];
            total = total + double(std::accumulate(sums, sums + 64, 0.0f));
        });
    });
    return double(m.size()) * sizeof(float) / t.wall * kGiga;
}

Result<void> benchProducts(Backend& be, const Ceilings& c, Figures& out) {
    const bool half = be.precision() == Precision::BF16;
    const double ceiling = half ? c.bf16 : c.f32;
    const std::string of = fmt::format("{} product rate", precisionName(be.precision()));
    for (const auto& [in, n] : {std::pair<size_t, size_t>{kHidden, kHidden},
                                {kHidden, kIntermediate},
                                {kIntermediate, kHidden},
                                {kHidden, 256}}) {
        QS_TRY(const double rate, linearRate(be, kTokens, in, n));
        out.push_back({fmt::format("linear, x [{}, {}], w [{}, {}]", kTokens, in, n, in), rate, "GFLOP/s",
                       ceiling, of});
    }
    QS_TRY(const Tensor x, up(be, randomMatrix(kTokens, kIntermediate, 3)));
    QS_TRY(const auto sigma, be.secondMoment(kIntermediate));
    QS_TRY(const double s, secondsOf([&]() -> Result<void> {
               QS_CHECK(sigma->add(x));
               return finish(be, x);
           }));
    out.push_back({fmt::format("Sigma, x [{}, {}]", kTokens, kIntermediate),
                   double(kTokens) * kIntermediate * kIntermediate / s * kGiga, "GFLOP/s", ceiling, of});
    return {};
}

Result<void> benchAttention(Backend& be, const Ceilings& c, Figures& out) {
    const size_t d = kHidden / kHeads;
    QS_TRY(const Tensor q, up(be, randomMatrix(kTokens, kHidden, 4)));
    QS_TRY(const Tensor k, up(be, randomMatrix(kTokens, kKvHeads * d, 5)));
    QS_TRY(const Tensor v, up(be, randomMatrix(kTokens, kKvHeads * d, 6)));
    QS_TRY(Tensor y, be.allocate(kTokens, kHidden));
    const AttentionShape shape{
        .heads = kHeads, .kvHeads = kKvHeads, .windowLength = kWindow, .scale = 0.125f, .keyBias = {}};
    QS_TRY(const double s, secondsOf([&]() -> Result<void> {
               QS_CHECK(be.attention(q, k, v, shape, y));
               return finish(be, y);
           }));
    // Half of the scores are causal.
    const double flops = 2.0 * double(kTokens) * kWindow * kHidden;
    out.push_back({fmt::format("attention, {} tokens in windows of {}, {} heads", kTokens, kWindow, kHeads),
                   flops / s * kGiga, "GFLOP/s", c.f32, "f32 product rate"});
    return {};
}

Result<void> benchRows(Backend& be, const Ceilings& c, Figures& out) {
    QS_TRY(Tensor x, up(be, randomMatrix(kTokens, kIntermediate, 7)));
    QS_TRY(const Tensor by, up(be, randomMatrix(kTokens, kIntermediate, 8)));
    QS_TRY(const Tensor gain, up(be, randomMatrix(1, kIntermediate, 9)));
    const double bytes = double(kTokens) * kIntermediate * sizeof(float);
    const auto add = [&](const char* what, double moved, const auto& operation) -> Result<void> {
        QS_TRY(const double s, secondsOf([&]() -> Result<void> {
                   QS_CHECK(operation());
                   return finish(be, x);
               }));
        const bool host = be.inMainMemory();
        out.push_back({fmt::format("{}, x [{}, {}]", what, kTokens, kIntermediate), moved / s * kGiga, "GB/s",
                       host ? c.readBytes : 0, host ? "reading memory" : ""});
        return {};
    };
    QS_CHECK(add("rms norm", 2 * bytes, [&] { return be.rmsNorm(x, gain, 1e-5, x); }));
    // The product of a zero stays one: repeated, other values would end as denormal numbers.
    QS_TRY(x, be.allocate(kTokens, kIntermediate));
    QS_CHECK(add("silu x up", 3 * bytes, [&] { return be.activateMultiply(Activation::Silu, x, by); }));
    return add("add", 3 * bytes, [&] { return be.add(x, by); });
}

} // namespace

Result<double> secondsOf(const std::function<Result<void>()>& call) {
    Result<void> failed;
    const Timing t = bestTiming([&] {
        if (auto r = call(); !r) failed = std::move(r);
    });
    if (!failed) return failed.takeError();
    return t.wall;
}

Result<void> finish(Backend& be, const Tensor& t) {
    const Tensor one{t.buffer, 1, 1};
    Matrix m(1, 1);
    return be.download(one, m.view());
}

Matrix matrixInMemory() {
    Matrix m(16384, 8192);
    linalg::parallelFor(m.rows(), 64, [&](size_t begin, size_t end) {
        for (size_t i = begin * m.cols(); i < end * m.cols(); ++i)
            m.data()[i] = float(int32_t(uint32_t(i) * 2654435761u)) * 0x1p-36f;
    });
    return m;
}

Result<Ceilings> measureCeilings(const std::string& device, int threads, const JobContext& job) {
    Ceilings c;
    for (const Precision p : {Precision::F32, Precision::BF16}) {
        QS_CHECK(job.checkpoint());
        QS_TRY(const auto backend, makeBackend(device, threads, p));
        QS_TRY((p == Precision::F32 ? c.f32 : c.bf16), linearRate(*backend, 2048, 2048, 2048));
    }
    c.readBytes = readRate();
    return c;
}

Result<Figures> benchOperations(Backend& backend, const Ceilings& ceilings, const JobContext& job) {
    Figures out;
    QS_CHECK(benchProducts(backend, ceilings, out));
    QS_CHECK(job.checkpoint());
    QS_CHECK(benchAttention(backend, ceilings, out));
    QS_CHECK(job.checkpoint());
    QS_CHECK(benchRows(backend, ceilings, out));
    return out;
}

} // namespace qs::cli
