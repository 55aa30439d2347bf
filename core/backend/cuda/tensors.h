// SPDX-License-Identifier: Apache-2.0
// Tensors of the CUDA backend: their memory, and what kernels see of it.
#pragma once

#include "core/backend/cuda/codes.h"
#include "core/backend/cuda/device.h"

namespace qs::cuda {

/// A rectangle of device memory.
struct DeviceBlock {
    const float* data;
    size_t rows, cols, stride;
};

struct DeviceMatrix : DeviceBuffer {
    DeviceMatrix(std::shared_ptr<Memory> m, bool h) : memory(std::move(m)), half(h) {}
    std::shared_ptr<Memory> memory;
    bool half; ///< bfloat16 instead of float32: a weight
};

inline DeviceMatrix* matrixOf(const TensorBlock& t) {
    return static_cast<DeviceMatrix*>(t.buffer.get());
}

inline float* data(const Tensor& t) {
    return t.buffer ? matrixOf(t)->memory->as<float>() : nullptr;
}

struct DeviceCodes : DeviceBuffer {
    explicit DeviceCodes(std::shared_ptr<Memory> m) : memory(std::move(m)) {}
    std::shared_ptr<Memory> memory;
};

inline Memory* memoryOf(const CodeTensor& t) {
    return t.buffer ? static_cast<DeviceCodes*>(t.buffer.get())->memory.get() : nullptr;
}

inline uint8_t* data(const CodeTensor& t) {
    return t.buffer ? memoryOf(t)->as<uint8_t>() : nullptr;
}

inline DeviceView viewOf(const Tensor& t) {
    return {data(t), t.rows, t.cols};
}

inline GroupTable tableOf(const CodeGroups& g) {
    return {data(g.scale), data(g.zero), g.scale.rows, g.scale.cols, g};
}

inline bool isHalf(const TensorBlock& t) {
    return t.buffer && matrixOf(t)->half;
}

inline float* data(const TensorBlock& t) {
    return t.buffer ? matrixOf(t)->memory->as<float>() + t.offset : nullptr;
}

inline DeviceBlock viewOf(const TensorBlock& t) {
    return {data(t), t.rows, t.cols, t.stride};
}

} // namespace qs::cuda
