// SPDX-License-Identifier: Apache-2.0
// Opening and reading: header-only open of 100 000 tensors, conversion and statistics beside a plain copy.
#include "core/checkpoint/checkpoint.h"
#include "core/linalg/blas.h"
#include "core/metrics/channel_stats.h"
#include "tests/bench/bench.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>

using namespace qs;
namespace fs = std::filesystem;

namespace {

/// A sparse file: the header is real, the data a hole.
fs::path syntheticCheckpoint(size_t tensors) {
    const fs::path dir = fs::temp_directory_path() / ("quantoscope-bench-" + std::to_string(::getpid()));
    fs::create_directories(dir);
    std::string header = "{";
    uint64_t offset = 0;
    for (size_t i = 0; i < tensors; ++i) {
        const uint64_t end = offset + 2 * 128 * 64;
        header += (i ? "," : "") + std::string("\"model.layers.") + std::to_string(i / 100) +
                  ".mlp.experts." + std::to_string(i % 100) +
                  ".down_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[128,64],\"data_offsets\":[" +
                  std::to_string(offset) + "," + std::to_string(end) + "]}";
        offset = end;
    }
    header += "}";
    while (header.size() % 8)
        header += ' ';
    const uint64_t length = header.size();
    std::ofstream(dir / "model.safetensors", std::ios::binary)
        .write(reinterpret_cast<const char*>(&length), 8)
        .write(header.data(), std::streamsize(length));
    fs::resize_file(dir / "model.safetensors", 8 + length + offset);
    return dir;
}

} // namespace

QS_BENCH(open) {
    const fs::path dir = syntheticCheckpoint(100000);
    const double s = qs::bench::bestSeconds([&] {
        const auto c = openCheckpoint(dir);
        if (!c) report.note(c.error().describe());
        qs::bench::keep(&c);
    });
    report.line("header-only open, 100 000 tensors, 1.6 GB", s * 1e3, "ms", "target", 250);
    std::error_code ec;
    fs::remove_all(dir, ec);
}

QS_BENCH(scan) {
    constexpr size_t kRows = 4096, kCols = 4096;
    std::mt19937 rng(1);
    std::normal_distribution<float> gauss(0, 0.02f);
    Matrix m(kRows, kCols), copy(kRows, kCols);
    for (float& v : m.span())
        v = gauss(rng);
    const double bytes = double(m.size()) * 4;
    const double copySeconds = qs::bench::bestSeconds([&] {
        std::memcpy(copy.data(), m.data(), m.size() * 4);
        qs::bench::keep(copy.data());
    });
    report.line("memcpy, 64 MiB", bytes / copySeconds * 1e-9, "GB/s");
    std::vector<uint16_t> half(m.size());
    if (!fromFloat(m.span(), DType::F16, std::as_writable_bytes(std::span(half)))) return;
    const double convert = qs::bench::bestSeconds([&] {
        (void)toFloat(DType::F16, std::as_bytes(std::span(half)), copy.span());
        qs::bench::keep(copy.data());
    });
    report.line("F16 to F32", bytes / 2 / convert * 1e-9, "GB/s of F16", "memcpy",
                bytes / copySeconds * 1e-9);
    ChannelAccumulator accumulator(kCols);
    const double stream = qs::bench::bestSeconds([&] {
        accumulator.add(m.view());
        qs::bench::keep(&accumulator);
    });
    report.line("activation statistics (one stream)", bytes / stream * 1e-9, "GB/s", "memcpy",
                bytes / copySeconds * 1e-9);
    for (int threads = 1; threads <= std::min(2, linalg::hardwareThreads()); ++threads) {
        linalg::setThreads(threads);
        const auto all = qs::bench::best([&] {
            const auto s = tensorStats(m.view(), 512, {});
            qs::bench::keep(&s);
        });
        const std::string what =
            "full weight statistics with exact percentiles, threads: " + std::to_string(threads);
        report.line(what, bytes / all.wall * 1e-9, "GB/s", "memcpy", bytes / copySeconds * 1e-9);
        report.line("  the same per processor second", bytes / all.cpu * 1e-9, "GB/s");
    }
    linalg::setThreads(linalg::hardwareThreads());
}
