// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/codes.h"

#include "core/backend/cuda/products.h"
#include "core/backend/cuda/tiles.h"
#include "core/backend/shapes.h"
#include "core/linalg/block_rotation.h"
#include "core/linalg/elements.h"

#include <cmath>
#include <numeric>

namespace qs::cuda {

namespace {

/// A few values of the device.
template<class T>
Result<void> downloaded(Device& device, const void* from, std::span<T> to) {
    return device.download(from, 1, to.size(), sizeof(T),
                           [&](size_t, size_t first, size_t count, const void* values) {
                               std::memcpy(to.data() + first, values, count * sizeof(T));
                           });
}

/// Whether all of n values are finite; waits for the answer.
Result<bool> allFinite(Device& device, const float* x, size_t n) {
    QS_TRY(const auto found, device.take(sizeof(int)));
    QS_CHECK(
        device.check(cudaMemsetAsync(found->as<int>(), 0, sizeof(int), device.stream()), "findNotFinite"));
    QS_CHECK(device.check(findNotFinite(x, n, found->as<int>(), device.stream()), "findNotFinite"));
    int any = 0;
    QS_CHECK(downloaded(device, found->as<int>(), std::span(&any, 1)));
    return any == 0;
}

/// What the kernels read a grid and its groups from; the memory must outlive their launch.
struct Tables {
    Grid grid = {};
    Groups groups = {};
    std::shared_ptr<Memory> levels, index;
};

Result<Tables> tablesOf(Device& device, const CodeGrid& grid, const GroupTable& g) {
    Tables t;
    t.grid.maxCode = unsigned(grid.maxCode);
    t.grid.zeroCode = grid.zeroCode;
    if (!grid.levels.empty()) {
        std::vector<float> both(grid.levels.begin(), grid.levels.end());
        both.insert(both.end(), grid.bounds.begin(), grid.bounds.end());
        QS_TRY(t.levels, uploaded(device, std::span<const float>(both)));
        t.grid.levels = t.levels->as<float>();
        t.grid.bounds = t.grid.levels + grid.levels.size();
        t.grid.boundCount = unsigned(grid.bounds.size());
    }
    const CodeGroups& layout = g.layout;
    if (!layout.groupOfColumn.empty()) {
        QS_TRY(t.index, uploaded(device, layout.groupOfColumn));
        t.groups.groupOfColumn = t.index->as<int32_t>();
    }
    t.groups.scale = g.scale;
    t.groups.zero = g.zero;
    t.groups.scaleRows = g.scaleRows;
    t.groups.groups = g.groups;
    t.groups.groupSize = layout.groupSize;
    t.groups.blockRows = layout.blockRows;
    return t;
}

} // namespace

Result<void> groupRanges(Device& device, DeviceView x, size_t groupSize, MatrixView low, MatrixView high) {
    if (x.size() == 0) return {};
    const size_t count = low.size();
    QS_TRY(const auto both, device.take(2 * count * sizeof(float)));
    float* values = both->as<float>();
    QS_CHECK(
        device.check(groupRanges(x.data, x.rows, x.cols, groupSize, values, values + count, device.stream()),
                     "groupRanges"));
    QS_CHECK(device.download(values, low.rows, low.cols, sizeof(float), rowsInto(low)));
    return device.download(values + count, high.rows, high.cols, sizeof(float), rowsInto(high));
}

Result<void> roundToGrid(Device& device, DeviceView x, const CodeGrid& grid, const GroupTable& groups,
                         uint8_t* codes, float* values) {
    if (x.size() == 0) return {};
    QS_TRY(const bool finite, allFinite(device, x.data, x.size()));
    if (!finite) return shapes::notFinite("roundToGrid", "a value of x");
    QS_TRY(const Tables t, tablesOf(device, grid, groups));
    return device.check(roundToGrid(x.data, x.rows, x.cols, t.grid, t.groups, codes, values, device.stream()),
                        "roundToGrid");
}

Result<void> decodeCodes(Device& device, const uint8_t* codes, const CodeGrid& grid, const GroupTable& groups,
                         DeviceView values) {
    if (values.size() == 0) return {};
    QS_TRY(const Tables t, tablesOf(device, grid, groups));
    return device.check(
        decodeCodes(codes, values.rows, values.cols, t.grid, t.groups, values.data, device.stream()),
        "decodeCodes");
}

namespace {

ColumnSums zeroSums(size_t rows, size_t cols) {
    ColumnSums out;
    out.min.resize(cols);
    out.max.resize(cols);
    out.notFinite.resize(cols);
    out.rowAbsmax.resize(rows);
    for (std::vector<double>& power : out.powers)
        power.resize(cols);
    return out;
}

void fillSums(std::span<const ColumnSum> sums, ColumnSums& out) {
    for (size_t c = 0; c < sums.size(); ++c) {
        const bool none = sums[c].min > sums[c].max;
        out.min[c] = none ? 0 : sums[c].min;
        out.max[c] = none ? 0 : sums[c].max;
        out.notFinite[c] = sums[c].notFinite;
        for (size_t k = 0; k < 4; ++k)
            out.powers[k][c] = sums[c].powers[k];
    }
}

} // namespace

Result<ColumnSums> columnSums(Device& device, DeviceView x, std::span<const float> shift) {
    constexpr size_t kMostChunks = 64, kLeastRows = 256;
    ColumnSums out = zeroSums(x.rows, x.cols);
    if (x.size() == 0) return out;
    QS_TRY(const auto about, uploaded(device, shift));
    QS_TRY(const auto absmax, device.take(x.rows * sizeof(float)));
    std::vector<ColumnSum> sums(x.cols);
    const size_t most = std::min(kMostChunks, (x.rows + kLeastRows - 1) / kLeastRows);
    QS_CHECK(withSmallerTiles(most, 1, [&](size_t chunks) -> Result<void> {
        QS_TRY(const auto parts, device.take(chunks * x.cols * sizeof(ColumnSum)));
        ColumnSum* at = parts->as<ColumnSum>();
        QS_CHECK(device.check(columnSums(x.data, x.rows, x.cols, about->as<float>(),
                                         (x.rows + chunks - 1) / chunks, at, device.stream()),
                              "columnSums"));
        return downloaded(device, at, std::span(sums));
    }));
    QS_CHECK(
        device.check(rowAbsmax(x.data, x.rows, x.cols, absmax->as<float>(), device.stream()), "columnSums"));
    QS_CHECK(downloaded(device, absmax->as<float>(), std::span(out.rowAbsmax)));
    fillSums(sums, out);
    return out;
}

Result<void> DeviceTally::begin(std::span<const float> shift) {
    const ColumnSum nothing = {{0, 0, 0, 0}, 0, HUGE_VALF, -HUGE_VALF};
    const std::vector<ColumnSum> totals(cols_, nothing);
    QS_TRY(shift_, uploaded(device_, shift));
    QS_TRY(total_, uploaded(device_, std::span<const ColumnSum>(totals)));
    const size_t bytes = cols_ * kMagnitudeBins * sizeof(unsigned);
    QS_TRY(counts_, device_.take(bytes));
    return device_.check(cudaMemsetAsync(counts_->as<unsigned>(), 0, bytes, device_.stream()), "columnTally");
}

Result<void> DeviceTally::add(DeviceView x) {
    constexpr size_t kChunk = 64, kMostChunks = 256;
    QS_CHECK(device_.enter());
    if (x.size() == 0) return {};
    const size_t most = std::min(kMostChunks, (x.rows + kChunk - 1) / kChunk);
    QS_CHECK(withSmallerTiles(most, 1, [&](size_t chunks) -> Result<void> {
        QS_TRY(const auto parts, device_.take(chunks * cols_ * sizeof(ColumnSum)));
        return device_.check(tallyColumns(x.data, x.rows, cols_, shift_->as<float>(),
                                          (x.rows + chunks - 1) / chunks, parts->as<ColumnSum>(),
                                          total_->as<ColumnSum>(), device_.stream()),
                             "columnTally");
    }));
    return device_.check(countMagnitudes(x.data, x.rows, cols_, counts_->as<unsigned>(), device_.stream()),
                         "columnTally");
}

Result<TallySums> DeviceTally::take() {
    QS_CHECK(device_.enter());
    TallySums out;
    out.columns = zeroSums(0, cols_);
    out.magnitudes = MatrixT<uint32_t>(cols_, kMagnitudeBins);
    std::vector<ColumnSum> totals(cols_);
    QS_CHECK(downloaded(device_, total_->as<ColumnSum>(), std::span(totals)));
    QS_CHECK(downloaded(device_, counts_->as<uint32_t>(), out.magnitudes.span()));
    fillSums(totals, out.columns);
    return out;
}

Result<LogitScores> scoreLogits(Device& device, DeviceView logits, const float* reference,
                                std::span<const uint32_t> rows, std::span<const uint32_t> targets) {
    LogitScores out;
    if (rows.empty()) return out;
    QS_TRY(const auto rowList, uploaded(device, rows));
    QS_TRY(const auto targetList, uploaded(device, targets));
    QS_TRY(const auto memory, device.take(rows.size() * sizeof(Score)));
    const Scores s{logits.data,
                   reference,
                   logits.cols,
                   rows.size(),
                   rowList->as<uint32_t>(),
                   targetList->as<uint32_t>(),
                   memory->as<Score>()};
    QS_CHECK(device.check(scoreLogits(s, device.stream()), "scoreLogits"));
    std::vector<Score> scores(rows.size());
    QS_CHECK(downloaded(device, s.out, std::span(scores)));
    for (const Score& score : scores) {
        out.nll.push_back(score.nll);
        out.top.push_back(score.top);
        if (!reference) continue;
        out.referenceNll.push_back(score.referenceNll);
        out.referenceTop.push_back(score.referenceTop);
        out.kl.push_back(score.kl);
    }
    return out;
}

Result<ValueCounts> countValues(Device& device, DeviceView x, double lo, double hi, size_t bins) {
    const size_t places = bins + 3;
    std::vector<unsigned long long> all(places);
    QS_TRY(const auto counts, device.take(places * sizeof(unsigned long long)));
    auto* at = counts->as<unsigned long long>();
    QS_CHECK(device.check(cudaMemsetAsync(at, 0, places * sizeof(*at), device.stream()), "countValues"));
    QS_CHECK(device.check(countValues(x.data, x.size(), lo, hi, bins, at, device.stream()), "countValues"));
    QS_CHECK(downloaded(device, at, std::span(all)));
    ValueCounts out;
    out.bins.assign(all.begin(), all.begin() + ptrdiff_t(bins));
    out.below = all[bins];
    out.above = all[bins + 1];
    out.notFinite = all[bins + 2];
    return out;
}

Result<KMeansStep> kMeansStep(Device& device, DeviceView points, const float* weights,
                              ConstMatrixView centers) {
    static_assert(shapes::kMostDimensions == kMostKMeansColumns);
    const size_t n = points.rows, p = points.cols, k = centers.rows;
    KMeansStep out;
    out.sums = MatrixD(k, p + 1);
    if (n == 0) return out;
    QS_TRY(const bool finite, allFinite(device, points.data, points.size()));
    if (!finite) return shapes::notFinite("kMeansStep", "a point");
    QS_TRY(const auto means, device.take(centers.size() * sizeof(float)));
    QS_CHECK(device.upload(*means, k, p, sizeof(float), rowsOf(centers)));
    QS_TRY(const auto nearest, device.take(n * sizeof(uint32_t)));
    QS_TRY(const auto losses, device.take(n * sizeof(float)));
    QS_TRY(const auto sums, device.take(out.sums.size() * sizeof(double)));
    QS_CHECK(device.check(assignToCenters(points.data, weights, n, p, means->as<float>(), k,
                                          nearest->as<uint32_t>(), losses->as<float>(), device.stream()),
                          "kMeansStep"));
    QS_CHECK(device.check(sumsByCenter(points.data, weights, nearest->as<uint32_t>(), n, p, k,
                                       sums->as<double>(), device.stream()),
                          "kMeansStep"));
    out.nearest.resize(n);
    out.losses.resize(n);
    QS_CHECK(downloaded(device, nearest->as<uint32_t>(), std::span(out.nearest)));
    QS_CHECK(downloaded(device, losses->as<float>(), std::span(out.losses)));
    QS_CHECK(downloaded(device, sums->as<double>(), out.sums.span()));
    out.loss = std::accumulate(out.losses.begin(), out.losses.end(), 0.0);
    return out;
}

namespace {

/// Every `order` values of x times q, in place: some rows at a time, whose products stand beside them first.
Result<void> multiplyRows(Device& device, DeviceView x, const MatrixD& q, bool transposed) {
    constexpr size_t kTileBytes = size_t(64) << 20;
    const size_t order = q.rows();
    QS_TRY(const auto factor, uploaded(device, q.span()));
    size_t tile = std::clamp<size_t>(kTileBytes / sizeof(float) / x.cols, 1, x.rows);
    for (size_t first = 0; first < x.rows;) {
        size_t rows = 0;
        QS_CHECK(withSmallerTiles(tile, 1, [&](size_t size) -> Result<void> {
            tile = size;
            rows = std::min(size, x.rows - first);
            const size_t n = rows * x.cols;
            QS_TRY(const auto product, device.take(n * sizeof(float)));
            float* at = x.data + first * x.cols;
            QS_CHECK(device.check(multiplyBlocks(at, n, factor->as<double>(), order, transposed,
                                                 product->as<float>(), device.stream()),
                                  "rotateRows"));
            return device.check(cudaMemcpyAsync(at, product->as<float>(), n * sizeof(float),
                                                cudaMemcpyDeviceToDevice, device.stream()),
                                "rotateRows");
        }));
        first += rows;
    }
    return {};
}

} // namespace

Result<void> rotateRows(Device& device, DeviceView x, std::span<const float> signs, const MatrixD& orthogonal,
                        bool back) {
    if (x.size() == 0) return {};
    QS_TRY(const auto factors, uploaded(device, signs));
    const auto butterflies = [&] {
        return device.check(hadamardRows(x.data, x.rows, x.cols, linalg::powerOfTwoIn(x.cols),
                                         factors->as<float>(), back, device.stream()),
                            "rotateRows");
    };
    if (back && !orthogonal.empty()) QS_CHECK(multiplyRows(device, x, orthogonal, true));
    QS_CHECK(butterflies());
    if (!back && !orthogonal.empty()) return multiplyRows(device, x, orthogonal, false);
    return {};
}

} // namespace qs::cuda
