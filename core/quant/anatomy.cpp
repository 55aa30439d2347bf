// SPDX-License-Identifier: Apache-2.0
#include "core/quant/anatomy.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

Result<GroupSlice> groupSlice(const QuantizedTensor& tensor, std::span<const float> weightRow, size_t row,
                              size_t group) {
    if (row >= tensor.rows || group >= tensor.layout.groups || weightRow.size() != tensor.cols)
        return Error::invalid(fmt::format("row {}, group {} of a tensor with {} rows of {} groups", row,
                                          group, tensor.rows, tensor.layout.groups));
    GroupSlice s;
    s.row = row;
    s.group = group;
    for (size_t c = 0; c < tensor.cols; ++c) {
        if (tensor.groupOf(c) != group) continue;
        s.columns.push_back(c);
        s.weights.push_back(weightRow[c]);
        if (std::fabs(weightRow[c]) > std::fabs(s.weights[s.largest])) s.largest = s.weights.size() - 1;
    }
    if (s.columns.empty()) return Error::invalid(fmt::format("group {} holds no column", group));
    return s;
}

GroupCodes groupCodes(const QuantizedTensor& tensor, const Codec& codec, std::span<const float> weightRow,
                      const GroupSlice& slice, const SigmaWeights* sigma) {
    Matrix row(1, tensor.cols);
    codec.dequantizeRows(tensor, slice.row, row.view());
    const TensorCodec reader(codec, tensor);
    const size_t p = tensor.parameterRow(slice.row);
    GroupCodes out;
    const size_t own = tensor.groupOf(slice.columns.front());
    const float scale0 = tensor.scale(p, own);
    out.scale = scale0 != 0 ? scale0 : 1.0f;
    out.zero = reader->level(0, scale0, tensor.zero(p, own));
    double error = 0, norm = 0;
    for (size_t i = 0; i < slice.columns.size(); ++i) {
        const size_t c = slice.columns[i], g = tensor.groupOf(c);
        const float scale = tensor.scale(p, g), zero = tensor.zero(p, g), w = slice.weights[i],
                    value = row(0, c);
        uint8_t code = 0;
        float best = value; // a vector has no nearest value for one of its weights
        if (codec.vectorRows() == 1) reader->round(&w, 1, &scale, &zero, &code, &best);
        out.codes.push_back(tensor.codes[slice.row * tensor.cols + c]);
        out.values.push_back(value);
        // Two levels at the same distance are both nearest.
        out.nearest.push_back(std::fabs(double(value) - w) <= std::fabs(double(best) - w) * (1 + 1e-6));
        error += (double(value) - w) * (double(value) - w);
        norm += double(w) * w;
    }
    out.weightError = norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
    if (!sigma) return out;
    const double reference = sigma->norm({weightRow.data(), 1, weightRow.size()});
    for (size_t c = 0; c < tensor.cols; ++c)
        row(0, c) -= weightRow[c];
    out.outputError = reference > 0 ? std::max(0.0, sigma->norm(row.view())) / reference : 0;
    return out;
}

} // namespace qs
