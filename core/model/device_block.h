// SPDX-License-Identifier: Apache-2.0
// The weights of one block on a device.
#pragma once

#include "core/model/weights.h"

namespace qs {

/// Weights of one linear; `bias.buffer` is null when there is none.
struct DeviceLinear {
    Tensor weight, bias;
    std::shared_ptr<const RowRounder> inputs;  ///< null: x as it is
    std::shared_ptr<const RowRounder> outputs; ///< null: y as it is
    /// y = x W^T + b, with x rounded by `inputs`, and y by `outputs`.
    Result<void> apply(Backend& backend, const Tensor& x, Tensor& y) const;
};

/// x as several linears read it: rounded once for neighbours that round alike. Both must outlive it.
class SharedInput {
public:
    SharedInput(Backend& backend, const Tensor& x) : backend_(backend), x_(x) {}
    /// y = linear(x).
    Result<void> apply(const DeviceLinear& linear, Tensor& y);

private:
    Result<void> multiply(const DeviceLinear& linear, Tensor& y);

    Backend& backend_;
    const Tensor& x_;
    std::shared_ptr<const RowRounder> by_; ///< what made rounded_
    Tensor rounded_;
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
/// For a matrix that Backend::linear reads as w and nothing else does.
Result<Tensor> loadWeight(const std::string& name, const WeightSource& weights, Backend& backend);

struct DeviceAttention {
    DeviceLinear q, k, v, o;
    DeviceNorm qNorm, kNorm;
    std::shared_ptr<const KvRounder> cache;          ///< null: keys and values as they are
    std::shared_ptr<const RowRounder> probabilities; ///< null: as they are
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
    /// Puts other values into the linear `module` of `spec`; InvalidArgument when the block has none of that
    /// name.
    Result<void> replaceWeight(const BlockSpec& spec, const std::string& module, ConstMatrixView values,
                               Backend& backend);
    /// Its inputs are rounded so from now on; null: not. The same error.
    Result<void> roundInputs(const BlockSpec& spec, const std::string& module,
                             std::shared_ptr<const RowRounder> inputs);
    /// Its outputs are; the same.
    Result<void> roundOutputs(const BlockSpec& spec, const std::string& module,
                              std::shared_ptr<const RowRounder> outputs);

private:
    /// In the order of spec.linears().
    std::vector<DeviceLinear*> linears(const BlockSpec& spec);
    Result<DeviceLinear*> find(const BlockSpec& spec, const std::string& module);
};

} // namespace qs
