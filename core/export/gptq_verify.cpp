// SPDX-License-Identifier: Apache-2.0
#include "core/export/export_folder.h"
#include "core/export/gptq_format.h"
#include "core/export/gptq_settings.h"
#include "core/export/verify.h"
#include "core/model/packed/packed_linear.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

struct Differences {
    uint64_t codes = 0, scales = 0, zeros = 0, indices = 0;
    std::string text() const {
        std::string out;
        for (const auto& [count, what] :
             {std::pair(codes, "codes"), std::pair(scales, "scales"), std::pair(zeros, "zero points"),
              std::pair(indices, "group indices")})
            if (count) out += fmt::format(", {} {} differ", count, what);
        return out;
    }
};

Differences compareParts(const PackedCodes& codes, const PackedScales& s, const QuantizedTensor& q) {
    Differences d;
    for (size_t i = 0; i < q.codes.size(); ++i)
        d.codes += codes.data()[i] != q.codes[i];
    for (size_t n = 0; n < q.rows; ++n)
        for (size_t g = 0; g < q.layout.groups; ++g) {
            const size_t row = q.layout.scaleRows == 1 ? 0 : n;
            d.scales += !(s.scale(n, g) == q.scale(row, g));
            d.zeros += !(s.zero(n, g) == q.zero(row, g));
        }
    for (size_t c = 0; c < q.cols; ++c)
        d.indices += size_t(s.groupOfColumn[c]) != q.groupOf(c);
    return d;
}

void compareValues(const Matrix& have, const Matrix& want, ReceiptLine& line) {
    for (size_t i = 0; i < want.size(); ++i) {
        const double v = have.data()[i];
        if (std::isfinite(v))
            line.maxDelta = std::max(line.maxDelta, std::abs(v - double(want.data()[i])));
        else
            ++line.notFinite;
    }
}

Result<void> compareLinear(const QuantizedTensor& q, const Codec& codec, const PackedReader& written,
                           const std::string& prefix, ReceiptLine& line) {
    QS_TRY(const auto packed, written.find(prefix));
    if (!packed) {
        line.done = "missing";
        return {};
    }
    const PackedInfo& info = packed->info();
    if (info.layout != "gptq" || info.out != q.rows || info.in != q.cols || info.bits != codec.bits() ||
        info.groups != q.layout.groups) {
        line.done = fmt::format("{} of {} bits [{}, {}] in {} groups", info.layout, info.bits, info.out,
                                info.in, info.groups);
        return {};
    }
    QS_TRY(const PackedCodes codes, packed->codes());
    QS_TRY(const PackedScales scales, packed->scales());
    if (scales.groupOfColumn.size() != q.cols) {
        line.done = "no g_idx";
        return {};
    }
    const Differences d = compareParts(codes, scales, q);
    line.codesDiffering = d.codes;
    line.done += d.text();
    QS_TRY(const Matrix values, packed->dequantize());
    compareValues(values, codec.dequantize(q), line);
    if (line.maxDelta != 0) line.done += fmt::format(", values differ by up to {:.3g}", line.maxDelta);
    return {};
}

Result<void> verifyConfig(const ExportSource& source, const GptqSettings& settings, const Checkpoint& written,
                          const std::filesystem::path& directory, Receipt& receipt) {
    QS_TRY(const auto original, sourceConfig(source.checkpoint()));
    nlohmann::json planned = original;
    planned["quantization_config"] = settings.config();
    addFileLine("config.json", "source plus quantization_config", planned == written.config(), "differs",
                receipt);
    QS_TRY(const std::string text, readTextFile(directory / "quantize_config.json", size_t(64) << 20));
    // Order counts in `dynamic`: compare as ordered text.
    const auto stored = nlohmann::ordered_json::parse(text, nullptr, false);
    addFileLine("quantize_config.json", "quantization_config",
                !stored.is_discarded() && stored.dump() == settings.config().dump(), "differs", receipt);
    return {};
}

} // namespace

Result<Receipt> verifyGptq(const ExportSource& source, const std::filesystem::path& directory,
                           const JobContext& job) {
    Receipt receipt;
    QS_TRY(receipt.bytesPlanned, gptqBytes(source));
    QS_TRY(const auto written, openCheckpoint(directory));
    const Checkpoint& checkpoint = source.checkpoint();
    const PackedReader reader(*written);
    const auto entries = source.entriesOfTensor();
    GptqSettings settings(source.plan);
    std::set<std::string> expected;
    for (size_t i = 0; i < entries.size(); ++i) {
        QS_CHECK(job.checkpoint());
        const std::string& name = checkpoint.tensors()[i].name;
        job.report("Verify " + name, double(i), double(entries.size()));
        if (entries[i].empty()) {
            expected.insert(name);
            QS_CHECK(verifyKept(checkpoint, i, *written, receipt, job));
            continue;
        }
        const PlanEntry& entry = *entries[i].front();
        const std::string prefix = gptqPrefix(entry.target);
        for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"})
            expected.insert(prefix + part);
        QS_TRY(const QuantizedTensor q, source.tensor(entry));
        QS_TRY(const auto codec, codecOf(q));
        QS_CHECK(settings.add(size_t(&entry - source.plan.entries.data()), q));
        ReceiptLine line;
        line.tensor = name;
        line.planned = line.done = codec->label();
        QS_CHECK(compareLinear(q, *codec, reader, prefix, line));
        receipt.lines.push_back(std::move(line));
    }
    verifyNothingElse(expected, *written, receipt);
    QS_CHECK(verifyConfig(source, settings, *written, directory, receipt));
    QS_CHECK(finishReceipt(directory, receipt, job));
    return receipt;
}

} // namespace qs
