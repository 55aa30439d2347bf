// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/exported_extras.h"

#include "core/checkpoint/exported_hdf5.h"
#include "core/checkpoint/exported_read.h"
#include "core/linalg/block_rotation.h"
#include "core/linalg/channel_reassembly.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

class Describer {
public:
    Describer(const H5Objects& objects, std::string group, uint64_t rows, uint64_t cols)
        : objects_(objects), group_(std::move(group)), rows_(rows), cols_(cols) {}

    Result<ExportedExtras> describe() const {
        ExportedExtras e;
        QS_CHECK(kept(e));
        QS_CHECK(lowRank(e));
        QS_CHECK(rotation(e));
        QS_CHECK(reassembly(e));
        return e;
    }

private:
    const H5Node* find(const char* name) const { return objects_.find(group_ + "/" + name); }
    Result<const H5Node*> array(const char* name, std::initializer_list<DType> types,
                                const std::vector<uint64_t>& shape) const {
        return objects_.array(group_ + "/" + name, types, shape);
    }

    Result<void> kept(ExportedExtras& e) const {
        if (!find("kept_start") && !find("kept_column") && !find("kept_value")) return {};
        QS_TRY(e.keptStart, array("kept_start", {DType::I32}, {rows_ + 1}));
        const H5Node* columns = find("kept_column");
        if (!columns || columns->shape.size() != 1 || columns->elements() > rows_ * cols_)
            return objects_.corrupt(group_ + "/kept_column",
                                    fmt::format("must be a list of up to {} columns", rows_ * cols_));
        QS_TRY(e.keptColumn, array("kept_column", {DType::U16, DType::I32}, columns->shape));
        QS_TRY(e.keptValue, array("kept_value", {DType::F16}, columns->shape));
        return {};
    }

    Result<void> lowRank(ExportedExtras& e) const {
        const H5Node* a = find("low_rank_a");
        if (!a && !find("low_rank_b")) return {};
        const uint64_t most = std::min(rows_, cols_);
        if (!a || a->shape.size() != 2 || a->shape[1] == 0 || a->shape[1] > most)
            return objects_.corrupt(group_ + "/low_rank_a",
                                    fmt::format("must be [{}, rank], rank 1 to {}", rows_, most));
        const uint64_t rank = a->shape[1];
        QS_TRY(e.lowRankA, array("low_rank_a", {DType::F16}, {rows_, rank}));
        QS_TRY(e.lowRankB, array("low_rank_b", {DType::F16}, {rank, cols_}));
        return {};
    }

    Result<void> rotation(ExportedExtras& e) const {
        if (!find("rotation_signs") && !find("rotation_q") && !find("rotation_scale")) return {};
        QS_TRY(e.rotationSigns, array("rotation_signs", {DType::I8}, {cols_}));
        const uint64_t rest = cols_ / linalg::powerOfTwoIn(cols_);
        if (rest > kExportedMaxRotation)
            return objects_.corrupt(group_ + "/rotation_q",
                                    fmt::format("of {} rows, the limit is {}", rest, kExportedMaxRotation));
        if (rest > 1) {
            QS_TRY(e.rotationQ, array("rotation_q", {DType::F64}, {rest, rest}));
        }
        if (find("rotation_scale")) {
            QS_TRY(e.rotationScale, array("rotation_scale", {DType::F16}, {cols_}));
        }
        return {};
    }

    Result<void> reassembly(ExportedExtras& e) const {
        if (!find("channels_first") && !find("channels_second")) return {};
        QS_TRY(e.channelsFirst, array("channels_first", {DType::I32}, {cols_}));
        QS_TRY(e.channelsSecond, array("channels_second", {DType::I32}, {cols_}));
        return {};
    }

    const H5Objects& objects_;
    std::string group_;
    uint64_t rows_, cols_;
};

Result<void> turnBack(const ExportedExtras& e, const H5Import& file, MatrixView rows) {
    QS_TRY(const auto signs, readElements<int8_t>(file, *e.rotationSigns, 0, rows.cols));
    const float size = 1 / std::sqrt(float(linalg::powerOfTwoIn(rows.cols)));
    std::vector<float> scaled(rows.cols), scale;
    for (size_t c = 0; c < rows.cols; ++c) {
        if (signs[c] != 1 && signs[c] != -1)
            return Error::corrupt(fmt::format("element {} is {}, must be 1 or -1", c, signs[c]),
                                  e.rotationSigns->path);
        scaled[c] = signs[c] > 0 ? size : -size;
    }
    MatrixD q;
    if (e.rotationQ) {
        const size_t n = size_t(e.rotationQ->shape[0]);
        QS_TRY(const auto values, readElements<double>(file, *e.rotationQ, 0, uint64_t(n) * n));
        for (const double v : values)
            if (!std::isfinite(v)) return Error::corrupt("a value is not finite", e.rotationQ->path);
        q = MatrixD(n, n);
        std::copy(values.begin(), values.end(), q.data());
    }
    if (e.rotationScale) {
        QS_TRY(scale, readExportedFloats(file, *e.rotationScale, DType::F16, 0, rows.cols));
        for (size_t c = 0; c < rows.cols; ++c)
            if (!(scale[c] > 0))
                return Error::corrupt(fmt::format("element {} is {}, must be above 0", c, scale[c]),
                                      e.rotationScale->path);
    }
    for (size_t r = 0; r < rows.rows; ++r) {
        linalg::rotateBlocksBack(std::span(rows.row(r), rows.cols), scaled, q);
        for (size_t c = 0; c < scale.size(); ++c)
            rows(r, c) /= scale[c];
    }
    return {};
}

/// Rows of the second factor are read in pieces: it may be as large as the weight.
Result<void> addProduct(const ExportedExtras& e, const H5Import& file, uint64_t firstRow, MatrixView rows) {
    const uint64_t rank = e.lowRankA->shape[1];
    QS_TRY(const auto a,
           readExportedFloats(file, *e.lowRankA, DType::F16, firstRow * rank, rows.rows * rank));
    const uint64_t step = std::max<uint64_t>(1, kExportedBlock / rows.cols);
    for (uint64_t first = 0; first < rank; first += step) {
        const uint64_t count = std::min(step, rank - first);
        QS_TRY(const auto b,
               readExportedFloats(file, *e.lowRankB, DType::F16, first * rows.cols, count * rows.cols));
        for (size_t r = 0; r < rows.rows; ++r)
            for (size_t k = 0; k < count; ++k)
                for (size_t c = 0; c < rows.cols; ++c)
                    rows(r, c) += a[r * rank + first + k] * b[k * rows.cols + c];
    }
    return {};
}

Result<std::vector<uint32_t>> keptColumns(const H5Import& file, const H5Node& node, uint64_t first,
                                          uint64_t count) {
    if (node.type == DType::U16) {
        QS_TRY(const auto narrow, readElements<uint16_t>(file, node, first, count));
        return std::vector<uint32_t>(narrow.begin(), narrow.end());
    }
    QS_TRY(const auto wide, readElements<int32_t>(file, node, first, count)); // below 0: far to the right
    return std::vector<uint32_t>(wide.begin(), wide.end());
}

Result<void> putKept(const ExportedExtras& e, const H5Import& file, uint64_t firstRow, MatrixView rows) {
    const uint64_t all = e.keptColumn->elements();
    QS_TRY(const auto start, readElements<int32_t>(file, *e.keptStart, firstRow, rows.rows + 1));
    for (size_t r = 0; r < start.size(); ++r)
        if (start[r] < (r == 0 ? 0 : start[r - 1]) || uint64_t(start[r]) > all ||
            (r > 0 && size_t(start[r] - start[r - 1]) > rows.cols))
            return Error::corrupt(fmt::format("element {} is {}: rows ascend up to {}, by {} at most",
                                              firstRow + r, start[r], all, rows.cols),
                                  e.keptStart->path);
    const uint64_t first = uint64_t(start.front()), count = uint64_t(start.back()) - first;
    if (count == 0) return {};
    QS_TRY(const auto columns, keptColumns(file, *e.keptColumn, first, count));
    QS_TRY(const auto values, readExportedFloats(file, *e.keptValue, DType::F16, first, count));
    for (size_t r = 0; r < rows.rows; ++r)
        for (size_t i = size_t(uint64_t(start[r]) - first); i < uint64_t(start[r + 1]) - first; ++i) {
            if (columns[i] >= rows.cols)
                return Error::corrupt(
                    fmt::format("element {} is {} of {} columns", first + i, int32_t(columns[i]), rows.cols),
                    e.keptColumn->path);
            rows(r, columns[i]) = values[i];
        }
    return {};
}

Result<void> spreadChannels(const ExportedExtras& e, const H5Import& file, MatrixView rows) {
    QS_TRY(const auto first, readElements<int32_t>(file, *e.channelsFirst, 0, rows.cols));
    QS_TRY(const auto second, readElements<int32_t>(file, *e.channelsSecond, 0, rows.cols));
    const ChannelReassembly channels{{first.begin(), first.end()}, {second.begin(), second.end()}};
    if (const auto sound = checkReassembly(channels, rows.cols); !sound)
        return Error::corrupt(sound.error().message, e.channelsFirst->path);
    const ReassemblyMap map(channels);
    std::vector<float> scratch(rows.cols);
    for (size_t r = 0; r < rows.rows; ++r)
        map.spreadWeights(rows.row(r), scratch);
    return {};
}

} // namespace

Result<ExportedExtras> describeExportedExtras(const H5Objects& objects, const std::string& group,
                                              uint64_t rows, uint64_t cols) {
    return Describer(objects, group, rows, cols).describe();
}

Result<void> applyExportedExtras(const ExportedExtras& extras, const H5Import& file, uint64_t firstRow,
                                 MatrixView rows) {
    if (extras.rotationSigns) QS_CHECK(turnBack(extras, file, rows));
    if (extras.lowRankA) QS_CHECK(addProduct(extras, file, firstRow, rows));
    if (extras.keptStart) QS_CHECK(putKept(extras, file, firstRow, rows));
    if (extras.channelsFirst) QS_CHECK(spreadChannels(extras, file, rows));
    return {};
}

} // namespace qs
