// SPDX-License-Identifier: Apache-2.0
#include "core/codec/ggml_grid.h"
#include "core/linalg/grid_kernels.h"

#include "core/tensor/dtype.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace qs {

namespace {

constexpr size_t kMostGroup = 32;

/// The nearest value of float16 that is finite; 0 without a sign.
float asHalf(float v) {
    return halfToFloat(floatToHalf(std::clamp(v, -65504.0f, 65504.0f))) + 0.0f;
}

/// One group: values, weights of their squared errors, and what its grid allows.
class GroupFit {
public:
    GroupFit(const GgmlGrid& grid, std::span<const float> x, std::span<const float> importance)
        : grid_(grid), x_(x), importance_(importance) {}

    float scale = 0, offset = 0;

    void fit(const FitRule& rule) {
        if (grid_.offset)
            fitRange(rule);
        else
            fitExtreme(rule);
    }

    /// Weighted squared error of nearest codes with these parameters.
    double error(float s, float m) {
        const auto uniform = onUniformGrid(s, m);
        return uniform ? uniformError(*uniform, s, m) : sumsOf(s, m).error;
    }

private:
    /// What roundToGrid(s, m) looks at, for the kernels of uniform grids; nothing for other grids and for
    /// scales that have no inverse.
    std::optional<UniformGroup> onUniformGrid(float s, float m) const {
        const float inverse = s != 0 ? 1.0f / s : 0.0f;
        if (grid_.table || !std::isfinite(inverse)) return std::nullopt;
        return UniformGroup{x_.data(),
                            importance_.empty() ? nullptr : importance_.data(),
                            x_.size(),
                            m,
                            inverse,
                            float(grid_.centre),
                            float(grid_.levels - 1)};
    }
    double weight(size_t i) const { return importance_.empty() ? 1.0 : double(importance_[i]); }

    /// The value of largest magnitude, the first where several have it.
    float largest() const {
        const MinMax ends = minMaxOf(x_.data(), x_.size());
        if (-ends.min != ends.max) return -ends.min > ends.max ? ends.min : ends.max;
        return *std::find_if(x_.begin(), x_.end(), [&](float v) { return std::fabs(v) == ends.max; });
    }

    void fitExtreme(const FitRule& rule) {
        const float top = largest();
        if (top == 0) {
            if (grid_.powerOfTwo) scale = std::ldexp(1.0f, -128); // there is no 0 among them
            return;
        }
        if (grid_.powerOfTwo) return fitPower(std::fabs(top) * (rule.search ? 1.0f : rule.clip), rule.search);
        // A positive extreme value is symmetric: the sign is of no use.
        const float end = grid_.extreme > 0 ? std::fabs(top) : top;
        scale = (rule.search ? end : rule.clip * end) / float(grid_.extreme);
        if (!rule.search) return;
        double best = error(scale, 0);
        constexpr int kSteps = 12;
        for (int k = -kSteps; k <= kSteps; ++k) {
            const float start = end / (float(grid_.extreme) * (1.0f + 0.025f * float(k)));
            if (start == 0 || !std::isfinite(start)) continue;
            const UniformSums at = sumsOf(start, 0);
            // The scale that is best for the codes which `start` gives, and this one.
            if (at.vv > 0) tryScale(float(at.vx / at.vv), best);
            takeBetter(start, at.error, best);
        }
    }

    void tryScale(float s, double& best) {
        if (s != 0 && std::isfinite(s)) takeBetter(s, error(s, 0), best);
    }

    void takeBetter(float s, double error, double& best) {
        if (!(error < best)) return;
        best = error;
        scale = s;
    }

    /// s = 2^k such that the largest value is inside the last binade of the grid (OCP MX 1.0, 6.3: k =
    /// floor(log2 max) - emax), or the neighbour with the least error.
    void fitPower(float top, bool search) {
        constexpr int kTopExponent = 3; // of 12, the largest value of the doubled table
        const int k = std::clamp(std::ilogb(top) - kTopExponent, -128, 126);
        scale = std::ldexp(1.0f, k);
        if (!search) return;
        double best = error(scale, 0);
        for (const int other : {k - 1, k + 1})
            if (other >= -128 && other <= 126) tryScale(std::ldexp(1.0f, other), best);
    }

    void fitRange(const FitRule& rule) {
        auto [lo, hi] = ends();
        if (!rule.search) {
            lo *= rule.clip;
            hi *= rule.clip;
        }
        offset = -lo;
        scale = (hi - lo) / float(grid_.levels - 1);
        if (!rule.search || scale == 0) return;
        double best = error(scale, offset);
        constexpr int kSteps = 20;
        for (int k = 0; k <= kSteps; ++k) {
            float s = (hi - lo) / (float(grid_.levels - 1) * (0.9f + 0.02f * float(k))), m = -lo;
            UniformSums at = sumsOf(s, m);
            for (int turn = 0; turn < 2; ++turn) {
                leastSquares(at, s, m);
                if (s == 0 || !std::isfinite(s) || !std::isfinite(m)) break;
                if (turn == 0)
                    at = sumsOf(s, m); // for the next turn too
                else
                    at.error = error(s, m);
                if (at.error < best) {
                    best = at.error;
                    scale = s;
                    offset = m;
                }
            }
        }
    }

    std::pair<float, float> ends() const {
        const auto [lo, hi] = minMaxOf(x_.data(), x_.size());
        if (grid_.anyOffset) return {lo, hi};
        return {std::min(lo, 0.0f), std::max(hi, 0.0f)};
    }

    /// Of the codes which (s, m) give.
    UniformSums sumsOf(float s, float m) {
        if (const auto uniform = onUniformGrid(s, m)) return uniformSums(*uniform, s, m);
        roundToGrid(grid_, x_.data(), x_.size(), s, m, codes_.data());
        UniformSums sums{};
        for (size_t i = 0; i < x_.size(); ++i) {
            const double wi = weight(i), v = double(grid_.value(codes_[i])), xi = x_[i];
            sums.w += wi;
            sums.v += wi * v;
            sums.vv += wi * v * v;
            sums.x += wi * xi;
            sums.vx += wi * v * xi;
            const double e = double(s) * v - double(m) - xi;
            sums.error += wi * e * e;
        }
        return sums;
    }

    /// The scale and offset that are best for the codes behind the sums.
    void leastSquares(const UniformSums& at, float& s, float& m) const {
        const auto& [w, q, qq, x, qx, error] = at;
        const double determinant = w * qq - q * q;
        if (determinant <= 0) return;
        s = float((w * qx - q * x) / determinant);
        m = float((q * qx - qq * x) / determinant);
        if (m >= 0 || grid_.anyOffset) return;
        m = 0;
        s = qq > 0 ? float(qx / qq) : 0;
    }

    const GgmlGrid& grid_;
    std::span<const float> x_, importance_;
    std::array<uint8_t, kMostGroup> codes_;
};

/// The integers of a block's groups, and d (dmin) for them.
class BlockFit {
public:
    BlockFit(const GgmlGrid& grid, std::span<const float> values, std::span<const float> importance)
        : grid_(grid), values_(values), importance_(importance) {}

    GgmlScales fit(const FitRule& rule) {
        std::array<float, GgmlScales::kMostGroups> scale{}, offset{};
        for (size_t g = 0; g < grid_.groups(); ++g) {
            GroupFit fit = group(g);
            fit.fit(rule);
            scale[g] = fit.scale;
            offset[g] = fit.offset;
        }
        if (!grid_.superBlocks()) {
            out_.d = grid_.powerOfTwo ? scale[0] : asHalf(scale[0]);
            out_.dmin = asHalf(offset[0]);
            out_.scale[0] = 1;
            return out_;
        }
        setScales({scale.data(), grid_.groups()});
        if (grid_.offset) setOffsets({offset.data(), grid_.groups()});
        if (rule.search)
            for (size_t g = 0; g < grid_.groups(); ++g)
                refine(g);
        return out_;
    }

private:
    GroupFit group(size_t g) const {
        const size_t first = g * grid_.group;
        return {grid_, values_.subspan(first, grid_.group),
                importance_.empty() ? importance_ : importance_.subspan(first, grid_.group)};
    }

    void setScales(std::span<const float> scale) {
        const float largest = *std::max_element(scale.begin(), scale.end(),
                                                [](float a, float b) { return std::fabs(a) < std::fabs(b); });
        out_.d = asHalf(largest / float(grid_.scaleLow < 0 ? grid_.scaleLow : grid_.scaleHigh));
        for (size_t g = 0; g < scale.size() && out_.d != 0; ++g)
            out_.scale[g] = int8_t(
                std::clamp(std::nearbyint(scale[g] / out_.d), float(grid_.scaleLow), float(grid_.scaleHigh)));
    }

    void setOffsets(std::span<const float> offset) {
        out_.dmin = asHalf(*std::max_element(offset.begin(), offset.end()) / float(grid_.offsetHigh));
        for (size_t g = 0; g < offset.size() && out_.dmin != 0; ++g)
            out_.offset[g] =
                uint8_t(std::clamp(std::nearbyint(offset[g] / out_.dmin), 0.0f, float(grid_.offsetHigh)));
    }

    /// The integers next to the rounded ones, where they give less error.
    void refine(size_t g) {
        GroupFit fit = group(g);
        const int c0 = out_.scale[g], e0 = out_.offset[g];
        double best = std::numeric_limits<double>::infinity();
        for (const int e : {e0, e0 - 1, e0 + 1})
            for (const int c : {c0, c0 - 1, c0 + 1}) {
                if (c < grid_.scaleLow || c > grid_.scaleHigh || e < 0 || e > grid_.offsetHigh) continue;
                const double error = fit.error(out_.d * float(c), out_.dmin * float(e));
                if (error >= best) continue;
                best = error;
                out_.scale[g] = int8_t(c);
                out_.offset[g] = uint8_t(e);
            }
    }

    const GgmlGrid& grid_;
    std::span<const float> values_, importance_;
    GgmlScales out_;
};

} // namespace

GgmlScales fitGgmlBlock(const GgmlGrid& grid, std::span<const float> values,
                        std::span<const float> importance, const FitRule& rule) {
    return BlockFit(grid, values, importance).fit(rule);
}

} // namespace qs
