// SPDX-License-Identifier: Apache-2.0
#include "core/export/dequantized_format.h"

#include "core/export/export_folder.h"
#include "core/export/verify.h"
#include "core/export/weight_files.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

/// The type that the tensor of `entry` is written in.
Result<DType> outputType(const ExportSource& source, const PlanEntry& entry) {
    const std::string& asked = source.params.choice("dtype");
    if (asked == "f32") return DType::F32;
    if (asked == "f16") return DType::F16;
    if (asked == "bf16") return DType::BF16;
    const TensorInfo& t = source.checkpoint().tensors()[entry.target.tensorIndex];
    if (t.dtype == DType::F32 || t.dtype == DType::F16 || t.dtype == DType::BF16) return t.dtype;
    return Error::unsupported(
        fmt::format("the source stores it as {}: choose dtype f32, f16 or bf16", dtypeInfo(t.dtype).name),
        t.name);
}

Result<void> fillRounded(TensorCache& cache, const PlanEntry& entry, DType type, std::span<std::byte> out) {
    QS_TRY(const auto q, cache.get(entry));
    QS_TRY(const auto codec, codecOf(*q));
    const Matrix values = codec->dequantize(*q);
    QS_CHECK(fromFloat(values.span(), type, out));
    std::vector<float> back(values.size());
    QS_CHECK(toFloat(type, out, back));
    for (size_t i = 0; i < back.size(); ++i)
        if (!std::isfinite(back[i]))
            return Error::invalid(fmt::format("value {} at [{}, {}] does not fit in {}: choose another dtype",
                                              values.data()[i], i / q->cols, i % q->cols,
                                              dtypeInfo(type).name));
    return {};
}

Result<WeightFiles> dequantizedFiles(const ExportSource& source, std::shared_ptr<TensorCache> cache) {
    const Checkpoint& checkpoint = source.checkpoint();
    WeightFiles files(checkpoint, source.metadata);
    const auto entries = source.entryOfTensor();
    for (size_t i = 0; i < entries.size(); ++i) {
        if (!entries[i]) {
            files.addKept(i);
            continue;
        }
        QS_TRY(const DType type, outputType(source, *entries[i]));
        const TensorInfo& t = checkpoint.tensors()[i];
        files.add(i, {t.name, type, t.shape, [cache, type, entry = entries[i]](std::span<std::byte> out) {
                          return fillRounded(*cache, *entry, type, out);
                      }});
    }
    return files;
}

const char* torchName(const std::string& choice) {
    return choice == "f32" ? "float32" : choice == "f16" ? "float16" : "bfloat16";
}

/// The config that the written folder must have; null when the source has none.
Result<nlohmann::ordered_json> plannedConfig(const ExportSource& source) {
    QS_TRY(auto config, sourceConfig(source.checkpoint()));
    const std::string& asked = source.params.choice("dtype");
    if (config.is_null() || asked == "source") return config;
    const bool newKey = config.contains("dtype") && !config.contains("torch_dtype"); // transformers 5
    config[newKey ? "dtype" : "torch_dtype"] = torchName(asked);
    if (config.contains("dtype")) config["dtype"] = torchName(asked);
    return config;
}

/// Codes that would not survive a second quantization on the same grid, because rounding moved the value past
/// the middle between two codes.
size_t codesLost(const Codec& codec, const QuantizedTensor& q, size_t row, const float* stored,
                 const float* exact) {
    std::vector<float> scale(q.cols), zero(q.cols), value(q.cols);
    std::vector<uint8_t> code(q.cols);
    const size_t r = q.layout.scaleRows == 1 ? 0 : row;
    for (size_t c = 0; c < q.cols; ++c) {
        scale[c] = q.scale(r, q.groupOf(c));
        zero[c] = q.zero(r, q.groupOf(c));
    }
    codec.round(stored, q.cols, scale.data(), zero.data(), code.data(), value.data());
    size_t lost = 0;
    for (size_t c = 0; c < q.cols; ++c)
        lost += code[c] != q.codes[row * q.cols + c] && value[c] != exact[c];
    return lost;
}

Result<void> compareRows(const ExportSource& source, const PlanEntry& entry, const Checkpoint& written,
                         size_t index, DType type, ReceiptLine& line, const JobContext& job) {
    QS_TRY(const QuantizedTensor q, source.tensor(entry));
    QS_TRY(const auto codec, codecOf(q));
    const Matrix exact = codec->dequantize(q);
    QS_TRY(const auto bytes, written.rawBytes(index));
    const size_t rowBytes = q.cols * size_t(dtypeInfo(type).bits / 8);
    std::vector<std::byte> expected(rowBytes);
    std::vector<float> stored(q.cols);
    size_t different = 0;
    for (size_t r = 0; r < q.rows; ++r) {
        QS_CHECK(job.checkpoint());
        const auto have = bytes.subspan(r * rowBytes, rowBytes);
        QS_CHECK(fromFloat({exact.row(r), q.cols}, type, expected));
        QS_CHECK(toFloat(type, have, stored));
        different += std::memcmp(have.data(), expected.data(), rowBytes) != 0;
        for (size_t c = 0; c < q.cols; ++c) {
            if (std::isfinite(stored[c]))
                line.maxDelta = std::max(line.maxDelta, std::abs(double(stored[c]) - double(exact(r, c))));
            else
                ++line.notFinite;
        }
        line.codesDiffering += codesLost(*codec, q, r, stored.data(), exact.row(r));
    }
    if (different) line.done += fmt::format(", {} rows differ", different);
    return {};
}

Result<void> verifyTensor(const ExportSource& source, const PlanEntry& entry, const Checkpoint& written,
                          Receipt& receipt, const JobContext& job) {
    const TensorInfo& original = source.checkpoint().tensors()[entry.target.tensorIndex];
    QS_TRY(const DType type, outputType(source, entry));
    QS_TRY(const auto codec, createCodec(entry.scheme->codec, entry.scheme->codecParams));
    const auto describe = [&](DType d, const std::vector<uint64_t>& shape) {
        return fmt::format("{} as {} [{}]", codec->label(), dtypeInfo(d).name, fmt::join(shape, ", "));
    };
    ReceiptLine line;
    line.tensor = original.name;
    line.planned = describe(type, original.shape);
    const size_t index = written.find(original.name);
    if (index == Checkpoint::npos) {
        line.done = "missing";
    } else {
        const TensorInfo& t = written.tensors()[index];
        line.done = describe(t.dtype, t.shape);
        if (line.done == line.planned) {
            QS_CHECK(compareRows(source, entry, written, index, type, line, job));
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
        if (e.target.tensorIndex == Checkpoint::npos) {
            issues.push_back(
                {Severity::Error, "source-packed", e.target.module,
                 "the source stores this linear already packed, so its tensors cannot be kept as they "
                 "are: quantize the original model"});
            break;
        }
    }
    if (!any)
        issues.push_back(
            {Severity::Error, "nothing-quantized", "",
             "the plan keeps every tensor, so the export would be a copy: quantize at least one"});
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
    return writeFolderFiles(source, changed ? &config : nullptr, into);
}

Result<Receipt> verifyDequantized(const ExportSource& source, const std::filesystem::path& directory,
                                  const JobContext& job) {
    Receipt receipt;
    QS_TRY(receipt.bytesPlanned, dequantizedBytes(source));
    QS_TRY(const auto written, openCheckpoint(directory));
    const Checkpoint& checkpoint = source.checkpoint();
    const auto entries = source.entryOfTensor();
    std::set<std::string> expected;
    for (size_t i = 0; i < entries.size(); ++i) {
        const std::string& name = checkpoint.tensors()[i].name;
        expected.insert(name);
        QS_CHECK(entries[i] ? verifyTensor(source, *entries[i], *written, receipt, job)
                            : verifyKept(checkpoint, i, *written, receipt, job));
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
