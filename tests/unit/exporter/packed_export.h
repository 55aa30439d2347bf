// SPDX-License-Identifier: Apache-2.0
// Writing a packed layout from the fixture, and looking at the words of what was written.
#pragma once

#include "core/export/packed_format.h"
#include "core/model/packed/packed_linear.h"
#include "tests/unit/exporter/export_fixture.h"

#include <cstring>

namespace qs::test {

struct PackedExport {
    std::filesystem::path folder;
    Receipt receipt;
    std::shared_ptr<const Checkpoint> checkpoint;
    nlohmann::ordered_json settings; ///< quantization_config
};

/// Through the exporter of the registry, as `write` and `verify` do it, but from the fixture.
inline Result<PackedExport> exportPacked(const ExportSource& s, MakePackedFormat make, const char* name) {
    PackedExport w;
    w.folder = scratchDir(name);
    QS_CHECK(writePacked(s, make, w.folder, JobContext()));
    QS_TRY(w.receipt, verifyPacked(s, make, w.folder, JobContext()));
    QS_TRY(w.checkpoint, openCheckpoint(w.folder));
    w.settings = nlohmann::ordered_json::parse(readAll(w.folder / "config.json")).at("quantization_config");
    return w;
}

inline SchemeOf everywhere(const char* codec, nlohmann::json params) {
    return [codec, params](const QuantTarget&) { return schemeOf(codec, params); };
}

inline SchemeOf everywhere(nlohmann::json params) {
    return [params](const QuantTarget&) { return intScheme(params); };
}

template<class T>
std::vector<T> rawValues(const Checkpoint& c, const std::string& name) {
    const size_t i = c.find(name);
    const auto bytes =
        i == Checkpoint::npos ? Result<std::span<const std::byte>>(Error::notFound(name)) : c.rawBytes(i);
    std::vector<T> out(bytes ? bytes->size() / sizeof(T) : 0);
    if (bytes) std::memcpy(out.data(), bytes->data(), out.size() * sizeof(T));
    return out;
}

/// The `i`-th field of `bits` of a little-endian stream, bit by bit.
inline int streamField(const std::vector<uint32_t>& words, size_t first, size_t stride, int bits, size_t i) {
    int value = 0;
    for (int b = 0; b < bits; ++b) {
        const size_t bit = i * size_t(bits) + size_t(b);
        value |= int(words.at(first + bit / 32 * stride) >> (bit % 32) & 1u) << b;
    }
    return value;
}

/// "" when every value of the folder's linears is what the run holds.
inline std::string wrongValue(const Fixture& f, const PackedExport& w) {
    const auto weights = checkpointWeights(w.checkpoint);
    for (const auto& [module, q] : f.tensors) {
        const auto values = weights->matrix("model." + module + ".weight");
        if (!values) return values.error().describe();
        if (values->rows() != q.rows || values->cols() != q.cols) return module + ": shape";
        for (size_t r = 0; r < q.rows; ++r)
            for (size_t c = 0; c < q.cols; ++c)
                if (!((*values)(r, c) == valueAt(q, r, c))) return module + ": values";
    }
    return {};
}

} // namespace qs::test
