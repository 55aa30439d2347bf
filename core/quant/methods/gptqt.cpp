// SPDX-License-Identifier: Apache-2.0
// GPTQT: quantized twice. The values of a group go onto integers of a bit or two more than the format has; of
// these, the levels of the format are a subset that b signed scales can make, base + sum_i e_i d_i with e_i
// in {0, 1} and integers d_i, that is scales d_i s / 2 around an offset. All such subsets and several steps s
// are compared by the error that GPTQ counts, sum over columns of (w - w')^2 / U_jj^2, on the weights as they
// are when the recursion reaches the group; the best is stored as binary codes (bcq), without the integers.
#include "core/codec/binary_packing.h"
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace qs {

namespace {

constexpr int kMostIntermediate = 5; ///< bits: 2^5 integers have ten thousand subsets of 2^4
constexpr int kMostLevels = 1 << kMostPlanes;

/// Levels out of 0 .. 2^m - 1 that signed scales can make.
struct Subset {
    std::array<int, kMostPlanes> steps{}; ///< d_i, the largest first
    int base = 0;
    std::array<int, kMostLevels> levels{}; ///< in ascending order

    int span(int planes) const {
        int sum = 0;
        for (int p = 0; p < planes; ++p)
            sum += steps[size_t(p)];
        return sum;
    }
};

/// All of them, with `steps` filled up to `plane`.
void collectSubsets(Subset& subset, int planes, int plane, int most, std::vector<Subset>& out) {
    if (plane == planes) {
        const int span = subset.span(planes);
        for (subset.base = 0; subset.base + span <= most; ++subset.base) {
            for (int code = 0; code < 1 << planes; ++code) {
                int& level = subset.levels[size_t(code)] = subset.base;
                for (int p = 0; p < planes; ++p)
                    if (code >> p & 1) level += subset.steps[size_t(p)];
            }
            std::sort(subset.levels.begin(), subset.levels.begin() + (1 << planes));
            out.push_back(subset);
        }
        return;
    }
    const int largest = plane == 0 ? most : subset.steps[size_t(plane - 1)];
    for (int d = 1; d <= largest && subset.span(plane) + d <= most; ++d) {
        subset.steps[size_t(plane)] = d;
        collectSubsets(subset, planes, plane + 1, most, out);
    }
}

/// Weighted sums over values in units of the step, up to every half of a unit: where two levels meet.
class HalfSteps {
public:
    explicit HalfSteps(int most) : count_(2 * size_t(most)), sums_(count_ + 1) {}

    void set(std::span<const float> values, std::span<const double> weights, double step, double zero) {
        std::fill(sums_.begin(), sums_.end(), Sums{});
        for (size_t i = 0; i < values.size(); ++i) {
            const double x = double(values[i]) / step + zero;
            const double half = std::clamp(std::floor(2 * x), 0.0, double(count_ - 1));
            Sums& s = sums_[size_t(half) + 1];
            s.weight += weights[i];
            s.first += weights[i] * x;
            s.second += weights[i] * x * x;
        }
        for (size_t i = 1; i < sums_.size(); ++i) {
            sums_[i].weight += sums_[i - 1].weight;
            sums_[i].first += sums_[i - 1].first;
            sums_[i].second += sums_[i - 1].second;
        }
    }
    /// Of nearest levels, in squared steps.
    double error(const Subset& subset, int levels) const {
        double sum = sums_.back().second;
        size_t begin = 0;
        for (int k = 0; k < levels; ++k) {
            const int level = subset.levels[size_t(k)];
            const size_t end = k + 1 < levels ? size_t(level + subset.levels[size_t(k + 1)]) : count_;
            const double weight = sums_[end].weight - sums_[begin].weight,
                         first = sums_[end].first - sums_[begin].first;
            sum += level * (level * weight - 2 * first);
            begin = end;
        }
        return sum;
    }

private:
    struct Sums {
        double weight = 0, first = 0, second = 0;
    };
    size_t count_;
    std::vector<Sums> sums_; ///< [i]: of the values below i / 2
};

class SubsetSearch {
public:
    SubsetSearch(int planes, int intermediate, BinaryPacking packing)
        : planes_(planes), most_((1 << intermediate) - 1), packing_(packing) {
        Subset subset;
        collectSubsets(subset, planes, 0, most_, subsets_);
    }

    /// False when no subset can be stored: the values lie far from 0.
    bool fit(std::span<const float> values, std::span<const double> weights, float& scale,
             float& zero) const {
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        const double lo = std::min(0.0, double(*low)), hi = std::max(0.0, double(*high));
        HalfSteps sums(most_);
        double least = INFINITY;
        BinaryBasis best;
        for (int percent = 80; percent <= 120 && hi > lo; percent += 5) {
            const double step = (hi - lo) / most_ * percent / 100, origin = std::nearbyint(-lo / step);
            sums.set(values, weights, step, origin);
            for (const Subset& subset : subsets_) {
                const double error = step * step * sums.error(subset, 1 << planes_);
                if (!(error < least)) continue;
                const BinaryBasis basis = basisOf(subset, step, origin);
                if (!packing_.holdsOffset(basis)) continue;
                least = error;
                best = basis;
            }
        }
        if (!std::isfinite(least)) return false;
        packing_.pack(best, scale, zero);
        return true;
    }

private:
    BinaryBasis basisOf(const Subset& subset, double step, double origin) const {
        BinaryBasis basis{planes_};
        for (int p = 0; p < planes_; ++p)
            basis.scales[size_t(p)] = subset.steps[size_t(p)] * step / 2;
        basis.offset = (subset.base - origin + subset.span(planes_) / 2.0) * step;
        return basis;
    }

    int planes_, most_;
    BinaryPacking packing_;
    std::vector<Subset> subsets_;
};

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    GptqOptions options;
    options.damping = in.params.real("damping");
    if (in.codec->id() != "bcq") { // of evenly spaced integers there is only the range to choose
        options.range = RangeRule::Mse;
        QS_CHECK(solveGptq(in, options, q, job));
        return q;
    }
    QS_TRY(const std::vector<double> cost, gptqErrorCosts(*in.sigma, options, *in.backend));
    QS_CHECK(job.checkpoint());
    const int planes = in.codec->bits();
    const int intermediate = std::min(planes + int(in.params.integer("more_bits")), kMostIntermediate);
    const SubsetSearch search(planes, intermediate, BinaryPacking(planes, in.codec->scaleType()));
    options.fit = [&](std::span<const float> values, QuantizedTensor& t, size_t row, size_t column) {
        const size_t group = column / t.layout.groupSize;
        if (!search.fit(values, std::span(cost).subspan(column, values.size()), t.scale(row, group),
                        t.zero(row, group)))
            in.codec->fitBlock(values, {}, {}, t, row, column);
    };
    QS_CHECK(solveGptq(in, options, q, job.part(0.3, 1)));
    return q;
}

} // namespace

const MethodDescriptor& method_gptqt() {
    static const MethodDescriptor d{
        .id = "gptqt",
        .label = "GPTQT",
        .summary =
            "GPTQ whose binary codes are the best of those that integers of more bits contain; meant for "
            "bcq",
        .citation = "Guo et al. 2024, arXiv:2407.02891",
        .needs = Needs::Sigma,
        .params = {ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10.0,
                                   "Added to the Hessian's diagonal, as a fraction of its mean."),
                   ParamSpec::integer("more_bits", "More bits", 1, 1, 2,
                                      "Bits of the integers in between beyond those of the format, at most 5 "
                                      "in all. 2 takes ten times as long.",
                                      "bit")},
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) {
            const double m = double(rows), n = double(cols);
            return n * n * n + 2.0 * m * n * n + 3e3 * m * n;
        }};
    return d;
}

} // namespace qs
