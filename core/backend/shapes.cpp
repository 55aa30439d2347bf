// SPDX-License-Identifier: Apache-2.0
#include "core/backend/shapes.h"

#include <fmt/format.h>

namespace qs::shapes {

std::string text(const Tensor& t) {
    return fmt::format("[{}, {}]", t.rows, t.cols);
}

Result<void> error(const char* op, const std::string& rule, const std::string& got) {
    return Error::invalid(fmt::format("[{}] {}, got {}", op, rule, got));
}

Result<void> checkSame(const char* op, const Tensor& a, const Tensor& b) {
    if (a.rows == b.rows && a.cols == b.cols) return {};
    return error(op, "shapes must match", text(a) + text(b));
}

Result<void> checkLinear(const Tensor& x, const Tensor& w, const Tensor* bias, const Tensor& y) {
    if (x.cols == w.cols && y.rows == x.rows && y.cols == w.rows && (!bias || bias->cols == w.rows))
        return {};
    return error("linear", "x [T, K], w [N, K], bias [1, N], y [T, N]",
                 text(x) + text(w) + (bias ? text(*bias) : "") + text(y));
}

Result<void> checkNorm(const char* op, const Tensor& x, const Tensor& gain, const Tensor& y) {
    if (gain.rows > 0 && gain.cols == x.cols && y.rows == x.rows && y.cols == x.cols) return {};
    return error(op, "gain [g, N], x and y [T, N]", text(gain) + text(x) + text(y));
}

Result<void> checkLayerNorm(const Tensor& x, const Tensor& gain, const Tensor& bias, const Tensor& y) {
    QS_CHECK(checkNorm("layerNorm", x, gain, y));
    if (bias.rows == gain.rows && bias.cols == gain.cols) return {};
    return error("layerNorm", "bias shaped as gain", text(bias) + text(gain));
}

Result<void> checkRope(const Tensor& x, size_t headDim, const RopeTable& table, size_t windowLength) {
    const Tensor &cosine = table.cosine, &sine = table.sine;
    if (headDim != 0 && x.cols % headDim == 0 && 2 * cosine.cols <= headDim && windowLength != 0 &&
        windowLength <= cosine.rows && sine.rows == cosine.rows && sine.cols == cosine.cols)
        return {};
    return error("rope", "x [T, heads * d], table [positions >= window, at most d / 2]",
                 text(x) + text(cosine));
}

Result<void> checkAttention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& a,
                            const Tensor& out) {
    if (a.heads != 0 && a.kvHeads != 0 && a.heads % a.kvHeads == 0 && q.cols % a.heads == 0 &&
        a.windowLength != 0 && q.rows % a.windowLength == 0 && k.cols == q.cols / a.heads * a.kvHeads &&
        k.cols == v.cols && out.cols == q.cols && out.rows == q.rows && k.rows == q.rows &&
        v.rows == q.rows &&
        (!a.keyBias.buffer || (a.keyBias.rows == a.heads && a.keyBias.cols == a.windowLength)))
        return {};
    return error("attention", "q, out [T, heads * d], k, v [T, kvHeads * d], T a multiple of the window",
                 text(q) + text(k) + text(v) + text(out));
}

Result<void> checkSoftCap(float cap) {
    if (cap > 0) return {};
    return Error::invalid(fmt::format("[softCap] the cap must be above 0, got {}", cap));
}

Result<void> checkRows(const char* op, const Tensor& x, std::span<const uint32_t> rows, const Tensor& y) {
    if (y.rows != rows.size() || y.cols != x.cols)
        return error(op, fmt::format("y [{}, {}]", rows.size(), x.cols), text(y));
    for (const uint32_t r : rows)
        if (r >= x.rows)
            return Error::invalid(fmt::format("[{}] row {} of {} does not exist", op, r, x.rows));
    return {};
}

Result<void> checkScaledRows(const Tensor& x, std::span<const uint32_t> rows, std::span<const float> weights,
                             const Tensor& y) {
    QS_CHECK(checkRows("addScaledRows", x, rows, y));
    if (weights.size() == rows.size()) return {};
    return Error::invalid(fmt::format("[addScaledRows] {} weights for {} rows", weights.size(), rows.size()));
}

Result<void> checkSigma(const Tensor& x, const MatrixD& sigma) {
    if (sigma.rows() == x.cols && sigma.cols() == x.cols) return {};
    return error("accumulateSigma", "sigma [K, K] for x [T, K]", text(x));
}

Result<void> checkSquare(const MatrixD& h) {
    if (h.rows() == h.cols()) return {};
    return Error::invalid(fmt::format("[upperFactor] H must be square, got [{}, {}]", h.rows(), h.cols()));
}

Result<void> checkProduct(ConstMatrixView c, ConstMatrixView a, ConstMatrixView b) {
    if (a.rows == b.rows && c.rows == a.cols && c.cols == b.cols) return {};
    return Error::invalid("[addProduct] c [m, n], a [k, m], b [k, n] do not fit");
}

} // namespace qs::shapes
