// SPDX-License-Identifier: Apache-2.0
#include "core/backend/shapes.h"

#include "core/linalg/block_rotation.h"
#include "core/linalg/elements.h"

#include <bit>
#include <cmath>
#include <fmt/format.h>

namespace qs::shapes {

std::string text(const TensorBlock& t) {
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

Result<void> checkSigma(const Tensor& x, size_t channels) {
    if (channels == x.cols) return {};
    return error("secondMoment", fmt::format("x [T, {}]", channels), text(x));
}

Result<void> checkForm(ConstMatrixView a, const MatrixD& sigma) {
    if (sigma.rows() == a.cols && sigma.cols() == a.cols) return {};
    return Error::invalid(fmt::format("[quadraticForm] Sigma is [{}, {}] for a row length of {}",
                                      sigma.rows(), sigma.cols(), a.cols));
}

Result<void> checkFactor(const MatrixD& sigma, std::span<const uint32_t> order,
                         std::span<const double> diagonal) {
    const size_t n = sigma.rows();
    if (sigma.cols() != n || order.size() != n || diagonal.size() != n)
        return Error::invalid(fmt::format("[upperFactor] Sigma [n, n] and n entries of order and diagonal "
                                          "expected, got [{}, {}], {} and {}",
                                          n, sigma.cols(), order.size(), diagonal.size()));
    std::vector<bool> seen(n);
    for (const uint32_t i : order) {
        if (i >= n || seen[i])
            return Error::invalid(fmt::format("[upperFactor] order must hold 0 to {} once each, got {}{}",
                                              n - 1, i, i < n ? " twice" : ""));
        seen[i] = true;
    }
    return {};
}

Result<void> checkBlock(size_t first, size_t count, size_t size) {
    if (first <= size && count <= size - first) return {};
    return Error::invalid(
        fmt::format("[upperFactor] columns {} to {} of a matrix of {}", first, first + count, size));
}

Result<void> checkColumnList(const TensorBlock& x, std::span<const uint32_t> columns,
                             const TensorBlock& out) {
    if (out.rows != columns.size() || out.cols != x.rows || out.hasGaps())
        return error("gatherColumns", fmt::format("out [{}, {}] without gaps", columns.size(), x.rows),
                     text(out));
    for (const uint32_t c : columns)
        if (c != kNoColumn && c >= x.cols)
            return error("gatherColumns", fmt::format("columns below {}", x.cols), std::to_string(c));
    return {};
}

Result<void> checkRanges(const TensorBlock& x, std::span<const float> low, std::span<const float> high) {
    if (x.rows > 0 && !x.hasGaps() && low.size() == x.cols && high.size() == x.cols) return {};
    return error("columnRanges", fmt::format("x [1 or more, {}] without gaps", low.size()), text(x));
}

Result<void> checkProduct(const TensorBlock& c, const TensorBlock& a, const TensorBlock& b) {
    if (a.rows == b.rows && c.rows == a.cols && c.cols == b.cols) return {};
    return error("addProduct", "c [m, n], a [k, m], b [k, n]", text(c) + text(a) + text(b));
}

Result<void> checkColumns(const ColumnBlock& b) {
    const size_t n = b.weight.rows, rows = b.weight.cols;
    for (const TensorBlock* t : {&b.weight, &b.original, &b.error, &b.change})
        if (t->rows != n || t->cols != rows || t->hasGaps())
            return error("gptqColumnBlock", "weight, original, error, change [n, rows] without gaps",
                         text(*t));
    const auto fits = [&](const TensorBlock& m) {
        return m.rows == n && m.cols == rows && (m.stride == rows || m.stride == 0 || n == 1);
    };
    const bool codes = b.codes.cols == rows && b.firstCode <= b.codes.rows && n <= b.codes.rows - b.firstCode;
    if (b.factor.rows == n && b.factor.cols == n && fits(b.scale) && fits(b.zero) &&
        (b.scale.stride == 0) == (b.zero.stride == 0) && codes)
        return {};
    return Error::invalid(
        fmt::format("[gptqColumnBlock] factor [{0}, {0}], scale and zero [{0}, {1}], {0} rows of {1} codes "
                    "expected",
                    n, rows));
}

Result<void> checkCopy(const char* op, const TensorBlock& t, ConstMatrixView host) {
    if (t.rows == host.rows && t.cols == host.cols && !t.hasGaps()) return {};
    return error(op, fmt::format("[{}, {}] without gaps", host.rows, host.cols), text(t));
}

Result<void> checkGroupRanges(const Tensor& x, size_t groupSize, MatrixView low, MatrixView high) {
    if (groupSize == 0) return error("groupRanges", "groups of at least one column", "0");
    const size_t groups = (x.cols + groupSize - 1) / groupSize;
    for (const MatrixView& m : {low, high})
        if (m.rows != x.rows || m.cols != groups)
            return error("groupRanges", fmt::format("low and high [{}, {}]", x.rows, groups),
                         fmt::format("[{}, {}]", m.rows, m.cols));
    return {};
}

Result<void> checkBlocks(const char* op, const TensorBlock& from, const TensorBlock& to) {
    if (from.rows == to.rows && from.cols == to.cols && !from.hasGaps() && !to.hasGaps()) return {};
    return error(op, "two of one shape without gaps", text(from) + text(to));
}

Result<void> checkScores(const Tensor& logits, std::span<const uint32_t> rows,
                         std::span<const uint32_t> targets, const Tensor* reference) {
    if (reference) QS_CHECK(checkSame("scoreLogits", logits, *reference));
    if (rows.size() != targets.size())
        return Error::invalid(
            fmt::format("[scoreLogits] {} targets for {} rows", targets.size(), rows.size()));
    for (size_t i = 0; i < rows.size(); ++i)
        if (rows[i] >= logits.rows || targets[i] >= logits.cols)
            return error("scoreLogits", fmt::format("row {} and target {} within", rows[i], targets[i]),
                         text(logits));
    return {};
}

Result<void> checkCodeCopy(const char* op, const CodeTensor& codes, size_t rows, size_t cols) {
    if (codes.rows == rows && codes.cols == cols) return {};
    return error(op, fmt::format("codes [{}, {}]", rows, cols),
                 fmt::format("[{}, {}]", codes.rows, codes.cols));
}

Result<void> checkTransposed(const CodeTensor& codes, size_t rows, size_t cols) {
    if (codes.cols == rows && cols <= codes.rows) return {};
    return error("downloadTransposed", fmt::format("codes [{} or more, {}]", cols, rows),
                 fmt::format("[{}, {}]", codes.rows, codes.cols));
}

namespace {

Result<void> checkLevels(const char* op, const CodeGrid& g) {
    if (g.maxCode < 1 || g.maxCode > 255 || g.zeroCode > g.maxCode)
        return Error::invalid(fmt::format("[{}] codes 0 .. maxCode <= 255 with the zero's among them, got "
                                          "maxCode {}, zero {}",
                                          op, g.maxCode, g.zeroCode));
    if (g.levels.empty()) return {};
    const size_t most = size_t(g.maxCode);
    if (g.levels.size() == most + 1 && g.bounds.size() >= most && std::has_single_bit(g.bounds.size() + 1))
        return {};
    return Error::invalid(fmt::format("[{}] a level for each of {} codes and 2^k - 1 bounds, got {} and {}",
                                      op, most + 1, g.levels.size(), g.bounds.size()));
}

Result<void> checkIndex(const char* op, const CodeGroups& g, size_t cols) {
    const size_t groups = g.scale.cols;
    if (g.groupOfColumn.empty()) {
        if (g.groupSize > 0 && groups == (cols + g.groupSize - 1) / g.groupSize) return {};
        return Error::invalid(fmt::format("[{}] {} columns in groups of {} do not have {} scales a row", op,
                                          cols, g.groupSize, groups));
    }
    if (g.groupOfColumn.size() != cols)
        return Error::invalid(
            fmt::format("[{}] groups of {} columns for {}", op, g.groupOfColumn.size(), cols));
    for (size_t c = 0; c < cols; ++c)
        if (g.groupOfColumn[c] < 0 || size_t(g.groupOfColumn[c]) >= groups)
            return Error::invalid(
                fmt::format("[{}] group {} of column {} is none of {}", op, g.groupOfColumn[c], c, groups));
    return {};
}

} // namespace

Result<void> checkGrid(const char* op, const CodeGrid& grid, const CodeGroups& g, size_t rows, size_t cols) {
    QS_CHECK(checkLevels(op, grid));
    if (rows == 0 || cols == 0) return {};
    if (g.blockRows == 0 || (g.scale.rows != 1 && g.scale.rows != (rows + g.blockRows - 1) / g.blockRows))
        return Error::invalid(fmt::format("[{}] scales of {} rows in blocks of {}, or 1 row, got {}", op,
                                          rows, g.blockRows, text(g.scale)));
    if (g.zero.buffer) QS_CHECK(checkSame(op, g.scale, g.zero));
    return checkIndex(op, g, cols);
}

Result<void> checkRound(const Tensor& x, const CodeGrid& grid, const CodeGroups& groups,
                        const Tensor* values) {
    if (values) QS_CHECK(checkSame("roundToGrid", x, *values));
    return checkGrid("roundToGrid", grid, groups, x.rows, x.cols);
}

Result<void> checkDecode(const CodeTensor& codes, const CodeGrid& grid, const CodeGroups& groups,
                         const Tensor& values) {
    QS_CHECK(checkCodeCopy("decodeCodes", codes, values.rows, values.cols));
    return checkGrid("decodeCodes", grid, groups, values.rows, values.cols);
}

Result<void> checkShift(const Tensor& x, std::span<const float> shift) {
    if (shift.size() != x.cols)
        return error("columnSums", "a shift for every column of x",
                     fmt::format("{} for {}", shift.size(), text(x)));
    for (size_t c = 0; c < shift.size(); ++c)
        if (!isFiniteValue(shift[c]))
            return Error::invalid(fmt::format("[columnSums] shift {} is {}, must be finite", c, shift[c]));
    return {};
}

Result<void> checkBins(double lo, double hi, size_t bins) {
    constexpr size_t kMost = size_t(1) << 20;
    if (lo <= hi && std::isfinite(lo) && std::isfinite(hi) && bins >= 1 && bins <= kMost) return {};
    return Error::invalid(fmt::format("[countValues] finite lo <= hi and 1 to {} bins, got {} .. {} and {}",
                                      kMost, lo, hi, bins));
}

Result<void> checkKMeans(const Tensor& points, const Tensor* weights, ConstMatrixView centers) {
    if (points.cols == 0 || points.cols > kMostDimensions || centers.cols != points.cols ||
        centers.rows == 0 || centers.rows > INT32_MAX)
        return error("kMeansStep",
                     fmt::format("points [n, p], centers [k, p], 1 <= p <= {}", kMostDimensions),
                     text(points) + fmt::format("[{}, {}]", centers.rows, centers.cols));
    if (weights && (weights->rows != points.rows || weights->cols != 1))
        return error("kMeansStep", "weights [n, 1] for points [n, p]", text(*weights) + text(points));
    for (size_t c = 0; c < centers.rows; ++c)
        for (const float v : centers.rowSpan(c))
            if (!isFiniteValue(v)) return notFinite("kMeansStep", "a center");
    return {};
}

Result<void> checkRotation(const Tensor& x, std::span<const float> signs, const MatrixD& orthogonal) {
    const size_t rest = x.cols == 0 ? 1 : x.cols / linalg::powerOfTwoIn(x.cols), order = rest == 1 ? 0 : rest;
    if (signs.size() == x.cols && orthogonal.rows() == order && orthogonal.cols() == order) return {};
    return error("rotateRows", fmt::format("{} signs and Q [{}, {}] for {}", x.cols, order, order, text(x)),
                 fmt::format("{} and [{}, {}]", signs.size(), orthogonal.rows(), orthogonal.cols()));
}

Error notFinite(const char* op, const char* what) {
    return Error::invalid(fmt::format("[{}] {} is NaN or infinite", op, what));
}

} // namespace qs::shapes
