// SPDX-License-Identifier: Apache-2.0
// The operations of Backend on codes, sums and rotations, on device memory. Shapes are checked by the caller.
#pragma once

#include "core/backend/codes.h"
#include "core/backend/cuda/device.h"
#include "core/backend/cuda/kernels.h"
#include "core/backend/sums.h"

#include <cstring>

namespace qs::cuda {

/// A [rows, cols] matrix of the device, without gaps.
struct DeviceView {
    float* data;
    size_t rows, cols;
    size_t size() const { return rows * cols; }
};

/// CodeGroups, whose tensors have become scale and zero (null: all 0).
struct GroupTable {
    const float *scale, *zero;
    size_t scaleRows, groups;
    const CodeGroups& layout;
};

/// Values of the host in device memory.
template<class T>
Result<std::shared_ptr<Memory>> uploaded(Device& device, std::span<const T> values) {
    QS_TRY(auto memory, device.take(values.size_bytes()));
    QS_CHECK(device.upload(*memory, 1, values.size(), sizeof(T),
                           [&](size_t, size_t first, size_t count, void* to) {
                               std::memcpy(to, values.data() + first, count * sizeof(T));
                           }));
    return memory;
}

/// See Backend. `values` without data: they are not wanted.
Result<void> roundToGrid(Device& device, DeviceView x, const CodeGrid& grid, const GroupTable& groups,
                         uint8_t* codes, float* values);
Result<void> decodeCodes(Device& device, const uint8_t* codes, const CodeGrid& grid, const GroupTable& groups,
                         DeviceView values);
Result<ColumnSums> columnSums(Device& device, DeviceView x, std::span<const float> shift);
Result<ValueCounts> countValues(Device& device, DeviceView x, double lo, double hi, size_t bins);
Result<void> groupRanges(Device& device, DeviceView x, size_t groupSize, MatrixView low, MatrixView high);
/// rows, targets: within the shapes. `reference` null: there is none.
Result<LogitScores> scoreLogits(Device& device, DeviceView logits, const float* reference,
                                std::span<const uint32_t> rows, std::span<const uint32_t> targets);

/// See qs::ColumnTally.
class DeviceTally {
public:
    DeviceTally(Device& device, size_t cols) : device_(device), cols_(cols) {}
    /// Before anything else.
    Result<void> begin(std::span<const float> shift);
    Result<void> add(DeviceView x);
    Result<TallySums> take();
    size_t cols() const { return cols_; }

private:
    Device& device_;
    size_t cols_;
    std::shared_ptr<Memory> shift_, total_, counts_;
};

Result<KMeansStep> kMeansStep(Device& device, DeviceView points, const float* weights,
                              ConstMatrixView centers);
Result<void> rotateRows(Device& device, DeviceView x, std::span<const float> signs, const MatrixD& orthogonal,
                        bool back);

} // namespace qs::cuda
