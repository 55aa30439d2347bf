// SPDX-License-Identifier: Apache-2.0
// The weights of one block on a device.
#pragma once

#include "core/model/weights.h"

namespace qs {

/// Weights of one linear; `bias.buffer` is null when there is none.
struct DeviceLinear {
    Tensor weight, bias;
    std::shared_ptr<const RowRounder> inputs; ///< null: x as it is
    /// y = x W^T + b, with x rounded by `inputs`.
    Result<void> apply(Backend& backend, const Tensor& x, Tensor& y) const;
};

/// Gain and, for LayerNorm, bias; [1, n], or [heads, n].
struct DeviceNorm {
    NormSpec::Kind kind = NormSpec::Kind::None;
    double eps = 0;
    Tensor gain, bias;
    /// y = norm(x) over rows of n values (x [T, k n] is seen as [T k, n]); y may be x.
    Result<void> apply(Backend& backend, const Tensor& x, Tensor& y) const;
};

Result<DeviceLinear> loadLinear(const LinearSpec& spec, const WeightSource& weights, Backend& backend);
Result<DeviceNorm> loadNorm(const NormSpec& spec, const WeightSource& weights, Backend& backend);
Result<Tensor> loadTensor(const std::string& name, const WeightSource& weights, Backend& backend);

struct DeviceAttention {
    DeviceLinear q, k, v, o;
    DeviceNorm qNorm, kNorm;
};

struct DeviceMlp {
    DeviceLinear gate, up, down;
};

struct DeviceMixture {
    Tensor router, sharedGate;
    std::vector<DeviceMlp> experts;
    DeviceMlp shared;
};

struct DeviceBlock {
    /// In the order of SublayerNorms.
    struct Norms {
        DeviceNorm before, output, after;
    };
    Norms attentionNorms, mlpNorms;
    DeviceAttention attention;
    DeviceMlp mlp;
    DeviceMixture mixture;

    static Result<DeviceBlock> load(const BlockSpec& spec, const WeightSource& weights, Backend& backend);
    /// Puts other values into the linear `module` of `spec`, and rounds its inputs where `inputs` is not
    /// null; InvalidArgument when the block has none of that name.
    Result<void> replaceWeight(const BlockSpec& spec, const std::string& module, ConstMatrixView values,
                               Backend& backend, std::shared_ptr<const RowRounder> inputs = nullptr);

private:
    /// In the order of spec.linears().
    std::vector<DeviceLinear*> linears(const BlockSpec& spec);
};

} // namespace qs
