// SPDX-License-Identifier: Apache-2.0
#include "core/store/extras_store.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr const char *kKeptStart = "/kept_start", *kKeptColumn = "/kept_column", *kKeptValue = "/kept_value";
constexpr const char *kKeptMask = "/kept_mask", *kKeptCode = "/kept_code", *kKeptScale = "/kept_scale";
constexpr float kCodeOfZero = 128;
constexpr const char *kRotationSeed = "/rotation_seed", *kRotationScale = "/rotation_scale";
constexpr const char *kLowRankA = "/low_rank_a", *kLowRankB = "/low_rank_b";
constexpr const char *kChannelsFirst = "/channels_first", *kChannelsSecond = "/channels_second";
constexpr size_t kNarrowColumns = 65536; ///< rows up to this long have 16-bit columns

Result<void> checkHalf(const char* name, std::span<const float> values) {
    for (size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values[i]) || halfToFloat(floatToHalf(values[i])) != values[i])
            return Error::invalid(fmt::format("{}[{}] = {:.9g} is not a finite float16", name, i, values[i]));
    return {};
}

Result<void> checkKeptScale(const KeptWeights& kept, size_t rows) {
    if (kept.scale.size() != rows)
        return Error::invalid(fmt::format("kept_scale has {} entries for {} rows", kept.scale.size(), rows));
    QS_CHECK(checkHalf("kept_scale", kept.scale));
    for (size_t r = 0; r < rows; ++r) {
        if (!(kept.scale[r] > 0))
            return Error::invalid(fmt::format("kept_scale[{}] is {}, not above 0", r, kept.scale[r]));
        for (size_t i = kept.rowStart[r]; i < kept.rowStart[r + 1]; ++i)
            if (keptInteger(kept.values[i], kept.scale[r]) != kept.values[i])
                return Error::invalid(fmt::format("kept_value[{}] = {:.9g} is not k {:.9g}, k = -127 .. 127",
                                                  i, kept.values[i], kept.scale[r]));
    }
    return {};
}

Result<void> checkKept(const KeptWeights& kept, size_t rows, size_t cols) {
    if (kept.empty() && kept.columns.empty() && kept.values.empty()) return {};
    if (kept.rowStart.size() != rows + 1 || kept.rowStart.front() != 0 ||
        kept.rowStart.back() != kept.columns.size() || kept.values.size() != kept.columns.size())
        return Error::invalid(fmt::format("kept_start has {} entries for {} rows, {} columns, {} values",
                                          kept.rowStart.size(), rows, kept.columns.size(),
                                          kept.values.size()));
    for (size_t r = 0; r < rows; ++r) {
        const uint32_t begin = kept.rowStart[r], end = kept.rowStart[r + 1];
        if (end < begin || end > kept.columns.size())
            return Error::invalid(fmt::format("kept_start[{}] is {} after {}", r + 1, end, begin));
        for (size_t i = begin; i < end; ++i)
            if (kept.columns[i] >= cols || (i > begin && kept.columns[i] <= kept.columns[i - 1]))
                return Error::invalid(
                    fmt::format("kept_column[{}] is {}: columns ascend below {}", i, kept.columns[i], cols));
    }
    QS_CHECK(checkHalf("kept_value", kept.values));
    return kept.scale.empty() ? Result<void>{} : checkKeptScale(kept, rows);
}

Result<void> checkRotation(const InputRotation& rotation, size_t cols) {
    if (rotation.scale.empty()) return {};
    if (rotation.scale.size() != cols)
        return Error::invalid(
            fmt::format("rotation_scale has {} entries for {} columns", rotation.scale.size(), cols));
    for (size_t c = 0; c < cols; ++c)
        if (!(rotation.scale[c] > 0))
            return Error::invalid(fmt::format("rotation_scale[{}] is {}, not above 0", c, rotation.scale[c]));
    return checkHalf("rotation_scale", rotation.scale);
}

/// Values that checkHalf has seen.
Result<void> writeHalf(H5Writer& writer, const std::string& name, std::span<const float> values,
                       const H5Shape& shape) {
    std::vector<HalfBits> half(values.size());
    std::transform(values.begin(), values.end(), half.begin(),
                   [](float v) { return HalfBits{floatToHalf(v)}; });
    return writer.array<HalfBits>(name, half, shape, H5Filter::Compress);
}

Result<std::vector<float>> readHalf(const H5Reader& file, const std::string& name, const H5Shape& shape) {
    QS_TRY(const auto bits, file.array<HalfBits>(name, shape));
    std::vector<float> values(bits.size());
    std::transform(bits.begin(), bits.end(), values.begin(), [](HalfBits b) { return halfToFloat(b.bits); });
    return values;
}

/// Negative numbers become large ones, which checkKept refuses.
template<class T>
Result<std::vector<uint32_t>> readIndices(const H5Reader& file, const std::string& name, uint64_t count) {
    QS_TRY(const auto numbers, file.array<T>(name, {count}));
    return std::vector<uint32_t>(numbers.begin(), numbers.end());
}

Result<void> readKeptIntegers(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    KeptWeights& kept = q.extras.kept;
    const size_t count = q.codes.size();
    QS_TRY(kept.scale, readHalf(file, group + kKeptScale, {q.rows}));
    QS_TRY(const auto mask, file.array<uint8_t>(group + kKeptMask, {(count + 7) / 8}));
    if (count % 8 != 0 && mask.back() >> (count % 8) != 0)
        return Error::corrupt(fmt::format("kept_mask has a bit beyond {} weights", count),
                              file.path().string() + ": " + group);
    kept.rowStart = {0};
    for (size_t i = 0; i < count; ++i) {
        if (mask[i / 8] >> (i % 8) & 1) kept.columns.push_back(uint32_t(i % q.cols));
        if ((i + 1) % q.cols == 0) kept.rowStart.push_back(uint32_t(kept.columns.size()));
    }
    QS_TRY(const auto codes, file.array<uint8_t>(group + kKeptCode, {kept.columns.size()}));
    kept.values.resize(codes.size());
    for (size_t r = 0; r < q.rows; ++r)
        for (size_t i = kept.rowStart[r]; i < kept.rowStart[r + 1]; ++i)
            kept.values[i] = kept.scale[r] * (float(codes[i]) - kCodeOfZero);
    return {};
}

Result<void> readKept(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    if (file.exists(group + kKeptScale)) return readKeptIntegers(file, group, q);
    if (!file.exists(group + kKeptStart)) return {};
    KeptWeights& kept = q.extras.kept;
    QS_TRY(kept.rowStart, readIndices<int32_t>(file, group + kKeptStart, q.rows + 1));
    const uint64_t count = kept.rowStart.back();
    if (count > q.codes.size())
        return Error::corrupt(fmt::format("kept_start ends with {} for {} weights", count, q.codes.size()),
                              file.path().string() + ": " + group);
    if (q.cols > kNarrowColumns) {
        QS_TRY(kept.columns, readIndices<int32_t>(file, group + kKeptColumn, count));
    } else {
        QS_TRY(kept.columns, readIndices<uint16_t>(file, group + kKeptColumn, count));
    }
    QS_TRY(kept.values, readHalf(file, group + kKeptValue, {count}));
    return {};
}

Result<Matrix> readHalfMatrix(const H5Reader& file, const std::string& name, size_t rows, size_t cols) {
    QS_TRY(const auto values, readHalf(file, name, {rows, cols}));
    Matrix m(rows, cols);
    std::copy(values.begin(), values.end(), m.data());
    return m;
}

Result<void> readLowRank(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    if (!file.exists(group + kLowRankA)) return {};
    QS_TRY(const H5Shape shape, file.shape(group + kLowRankA));
    if (shape.size() != 2)
        return Error::corrupt("low_rank_a must have two dimensions", file.path().string() + ": " + group);
    const size_t rank = size_t(shape[1]);
    QS_TRY(q.extras.lowRank.a, readHalfMatrix(file, group + kLowRankA, q.rows, rank));
    QS_TRY(q.extras.lowRank.b, readHalfMatrix(file, group + kLowRankB, rank, q.cols));
    return {};
}

Result<void> readRotation(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    if (!file.exists(group + kRotationSeed)) return {};
    QS_TRY(const auto words, file.array<uint16_t>(group + kRotationSeed, {4}));
    InputRotation& rotation = q.extras.rotation.emplace();
    for (size_t i = 0; i < 4; ++i)
        rotation.seed |= uint64_t(words[i]) << (16 * i);
    if (!file.exists(group + kRotationScale)) return {};
    QS_TRY(rotation.scale, readHalf(file, group + kRotationScale, {q.cols}));
    return {};
}

Result<void> readReassembly(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    if (!file.exists(group + kChannelsFirst)) return {};
    for (const auto& [name, list] : {std::pair(kChannelsFirst, &q.extras.reassembly.first),
                                     std::pair(kChannelsSecond, &q.extras.reassembly.second)}) {
        if (q.cols > kNarrowColumns) {
            QS_TRY(*list, readIndices<int32_t>(file, group + name, q.cols));
        } else {
            QS_TRY(*list, readIndices<uint16_t>(file, group + name, q.cols));
        }
    }
    return {};
}

template<class T>
Result<void> writeIndices(H5Writer& writer, const std::string& name, std::span<const uint32_t> indices) {
    return writer.array<T>(name, std::vector<T>(indices.begin(), indices.end()), {indices.size()},
                           H5Filter::Compress);
}

Result<void> writeReassembly(H5Writer& writer, const std::string& group, const QuantizedTensor& q) {
    const ChannelReassembly& r = q.extras.reassembly;
    if (r.empty()) return {};
    for (const auto& [name, list] :
         {std::pair(kChannelsFirst, &r.first), std::pair(kChannelsSecond, &r.second)})
        QS_CHECK(q.cols > kNarrowColumns ? writeIndices<int32_t>(writer, group + name, *list)
                                         : writeIndices<uint16_t>(writer, group + name, *list));
    return {};
}

Result<void> writeKeptIntegers(H5Writer& writer, const std::string& group, const QuantizedTensor& q) {
    const KeptWeights& kept = q.extras.kept;
    std::vector<uint8_t> mask((q.codes.size() + 7) / 8), codes(kept.count());
    for (size_t r = 0; r < q.rows; ++r)
        for (size_t i = kept.rowStart[r]; i < kept.rowStart[r + 1]; ++i) {
            const size_t at = r * q.cols + kept.columns[i];
            mask[at / 8] |= uint8_t(1 << (at % 8));
            codes[i] = uint8_t(std::nearbyint(kept.values[i] / kept.scale[r]) + kCodeOfZero);
        }
    QS_CHECK(writeHalf(writer, group + kKeptScale, kept.scale, {q.rows}));
    QS_CHECK(writer.array<uint8_t>(group + kKeptMask, mask, {mask.size()}, H5Filter::Compress));
    return writer.array<uint8_t>(group + kKeptCode, codes, {codes.size()}, H5Filter::Compress);
}

Result<void> writeKept(H5Writer& writer, const std::string& group, const QuantizedTensor& q) {
    const KeptWeights& kept = q.extras.kept;
    if (kept.empty()) return {};
    if (!kept.scale.empty()) return writeKeptIntegers(writer, group, q);
    QS_CHECK(writeIndices<int32_t>(writer, group + kKeptStart, kept.rowStart));
    QS_CHECK(q.cols > kNarrowColumns ? writeIndices<int32_t>(writer, group + kKeptColumn, kept.columns)
                                     : writeIndices<uint16_t>(writer, group + kKeptColumn, kept.columns));
    return writeHalf(writer, group + kKeptValue, kept.values, {kept.count()});
}

} // namespace

Result<void> checkExtras(const QuantizedTensor& q) {
    if (q.extras.rotation) QS_CHECK(checkRotation(*q.extras.rotation, q.cols));
    QS_CHECK(checkKept(q.extras.kept, q.rows, q.cols));
    if (!q.extras.reassembly.empty()) QS_CHECK(checkReassembly(q.extras.reassembly, q.cols));
    const LowRank& l = q.extras.lowRank;
    if (l.a.empty() && l.b.empty()) return {};
    if (l.a.rows() != q.rows || l.b.cols() != q.cols || l.a.cols() != l.b.rows())
        return Error::invalid(fmt::format("low_rank_a [{}, {}] times low_rank_b [{}, {}] is not [{}, {}]",
                                          l.a.rows(), l.a.cols(), l.b.rows(), l.b.cols(), q.rows, q.cols));
    QS_CHECK(checkHalf("low_rank_a", l.a.span()));
    return checkHalf("low_rank_b", l.b.span());
}

Result<void> writeExtras(H5Writer& writer, const std::string& group, const QuantizedTensor& q) {
    QS_CHECK(writeKept(writer, group, q));
    QS_CHECK(writeReassembly(writer, group, q));
    if (const auto& rotation = q.extras.rotation) {
        std::vector<uint16_t> words;
        for (int i = 0; i < 4; ++i)
            words.push_back(uint16_t(rotation->seed >> (16 * i)));
        QS_CHECK(writer.array<uint16_t>(group + kRotationSeed, words, {4}, H5Filter::Checksum));
        if (!rotation->scale.empty())
            QS_CHECK(writeHalf(writer, group + kRotationScale, rotation->scale, {q.cols}));
    }
    const LowRank& l = q.extras.lowRank;
    if (l.empty()) return {};
    QS_CHECK(writeHalf(writer, group + kLowRankA, l.a.span(), {l.a.rows(), l.a.cols()}));
    return writeHalf(writer, group + kLowRankB, l.b.span(), {l.b.rows(), l.b.cols()});
}

Result<void> readExtras(const H5Reader& file, const std::string& group, QuantizedTensor& q) {
    QS_CHECK(readKept(file, group, q));
    QS_CHECK(readLowRank(file, group, q));
    QS_CHECK(readReassembly(file, group, q));
    return readRotation(file, group, q);
}

} // namespace qs
