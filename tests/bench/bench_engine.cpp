// SPDX-License-Identifier: Apache-2.0
// GEMM rate reached, Sigma, the GPTQ solve and its GEMM-bound share.
#include "core/backend/backend.h"
#include "core/linalg/blas.h"
#include "core/linalg/second_moment.h"
#include "core/quant/method.h"
#include "core/quant/transform/transform.h"
#include "tests/bench/bench.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace qs;

namespace {

Matrix randomMatrix(size_t rows, size_t cols, unsigned seed) {
    std::mt19937 rng(seed);
    std::normal_distribution<float> gauss;
    Matrix m(rows, cols);
    for (float& v : m.span())
        v = gauss(rng);
    return m;
}

double gemmRate(size_t m, size_t k, size_t n) {
    const Matrix a = randomMatrix(m, k, 1), b = randomMatrix(n, k, 2);
    Matrix c(m, n);
    const auto t = qs::bench::best([&] { linalg::gemm(false, true, 1, a.view(), b.view(), 0, c.view()); });
    return 2.0 * double(m) * double(n) * double(k) / (linalg::threads() == 1 ? t.cpu : t.wall) * 1e-9;
}

void gptqOf(size_t rows, size_t cols, double referenceSeconds, const qs::bench::Report& report, double rate) {
    auto backend = makeCpuBackend(1);
    const Matrix w = randomMatrix(rows, cols, 3), x = randomMatrix(2048, cols, 4);
    Tensor tx;
    if (!backend->upload(x.view(), tx)) return;
    MatrixD sigma(cols, cols);
    const auto sigmaTime = qs::bench::best(
        [&] {
            const auto moment = std::move(*backend->secondMoment(cols));
            (void)moment->add(tx);
            sigma = std::move(*moment->take());
        },
        0.2);
    const MethodDescriptor* method = *findMethod("gptq");
    const CodecDescriptor* codec = *findCodec("int");
    const auto grid =
        *codec->create(*Params::fromJson(codec->params, {{"bits", 4}, {"group", 128}}, "bench"));
    QuantizeInput in;
    in.weight = w.view();
    in.codec = grid.get();
    in.sigma = &sigma;
    in.params = Params::defaults(method->params);
    in.backend = backend.get();
    const auto solveTime = qs::bench::best(
        [&] {
            const auto q = method->quantize(in, {});
            qs::bench::keep(&q);
        },
        0.2);
    const std::string shape = "[" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
    report.line("Sigma of 2048 tokens, " + shape, sigmaTime.wall, "s");
    report.line("GPTQ 4-bit g128, Sigma + solve, one thread, " + shape, sigmaTime.wall + solveTime.wall, "s",
                "published code (torch)", referenceSeconds);
    report.line("  the same in processor time: Sigma", sigmaTime.cpu, "s");
    report.line("  the same in processor time: Sigma + solve", sigmaTime.cpu + solveTime.cpu, "s");
    const double n = double(cols), m = double(rows),
                 flops = n * n * 2048 + 1.0 / 3.0 * n * n * n * 2 + m * n * n;
    report.line("GEMM-bound share (flops at the sgemm rate / time), " + shape,
                flops / (rate * 1e9) / (sigmaTime.cpu + solveTime.cpu), "");
}

} // namespace

/// One line; `kernels` runs it once for each choice.
QS_BENCH(sgemm_rate) {
    linalg::setThreads(1);
    const Matrix a = randomMatrix(1024, 1024, 1), b = randomMatrix(1024, 1024, 2);
    Matrix c(1024, 1024);
    const auto t = qs::bench::best([&] { linalg::gemm(false, true, 1, a.view(), b.view(), 0, c.view()); });
    report.line(linalg::providerDescription(), 2.0 * 1024 * 1024 * 1024 / t.cpu * 1e-9,
                "GFLOP/s of processor time");
    linalg::setThreads(linalg::hardwareThreads());
}

// The choice must be the fastest of those that run here. OpenBLAS reads it once, hence a process for each.
QS_BENCH(kernels) {
    const char* self = "/proc/self/exe";
    std::array<char, 4096> path{};
    if (::readlink(self, path.data(), path.size() - 1) <= 0) return;
    for (const char* core : {"", "Prescott", "Sandybridge", "Haswell", "Zen", "SkylakeX"}) {
        report.note(*core ? "OPENBLAS_CORETYPE=" + std::string(core) : "chosen:");
        std::fflush(stdout);
        const pid_t child = ::fork();
        if (child == 0) {
            *core ? ::setenv("OPENBLAS_CORETYPE", core, 1) : ::unsetenv("OPENBLAS_CORETYPE");
            ::execl(path.data(), path.data(), "sgemm_rate", nullptr);
            ::_exit(1);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
    }
}

QS_BENCH(gemm) {
    report.note(linalg::providerDescription());
    for (int threads : {1, linalg::hardwareThreads()}) {
        linalg::setThreads(threads);
        const std::string t = std::to_string(threads) + (threads == 1 ? " thread" : " threads");
        report.line("sgemm [512 x 2048] x [2048 x 2048], " + t, gemmRate(512, 2048, 2048), "GFLOP/s");
        report.line("sgemm [512 x 2048] x [2048 x 5632], " + t, gemmRate(512, 2048, 5632), "GFLOP/s");
    }
}

void gptqOnOneThread(size_t rows, size_t cols, double referenceSeconds, const qs::bench::Report& report) {
    linalg::setThreads(1);
    const double rate = gemmRate(2048, 2048, 2048);
    report.line("sgemm [2048]^3, one thread", rate, "GFLOP/s");
    gptqOf(rows, cols, referenceSeconds, report, rate);
    linalg::setThreads(linalg::hardwareThreads());
}

/// Of the methods that look at second moments, beside rtn and gptq on the same weights.
QS_BENCH(method_costs) {
    linalg::setThreads(1);
    constexpr size_t kSize = 2048;
    auto backend = makeCpuBackend(1);
    const Matrix w = randomMatrix(kSize, kSize, 3), x = randomMatrix(kSize, kSize, 4);
    MatrixD sigma(kSize, kSize);
    linalg::addSecondMoment(x.view(), sigma.view());
    linalg::mirrorUpper(sigma.view());
    const auto grid = *createCodec(
        "int", *Params::fromJson((*findCodec("int"))->params, {{"bits", 4}, {"group", 128}}, "bench"));
    double gptq = 0;
    for (const auto& [id, params] : {std::pair<const char*, nlohmann::json>{"gptq", nlohmann::json::object()},
                                     {"rtn", nlohmann::json::object()},
                                     {"awq_clip", nlohmann::json::object()},
                                     {"quantease", nlohmann::json::object()},
                                     {"quantease", {{"outliers", 0.01}}},
                                     {"spqr", nlohmann::json::object()},
                                     {"quip", nlohmann::json::object()},
                                     {"lorc", nlohmann::json::object()}}) {
        const MethodDescriptor* method = *findMethod(id);
        QuantizeInput in;
        in.weight = w.view();
        in.codec = grid.get();
        in.sigma = &sigma;
        in.params = *Params::fromJson(method->params, params, "bench");
        in.backend = backend.get();
        const double seconds = qs::bench::best(
                                   [&] {
                                       const auto q = method->quantize(in, {});
                                       qs::bench::keep(&q);
                                   },
                                   0.2)
                                   .cpu;
        if (gptq == 0) gptq = seconds;
        report.line(std::string(id) + " " + params.dump() + ", 4 bits g128, [2048, 2048]", seconds, "s",
                    "gptq", gptq);
    }
    TransformInput in;
    in.readers.push_back({w.view(), grid.get(), {}, &sigma});
    in.absmax.assign(kSize, 4.0f);
    for (size_t c = 0; c < kSize; ++c)
        in.rms.push_back(float(std::sqrt(sigma(c, c) / kSize)));
    const TransformDescriptor* awq = *findTransform("awq");
    in.params = Params::defaults(awq->params);
    const double seconds = qs::bench::best([&] { (void)chooseFactors(*awq, in, {}); }, 0.2).cpu;
    report.line("awq's search for factors, [2048, 2048]", seconds, "s", "gptq", gptq);
    linalg::setThreads(linalg::hardwareThreads());
}

QS_BENCH(gptq_square) {
    gptqOnOneThread(2048, 2048, 1.80, report);
}
QS_BENCH(gptq_wide) {
    gptqOnOneThread(2048, 5632, 10.30, report);
}
QS_BENCH(gptq_tall) {
    gptqOnOneThread(5632, 2048, 3.76, report);
}
