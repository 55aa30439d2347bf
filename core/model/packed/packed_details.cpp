// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/packed_details.h"

#include <algorithm>

namespace qs {

namespace {

constexpr size_t kCodesAtOnce = size_t(1) << 18;

void rangeOf(const Matrix& m, float& lo, float& hi) {
    if (m.empty()) return;
    const auto [least, most] = std::minmax_element(m.span().begin(), m.span().end());
    lo = *least;
    hi = *most;
}

} // namespace

Result<PackedDetails> measurePacked(const PackedLinear& linear, const JobContext& job) {
    PackedDetails d;
    const PackedInfo& info = linear.info();
    std::vector<uint64_t> counts(1u << 16);
    PackedCodes codes(std::clamp<size_t>(kCodesAtOnce / info.in, 1, info.out), info.in);
    for (size_t r = 0; r < info.out; r += codes.rows()) {
        QS_CHECK(job.checkpoint());
        const auto block = codes.view().block(0, std::min(codes.rows(), info.out - r), 0, info.in);
        QS_CHECK(linear.readCodes(r, block));
        for (size_t i = 0; i < block.size(); ++i)
            ++counts[uint16_t(block.data[i])];
    }
    for (size_t i = 0; i < counts.size(); ++i)
        if (counts[i]) d.codeCounts[int16_t(uint16_t(i))] = counts[i];
    QS_TRY(const PackedScales scales, linear.scales());
    d.scaleCount = scales.scale.size();
    rangeOf(scales.scale, d.scaleMin, d.scaleMax);
    rangeOf(scales.zero, d.zeroMin, d.zeroMax);
    return d;
}

} // namespace qs
