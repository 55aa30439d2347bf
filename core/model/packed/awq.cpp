// SPDX-License-Identifier: Apache-2.0
// AutoAWQ's "gemm" layout, 4 bits. Per module X, with N outputs, K inputs and G groups of inputs:
//   X.qweight I32 [K, N/8]   nibble i of word c belongs to output 8c + order[i], order = 0 2 4 6 1 3 5 7
//   X.qzeros  I32 [G, N/8]   the same order
//   X.scales  F16 [G, N]
// W[n, k] = (code - zero) * scale.
#include "core/model/packed/grouped_linear.h"
#include "core/model/packed/layouts.h"

#include <fmt/format.h>

namespace qs {

namespace {

/// Nibble that holds output 8c + i: the inverse of the order above.
constexpr int kNibbleOf[8] = {0, 4, 1, 5, 2, 6, 3, 7};

uint8_t awqField(std::span<const std::byte> bytes, size_t rowWord, size_t n) {
    return uint8_t(wordAt(bytes, rowWord + n / 8) >> (4 * kNibbleOf[n % 8]) & 15);
}

class AwqLinear final : public GroupedLinear {
public:
    AwqLinear(const Checkpoint& checkpoint, PackedInfo info, size_t qweight, size_t qzeros, size_t scales)
        : GroupedLinear(checkpoint, std::move(info)), qweight_(qweight), qzeros_(qzeros), scales_(scales) {}

protected:
    Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(qweight_));
        for (size_t k = 0; k < info_.in; ++k)
            for (size_t r = 0; r < out.rows; ++r)
                out(r, k) = awqField(bytes, k * (info_.out / 8), firstRow + r);
        return {};
    }

    Result<PackedScales> readScales(size_t first, size_t count) const override {
        PackedScales s;
        s.scale = Matrix(count, info_.groups);
        s.zero = Matrix(count, info_.groups);
        QS_TRY(const auto zeros, checkpoint_.rawBytes(qzeros_));
        std::vector<float> row(count);
        for (size_t g = 0; g < info_.groups; ++g) {
            QS_CHECK(readScaleValues(checkpoint_, scales_, g * info_.out + first, row));
            for (size_t r = 0; r < count; ++r) {
                s.scale(r, g) = row[r];
                s.zero(r, g) = awqField(zeros, g * (info_.out / 8), first + r);
            }
        }
        return s;
    }

private:
    size_t qweight_, qzeros_, scales_;
};

} // namespace

PackedResult openAwq(const PackedParts& parts, const PackedSettings& all) {
    QS_TRY(const AwqSettings* settings, settingsFor<AwqSettings>(parts, all, "X.qweight"));
    QS_CHECK(requireNotSkipped(parts, settings->skip, all, "modules_to_not_convert"));
    QS_TRY(const size_t qweight, parts.require("qweight", 2));
    QS_TRY(const size_t qzeros, parts.require("qzeros", 2));
    QS_TRY(const size_t scales, parts.require("scales", 2));
    QS_CHECK(parts.check(qweight, parts.tensor(qweight).dtype == DType::I32, "I32"));
    QS_CHECK(parts.check(scales, isScaleType(parts.tensor(scales).dtype), "F16, BF16 or F32"));
    PackedInfo info;
    info.module = parts.module();
    info.layout = "awq";
    info.bits = 4;
    const size_t words = size_t(parts.tensor(qweight).shape[1]);
    info.in = size_t(parts.tensor(qweight).shape[0]);
    info.out = words * 8;
    const size_t size =
        settings->groupSize <= 0 ? info.in : size_t(std::min<long long>(settings->groupSize, info.in));
    if (parts.tensor(scales).shape[1] != info.out)
        return Error::corrupt(fmt::format("qweight {} and scales {} are not AWQ's, which holds 8 outputs a "
                                          "word, but {} says quant_method \"awq\"",
                                          parts.describe(qweight), parts.describe(scales), all.where),
                              parts.module());
    const ScaleGrid grid = ScaleGrid::perGroup(info.out, info.in, size);
    grid.apply(info);
    const auto isShape = [&](size_t part, size_t cols) {
        const auto& shape = parts.tensor(part).shape;
        return shape[0] == info.groups && shape[1] == cols;
    };
    const std::string rule =
        fmt::format("for {} inputs and group_size {} in {}", info.in, settings->groupSize, all.where);
    QS_CHECK(parts.check(scales, isShape(scales, info.out),
                         fmt::format("[{}, {}] {}", info.groups, info.out, rule)));
    QS_CHECK(parts.check(qzeros, parts.tensor(qzeros).dtype == DType::I32 && isShape(qzeros, words),
                         fmt::format("I32 [{}, {}] {}", info.groups, words, rule)));
    for (size_t part : {qweight, qzeros, scales})
        parts.add(info, part);
    nameIntegers(info, "AWQ", settings->groupSize > 0 ? settings->groupSize : -1, false);
    return std::make_unique<AwqLinear>(parts.checkpoint(), std::move(info), qweight, qzeros, scales);
}

} // namespace qs
