// SPDX-License-Identifier: Apache-2.0
#include "core/quant/outlier/leave_one_out.h"

#include "core/linalg/parallel.h"

#include <algorithm>

namespace qs {

namespace {

class GroupGains {
public:
    GroupGains(const Codec& codec, RangeChoice range) : codec_(codec), search_(codec, range) {}

    /// Squared errors of values, weighted, into `errors`; their sum.
    double measure(std::span<const float> values, std::span<const double> cost, float scale, float zero,
                   std::span<double> errors) {
        const size_t n = values.size();
        scales_.assign(n, scale);
        zeros_.assign(n, zero);
        codes_.resize(n);
        rounded_.resize(n);
        codec_.round(values.data(), n, scales_.data(), zeros_.data(), codes_.data(), rounded_.data());
        double sum = 0;
        for (size_t i = 0; i < n; ++i) {
            const double d = double(values[i]) - double(rounded_[i]);
            errors[i] = cost[i] * d * d;
            sum += errors[i];
        }
        return sum;
    }

    /// The error of the others when values[i] is left out.
    double without(std::span<const float> values, std::span<const double> cost, size_t i) {
        left_.clear();
        leftCost_.clear();
        for (size_t j = 0; j < values.size(); ++j)
            if (j != i) {
                left_.push_back(values[j]);
                leftCost_.push_back(cost[j]);
            }
        if (left_.empty()) return 0;
        float scale = 0, zero = 0;
        search_.fit(left_, scale, zero);
        leftErrors_.resize(left_.size());
        return measure(left_, leftCost_, scale, zero, leftErrors_);
    }

private:
    const Codec& codec_;
    RangeSearch search_;
    std::vector<float> scales_, zeros_, rounded_, left_;
    std::vector<double> leftCost_, leftErrors_;
    std::vector<uint8_t> codes_;
};

} // namespace

Matrix leaveOneOutGains(ConstMatrixView weight, const Codec& codec, RangeChoice range,
                        std::span<const double> cost, QuantizedTensor& q) {
    fitGroups(codec, range, weight, q);
    const TensorCodec reader(codec, q);
    const bool refits =
        codec.fitColumns() == 0 && q.layout.scaleRows == weight.rows && q.layout.blockRows == 1;
    Matrix gains(weight.rows, weight.cols);
    linalg::parallelFor(weight.rows, 8, [&](size_t begin, size_t end) {
        GroupGains group(*reader, range);
        std::vector<double> errors(q.layout.groupSize);
        for (size_t r = begin; r < end; ++r)
            for (size_t c = 0; c < weight.cols; c += q.layout.groupSize) {
                const size_t n = std::min(q.layout.groupSize, weight.cols - c), p = q.parameterRow(r);
                const std::span<const float> values(weight.row(r) + c, n);
                const auto part = cost.subspan(c, n);
                const double all =
                    group.measure(values, part, q.scale(p, q.groupOf(c)), q.zero(p, q.groupOf(c)), errors);
                for (size_t i = 0; i < n; ++i)
                    gains(r, c + i) = float(errors[i]);
                if (!refits) continue;
                const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
                for (const size_t i : {size_t(lo - values.begin()), size_t(hi - values.begin())})
                    gains(r, c + i) = float(all - group.without(values, part, i));
            }
    });
    return gains;
}

} // namespace qs
