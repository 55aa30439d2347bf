// SPDX-License-Identifier: Apache-2.0
#include "core/export/export_folder.h"
#include "core/export/packed_format.h"
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

/// Of what was read: the parameter of (row, group).
float readAt(const PackedInfo& info, const QuantizedTensor& q, const Matrix& m, size_t row, size_t group) {
    if (info.flattened) return m(0, row * q.layout.groups + group);
    return m(info.scaleRows == 1 ? 0 : row / info.blockRows, group);
}

Differences compareParts(const StoredCodes& stored, const PackedInfo& info, const PackedCodes& codes,
                         const PackedScales& s, const QuantizedTensor& q) {
    Differences d;
    for (size_t i = 0; i < q.codes.size(); ++i)
        d.codes += codes.data()[i] != stored.code[q.codes[i]];
    for (size_t n = 0; n < q.rows; ++n)
        for (size_t g = 0; g < q.layout.groups; ++g) {
            const float scale = q.scale(q.parameterRow(n), g),
                        zero = q.zero(q.parameterRow(n), g) - stored.zeroShift;
            d.scales += !(readAt(info, q, s.scale, n, g) == scale);
            d.zeros += !((s.zero.empty() ? 0.0f : readAt(info, q, s.zero, n, g)) == zero);
        }
    for (size_t c = 0; c < q.cols; ++c)
        d.indices +=
            (s.groupOfColumn.empty() ? c / q.layout.groupSize : size_t(s.groupOfColumn[c])) != q.groupOf(c);
    return d;
}

/// "" when all are there, and those that the reader leaves aside have the bytes that belong there.
Result<std::string> wrongPart(const PackedFormat& format, const PlanEntry& entry, const QuantizedTensor& q,
                              const Codec& codec, const std::vector<PackedPart>& parts,
                              const Checkpoint& written) {
    const std::string prefix = linearPrefix(entry.target);
    PackedBytes expected;
    for (size_t i = 0; i < parts.size(); ++i) {
        const size_t at = written.find(prefix + parts[i].suffix);
        if (at == Checkpoint::npos) return "no " + parts[i].suffix.substr(1);
        if (!parts[i].ofInputs) continue;
        if (expected.empty()) {
            QS_TRY(expected, format.pack(entry.target, q, codec));
        }
        QS_TRY(const auto bytes, written.rawBytes(at));
        if (!std::equal(bytes.begin(), bytes.end(), expected[i].begin(), expected[i].end()))
            return parts[i].suffix.substr(1) + " differs";
    }
    return std::string();
}

/// The groups of the file are those of the run.
bool sameGroups(const PackedInfo& info, const QuantizedTensor& q) {
    if (info.flattened)
        return info.groups == q.rows * q.layout.groups && info.groupSize == q.layout.groupSize;
    const bool rows =
        info.scaleRows == q.rows || (info.scaleRows == q.layout.scaleRows &&
                                     (info.scaleRows == 1 || info.blockRows == q.layout.blockRows));
    return rows && info.groups == q.layout.groups;
}

Result<void> compareLinear(const QuantTarget& target, const QuantizedTensor& q, const Codec& codec,
                           const PackedFormat& format, const PackedReader& written, ReceiptLine& line) {
    QS_TRY(const auto packed, written.find(linearPrefix(target)));
    if (!packed) {
        line.done = "missing";
        return {};
    }
    const PackedInfo& info = packed->info();
    if (info.layout != format.layout(target, codec) || info.out != q.rows || info.in != q.cols ||
        info.bits != codec.bits() || !sameGroups(info, q)) {
        line.done = fmt::format("{} of {} bits [{}, {}] in {} groups", info.layout, info.bits, info.out,
                                info.in, info.groups);
        return {};
    }
    QS_TRY(const PackedCodes codes, packed->codes());
    QS_TRY(const PackedScales scales, packed->scales());
    const Differences d = compareParts(format.stored(target, codec), info, codes, scales, q);
    line.codesDiffering = d.codes;
    line.done += d.text();
    QS_TRY(const Matrix values, packed->dequantize());
    const Matrix want = codec.dequantize(q);
    (void)compareValues(values.span(), want.span(), line);
    if (line.maxDelta != 0) line.done += fmt::format(", values differ by up to {:.3g}", line.maxDelta);
    return {};
}

Result<void> verifyConfig(const ExportSource& source, const PackedFormat& format, const Checkpoint& written,
                          const std::filesystem::path& directory, Receipt& receipt) {
    QS_TRY(const auto original, sourceConfig(source.checkpoint()));
    nlohmann::json planned = original;
    planned["quantization_config"] = format.config();
    addFileLine("config.json", "source plus quantization_config", planned == written.config(), "differs",
                receipt);
    if (!format.configFile()) return {};
    QS_TRY(const std::string text, readTextFile(directory / format.configFile(), size_t(64) << 20));
    // Order counts in GPTQ's `dynamic`: compare as ordered text.
    const auto stored = nlohmann::ordered_json::parse(text, nullptr, false);
    addFileLine(format.configFile(), "quantization_config",
                !stored.is_discarded() && stored.dump() == format.config().dump(), "differs", receipt);
    return {};
}

Result<void> verifyLinear(const ExportSource& source, const PlanEntry& entry, PackedFormat& format,
                          const PackedReader& written, std::set<std::string>& expected, Receipt& receipt) {
    const std::string prefix = linearPrefix(entry.target);
    QS_TRY(const QuantizedTensor q, source.tensor(entry));
    QS_TRY(const auto codec, codecOf(q));
    QS_CHECK(format.add(size_t(&entry - source.plan.entries.data()), q));
    QS_TRY(const auto parts, format.parts(entry.target, *codec));
    for (const PackedPart& p : parts)
        expected.insert(prefix + p.suffix);
    ReceiptLine line;
    line.tensor = entry.target.place.tensor;
    line.planned = line.done = codec->label();
    QS_CHECK(compareLinear(entry.target, q, *codec, format, written, line));
    QS_TRY(const std::string wrong, wrongPart(format, entry, q, *codec, parts, written.checkpoint()));
    if (!wrong.empty()) line.done = wrong;
    receipt.lines.push_back(std::move(line));
    return {};
}

} // namespace

Result<Receipt> verifyPacked(const ExportSource& source, MakePackedFormat make,
                             const std::filesystem::path& directory, const JobContext& job) {
    Receipt receipt;
    QS_TRY(receipt.bytesPlanned, packedBytes(source, make));
    QS_TRY(const auto written, openCheckpoint(directory));
    const Checkpoint& checkpoint = source.checkpoint();
    const PackedReader reader(*written);
    const auto entries = source.entriesOfTensor();
    const auto format = make(source);
    std::set<std::string> expected;
    for (size_t i = 0; i < entries.size(); ++i) {
        QS_CHECK(job.checkpoint());
        const std::string& name = checkpoint.tensors()[i].name;
        job.report("Verify " + name, double(i), double(entries.size()));
        if (entries[i].empty()) {
            expected.insert(name);
            QS_CHECK(verifyKept(checkpoint, i, *written, receipt, job));
        } else {
            QS_CHECK(verifyLinear(source, *entries[i].front(), *format, reader, expected, receipt));
        }
    }
    verifyNothingElse(expected, *written, receipt);
    QS_CHECK(verifyConfig(source, *format, *written, directory, receipt));
    QS_CHECK(finishReceipt(directory, receipt, job));
    return receipt;
}

} // namespace qs
