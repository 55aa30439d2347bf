// SPDX-License-Identifier: Apache-2.0
// Small GGUF files for the reader's tests, opened.
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "tests/support/gguf_file.h"
#include "tests/support/qs_test.h"

namespace qs::test {

inline std::filesystem::path written(const char* folder, const GgufBuilder& b, const char* name = "m.gguf") {
    const std::filesystem::path path = scratchDir(folder) / name;
    b.write(path);
    return path;
}
inline QString openError(const std::filesystem::path& path) {
    const auto opened = openCheckpoint(path);
    return opened ? QString() : QString::fromStdString(opened.error().describe());
}
inline std::vector<float> counted(size_t n) {
    std::vector<float> v(n);
    for (size_t i = 0; i < n; ++i)
        v[i] = float(i);
    return v;
}
/// The first column of a tensor whose rows are all alike but for their number.
inline std::vector<int> rowNumbers(const Checkpoint& c, const std::string& name, int perRow) {
    const auto m = c.readMatrix(name);
    std::vector<int> rows;
    if (m)
        for (size_t r = 0; r < m->rows(); ++r)
            rows.push_back(int((*m)(r, 0)) / perRow);
    return rows;
}
inline std::vector<float> valuesOf(const Checkpoint& c, const std::string& name) {
    const auto m = c.readMatrix(name);
    return m ? std::vector<float>(m->span().begin(), m->span().end()) : std::vector<float>();
}

/// The keys that every architecture needs: two blocks, four heads of 4.
inline GgufBuilder sized(const std::string& arch, const char* epsilon, uint32_t kvHeads = 2) {
    GgufBuilder b;
    b.text("general.architecture", arch)
        .u32(arch + ".embedding_length", 16)
        .u32(arch + ".block_count", 2)
        .u32(arch + ".feed_forward_length", 24)
        .u32(arch + ".context_length", 128)
        .u32(arch + ".attention.head_count", 4)
        .u32(arch + ".attention.head_count_kv", kvHeads)
        .f32(arch + ".attention." + epsilon, 1e-6f);
    b.floats("token_embd.weight", {10, 16}, counted(160));
    return b;
}
inline constexpr const char* kRms = "layer_norm_rms_epsilon";
inline constexpr const char* kLayer = "layer_norm_epsilon";

} // namespace qs::test

#define VERIFY_MENTIONS(text, ...)                                                                           \
    for (const char* wanted : {__VA_ARGS__})                                                                 \
    QVERIFY2((text).contains(QLatin1String(wanted)), qPrintable(QString("'%1' not in: %2").arg(wanted, text)))

#define OPEN(variable, path)                                                                                 \
    const auto variable##Result = openCheckpoint(path);                                                      \
    QS_VERIFY_OK(variable##Result);                                                                          \
    const Checkpoint& variable = **variable##Result
