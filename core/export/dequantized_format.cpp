// SPDX-License-Identifier: Apache-2.0
#include "core/export/dequantized_format.h"

#include "core/export/export_folder.h"
#include "core/export/packed_lint.h"
#include "core/export/verify.h"
#include "core/export/weight_files.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

using Entries = std::vector<const PlanEntry*>; ///< of one stored tensor

/// Nothing when every tensor keeps the source's.
std::optional<DType> askedType(const ExportSource& source) {
    const std::string& asked = source.params.choice("dtype");
    if (asked == "f32") return DType::F32;
    if (asked == "f16") return DType::F16;
    if (asked == "bf16") return DType::BF16;
    return std::nullopt;
}

/// The type that tensor `index` is written in.
Result<DType> outputType(const ExportSource& source, size_t index) {
    if (const auto asked = askedType(source)) return *asked;
    const TensorInfo& t = source.checkpoint().tensors()[index];
    if (t.dtype == DType::F32 || t.dtype == DType::F16 || t.dtype == DType::BF16) return t.dtype;
    return Error::unsupported(
        fmt::format("the source stores it as {}: choose dtype f32, f16 or bf16", dtypeInfo(t.dtype).name),
        t.name);
}

/// The stored tensor's values with those of its quantized linears in their places; the rest as in the source.
Result<Matrix> mergedValues(TensorCache& cache, const Checkpoint& checkpoint, size_t index,
                            const Entries& entries) {
    Matrix values;
    if (!entries.front()->target.place.whole()) {
        QS_TRY(values, checkpoint.readMatrix(index));
    }
    for (const PlanEntry* e : entries) {
        QS_TRY(const auto q, cache.get(*e));
        QS_TRY(const auto codec, codecOf(*q));
        Matrix weight = codec->dequantize(*q);
        if (e->target.place.whole())
            values = std::move(weight);
        else
            scatterPlace(e->target.place, weight.view(), values.view());
    }
    return values;
}

Result<void> fillRounded(TensorCache& cache, const Checkpoint& checkpoint, size_t index,
                         const Entries& entries, DType type, std::span<std::byte> out) {
    QS_TRY(const Matrix values, mergedValues(cache, checkpoint, index, entries));
    return storeFinite(values.view(), type, out);
}

Result<WeightFiles> dequantizedFiles(const ExportSource& source, std::shared_ptr<TensorCache> cache) {
    const Checkpoint& checkpoint = source.checkpoint();
    WeightFiles files(checkpoint, source.metadata);
    const auto entries = source.entriesOfTensor();
    for (size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].empty()) {
            files.addKept(i);
            continue;
        }
        QS_TRY(const DType type, outputType(source, i));
        const TensorInfo& t = checkpoint.tensors()[i];
        files.add(i, {t.name, type, t.shape,
                      [cache, type, i, &checkpoint, own = entries[i]](std::span<std::byte> out) {
                          return fillRounded(*cache, checkpoint, i, own, type, out);
                      }});
    }
    if (const auto megabytes = uint64_t(source.params.integer("shard_mb")))
        files.shardBySize(megabytes * 1000000);
    return files;
}

/// The config that the written folder must have; null when the source has none.
Result<nlohmann::ordered_json> plannedConfig(const ExportSource& source) {
    QS_TRY(auto config, sourceConfig(source.checkpoint()));
    if (const auto asked = askedType(source); asked && !config.is_null()) setConfigDtype(config, *asked);
    return config;
}

/// Codes that would not survive a second quantization on the same grid, because rounding moved the value past
/// the middle between two codes.
size_t codesLost(const Codec& codec, const QuantizedTensor& q, size_t row, const float* stored,
                 const float* exact) {
    if (codec.vectorRows() > 1) return 0; // a row alone cannot be quantized again
    std::vector<float> scale(q.cols), zero(q.cols), value(q.cols);
    std::vector<uint8_t> code(q.cols);
    const size_t r = q.parameterRow(row);
    for (size_t c = 0; c < q.cols; ++c) {
        scale[c] = q.scale(r, q.groupOf(c));
        zero[c] = q.zero(r, q.groupOf(c));
    }
    TensorCodec(codec, q)->round(stored, q.cols, scale.data(), zero.data(), code.data(), value.data());
    size_t lost = 0;
    for (size_t c = 0; c < q.cols; ++c)
        lost += code[c] != q.codes[row * q.cols + c] && value[c] != exact[c];
    return lost;
}

/// The bytes of the written tensor against the planned values; its values into `stored`.
Result<void> compareRows(const Matrix& exact, std::span<const std::byte> bytes, DType type, Matrix& stored,
                         ReceiptLine& line, const JobContext& job) {
    const size_t rowBytes = exact.cols() * size_t(dtypeInfo(type).bits / 8);
    std::vector<std::byte> expected(rowBytes);
    size_t different = 0;
    for (size_t r = 0; r < exact.rows(); ++r) {
        QS_CHECK(job.checkpoint());
        const auto have = bytes.subspan(r * rowBytes, rowBytes);
        QS_CHECK(fromFloat({exact.row(r), exact.cols()}, type, expected));
        QS_CHECK(toFloat(type, have, {stored.row(r), stored.cols()}));
        different += std::memcmp(have.data(), expected.data(), rowBytes) != 0;
        for (size_t c = 0; c < exact.cols(); ++c) {
            if (std::isfinite(stored(r, c)))
                line.maxDelta = std::max(line.maxDelta, std::abs(double(stored(r, c)) - double(exact(r, c))));
            else
                ++line.notFinite;
        }
    }
    if (different) line.done += fmt::format(", {} rows differ", different);
    return {};
}

Result<void> countLostCodes(TensorCache& cache, const PlanEntry& entry, ConstMatrixView stored,
                            ReceiptLine& line, const JobContext& job) {
    QS_TRY(const auto q, cache.get(entry));
    QS_TRY(const auto codec, codecOf(*q));
    const Matrix exact = codec->dequantize(*q);
    Matrix weight(q->rows, q->cols);
    gatherPlace(entry.target.place, stored, weight.view());
    for (size_t r = 0; r < q->rows; ++r) {
        QS_CHECK(job.checkpoint());
        line.codesDiffering += codesLost(*codec, *q, r, weight.row(r), exact.row(r));
    }
    return {};
}

/// "4 bits as F16 [64, 64]"; each linear of a fused tensor with its own format.
Result<std::string> describeTensor(const Entries& entries, DType type, const std::vector<uint64_t>& shape) {
    std::string formats;
    for (const PlanEntry* e : entries) {
        QS_TRY(const auto codec, createCodec(e->scheme->codec, e->scheme->codecParams));
        const std::string part = e->target.place.whole() ? "" : e->target.role + " ";
        formats += (formats.empty() ? "" : ", ") + part + codec->label();
    }
    return fmt::format("{} as {} [{}]", formats, dtypeInfo(type).name, fmt::join(shape, ", "));
}

Result<void> verifyTensor(const ExportSource& source, size_t index, const Entries& entries,
                          const Checkpoint& written, Receipt& receipt, const JobContext& job) {
    const TensorInfo& original = source.checkpoint().tensors()[index];
    QS_TRY(const DType type, outputType(source, index));
    ReceiptLine line;
    line.tensor = original.name;
    QS_TRY(line.planned, describeTensor(entries, type, original.shape));
    const size_t found = written.find(original.name);
    if (found == Checkpoint::npos) {
        line.done = "missing";
    } else {
        const TensorInfo& t = written.tensors()[found];
        QS_TRY(line.done, describeTensor(entries, t.dtype, t.shape));
        if (line.done == line.planned) {
            TensorCache cache(source);
            QS_TRY(const Matrix exact, mergedValues(cache, source.checkpoint(), index, entries));
            QS_TRY(const auto bytes, written.rawBytes(found));
            Matrix stored(exact.rows(), exact.cols());
            QS_CHECK(compareRows(exact, bytes, type, stored, line, job));
            for (const PlanEntry* e : entries)
                QS_CHECK(countLostCodes(cache, *e, stored.view(), line, job));
        }
    }
    receipt.lines.push_back(std::move(line));
    return {};
}

} // namespace

std::vector<LintIssue> lintDequantized(const Model&, const Plan& plan) {
    std::vector<LintIssue> issues;
    bool any = false;
    for (const PlanEntry& e : plan.entries) {
        any = any || e.scheme;
        if (e.target.packed) {
            issues.push_back(
                {Severity::Error, "source-packed", e.target.module,
                 "the source stores this linear already packed, so its tensors cannot be kept as they "
                 "are: quantize the original model"});
            break;
        }
    }
    if (const std::string module = firstRoundedInputs(plan); !module.empty())
        issues.push_back(
            {Severity::Warning, "inputs", module,
             "an ordinary folder does not say how inputs are rounded: runtimes keep them as they are, "
             "which is not what was measured"});
    if (const std::string module = firstRoundedOutputs(plan); !module.empty())
        issues.push_back({Severity::Warning, "outputs", module,
                          "runtimes keep outputs as they are, which is not what was measured"});
    if (!any)
        issues.push_back(
            {Severity::Warning, "nothing-quantized", "",
             "the plan keeps every tensor: unless another dtype is chosen the export is a copy"});
    return issues;
}

Result<uint64_t> dequantizedBytes(const ExportSource& source) {
    QS_TRY(const WeightFiles files, dequantizedFiles(source, std::make_shared<TensorCache>(source)));
    return files.bytes();
}

Result<void> writeDequantized(const ExportSource& source, const std::filesystem::path& into,
                              const JobContext& job) {
    QS_TRY(const WeightFiles files, dequantizedFiles(source, std::make_shared<TensorCache>(source)));
    QS_TRY(const auto config, plannedConfig(source));
    QS_CHECK(files.write(into, job));
    const bool changed = !config.is_null() && source.params.choice("dtype") != "source";
    return writeFolderFiles(source.checkpoint(), changed ? &config : nullptr, source.sidecar, into);
}

Result<Receipt> verifyDequantized(const ExportSource& source, const std::filesystem::path& directory,
                                  const JobContext& job) {
    Receipt receipt;
    QS_TRY(receipt.bytesPlanned, dequantizedBytes(source));
    QS_TRY(const auto written, openCheckpoint(directory));
    const Checkpoint& checkpoint = source.checkpoint();
    const auto entries = source.entriesOfTensor();
    std::set<std::string> expected;
    for (size_t i = 0; i < entries.size(); ++i) {
        const std::string& name = checkpoint.tensors()[i].name;
        expected.insert(name);
        QS_CHECK(entries[i].empty() ? verifyKept(checkpoint, i, *written, receipt, job)
                                    : verifyTensor(source, i, entries[i], *written, receipt, job));
        job.report("Verify " + name, double(i + 1), double(entries.size()));
    }
    verifyNothingElse(expected, *written, receipt);
    QS_TRY(const auto config, plannedConfig(source));
    if (!config.is_null())
        addFileLine("config.json", "as planned", nlohmann::json(config) == written->config(), "differs",
                    receipt);
    QS_CHECK(finishReceipt(directory, receipt, job));
    return receipt;
}

} // namespace qs
