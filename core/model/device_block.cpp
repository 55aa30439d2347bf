// SPDX-License-Identifier: Apache-2.0
#include "core/model/device_block.h"

#include <fmt/format.h>

namespace qs {

namespace {

/// The gain tensors one below the other, plus one where they are stored so; ones without a tensor.
Result<Matrix> gainMatrix(const NormSpec& spec, const WeightSource& weights) {
    Matrix gain(std::max<size_t>(1, spec.gain.size()), spec.size);
    if (spec.gain.empty()) std::fill_n(gain.data(), gain.size(), 1.0f);
    for (size_t i = 0; i < spec.gain.size(); ++i) {
        QS_TRY(const Matrix m, weights.matrix(spec.gain[i]));
        if (m.size() != spec.size)
            return Error::corrupt(fmt::format("has {} values, expected {}", m.size(), spec.size),
                                  spec.gain[i]);
        for (size_t c = 0; c < spec.size; ++c)
            gain(i, c) = m.data()[c] + (spec.plusOne ? 1.0f : 0.0f);
    }
    return gain;
}

Result<DeviceMlp> loadMlp(const MlpSpec& spec, const WeightSource& weights, Backend& backend) {
    DeviceMlp m;
    if (spec.gated) {
        QS_TRY(m.gate, loadLinear(spec.gate, weights, backend));
    }
    QS_TRY(m.up, loadLinear(spec.up, weights, backend));
    QS_TRY(m.down, loadLinear(spec.down, weights, backend));
    return m;
}

Result<DeviceMixture> loadMixture(const MixtureSpec& spec, const WeightSource& weights, Backend& backend) {
    DeviceMixture m;
    QS_TRY(m.router, loadTensor(spec.router, weights, backend));
    for (const MlpSpec& e : spec.experts) {
        QS_TRY(DeviceMlp mlp, loadMlp(e, weights, backend));
        m.experts.push_back(std::move(mlp));
    }
    if (spec.shared) {
        QS_TRY(m.shared, loadMlp(*spec.shared, weights, backend));
    }
    if (!spec.sharedGate.empty()) {
        QS_TRY(m.sharedGate, loadTensor(spec.sharedGate, weights, backend));
    }
    return m;
}

Result<DeviceBlock::Norms> loadNorms(const SublayerNorms& spec, const WeightSource& weights,
                                     Backend& backend) {
    DeviceBlock::Norms n;
    QS_TRY(n.before, loadNorm(spec.before, weights, backend));
    QS_TRY(n.output, loadNorm(spec.output, weights, backend));
    QS_TRY(n.after, loadNorm(spec.after, weights, backend));
    return n;
}

} // namespace

Result<void> DeviceLinear::apply(Backend& backend, const Tensor& x, Tensor& y) const {
    return SharedInput(backend, x).apply(*this, y);
}

Result<void> SharedInput::apply(const DeviceLinear& linear, Tensor& y) {
    QS_CHECK(multiply(linear, y));
    return linear.outputs ? linear.outputs->round(backend_, y, y) : Result<void>();
}

Result<void> SharedInput::multiply(const DeviceLinear& linear, Tensor& y) {
    const Tensor* bias = linear.bias.buffer ? &linear.bias : nullptr;
    if (!linear.inputs) return backend_.linear(x_, linear.weight, bias, y);
    if (!by_ || !by_->sameAs(*linear.inputs)) {
        QS_CHECK(linear.inputs->round(backend_, x_, rounded_));
        by_ = linear.inputs;
    }
    return backend_.linear(rounded_, linear.weight, bias, y);
}

Result<void> DeviceNorm::apply(Backend& backend, const Tensor& x, Tensor& y) const {
    if (x.cols % gain.cols != 0)
        return Error::invalid(fmt::format("[norm] rows of {} values in pieces of {}", x.cols, gain.cols));
    const size_t pieces = x.cols / gain.cols;
    const Tensor from{x.buffer, x.rows * pieces, gain.cols};
    Tensor to{y.buffer, y.rows * pieces, gain.cols};
    return kind == NormSpec::Kind::Rms ? backend.rmsNorm(from, gain, eps, to)
                                       : backend.layerNorm(from, gain, bias, eps, to);
}

Result<Tensor> loadTensor(const std::string& name, const WeightSource& weights, Backend& backend) {
    QS_TRY(const Matrix m, weights.matrix(name));
    Tensor t;
    QS_CHECK(backend.upload(m.view(), t));
    return t;
}

Result<Tensor> loadWeight(const std::string& name, const WeightSource& weights, Backend& backend) {
    QS_TRY(const Matrix m, weights.matrix(name));
    Tensor t;
    QS_CHECK(backend.uploadWeight(m.view(), t));
    return t;
}

Result<DeviceLinear> loadLinear(const LinearSpec& spec, const WeightSource& weights, Backend& backend) {
    DeviceLinear l;
    QS_TRY(l.weight, loadWeight(spec.weight, weights, backend));
    if (!spec.bias.empty()) {
        QS_TRY(l.bias, loadTensor(spec.bias, weights, backend));
    }
    QS_TRY(l.inputs, weights.inputRounder(spec.weight));
    l.outputs = weights.outputRounder(spec.weight);
    return l;
}

Result<DeviceNorm> loadNorm(const NormSpec& spec, const WeightSource& weights, Backend& backend) {
    DeviceNorm n;
    if (!spec) return n;
    n.kind = spec.kind;
    n.eps = spec.eps;
    QS_TRY(const Matrix gain, gainMatrix(spec, weights));
    QS_CHECK(backend.upload(gain.view(), n.gain));
    if (spec.kind != NormSpec::Kind::Layer) return n;
    if (spec.bias.empty()) {
        QS_TRY(n.bias, backend.allocate(n.gain.rows, n.gain.cols));
    } else {
        QS_TRY(n.bias, loadTensor(spec.bias, weights, backend));
    }
    return n;
}

Result<DeviceBlock> DeviceBlock::load(const BlockSpec& spec, const WeightSource& weights, Backend& backend) {
    DeviceBlock b;
    QS_TRY(b.attentionNorms, loadNorms(spec.attentionNorms, weights, backend));
    QS_TRY(b.mlpNorms, loadNorms(spec.mlpNorms, weights, backend));
    const AttentionSpec& a = spec.attention;
    QS_TRY(b.attention.qNorm, loadNorm(a.qNorm, weights, backend));
    QS_TRY(b.attention.kNorm, loadNorm(a.kNorm, weights, backend));
    QS_TRY(b.attention.q, loadLinear(a.q, weights, backend));
    QS_TRY(b.attention.k, loadLinear(a.k, weights, backend));
    QS_TRY(b.attention.v, loadLinear(a.v, weights, backend));
    QS_TRY(b.attention.o, loadLinear(a.o, weights, backend));
    b.attention.cache = weights.kvRounder(a.k.weight);
    b.attention.probabilities = weights.probabilityRounder(a.k.weight);
    if (spec.mixture) {
        QS_TRY(b.mixture, loadMixture(*spec.mixture, weights, backend));
    } else {
        QS_TRY(b.mlp, loadMlp(spec.mlp, weights, backend));
    }
    return b;
}

std::vector<DeviceLinear*> DeviceBlock::linears(const BlockSpec& spec) {
    std::vector<DeviceLinear*> out = {&attention.q, &attention.k, &attention.v, &attention.o};
    const auto add = [&](const MlpSpec& s, DeviceMlp& m) {
        if (s.gated) out.push_back(&m.gate);
        out.push_back(&m.up);
        out.push_back(&m.down);
    };
    if (!spec.mixture) {
        add(spec.mlp, mlp);
        return out;
    }
    for (size_t e = 0; e < mixture.experts.size(); ++e)
        add(spec.mixture->experts[e], mixture.experts[e]);
    if (spec.mixture->shared) add(*spec.mixture->shared, mixture.shared);
    return out;
}

Result<DeviceLinear*> DeviceBlock::find(const BlockSpec& spec, const std::string& module) {
    const auto specs = spec.linears();
    const auto own = linears(spec);
    for (size_t i = 0; i < specs.size(); ++i)
        if (specs[i]->module == module) return own[i];
    return Error::invalid("the block has no linear of this name", module);
}

Result<void> DeviceBlock::replaceWeight(const BlockSpec& spec, const std::string& module,
                                        ConstMatrixView values, Backend& backend) {
    QS_TRY(DeviceLinear * linear, find(spec, module));
    return backend.uploadWeight(values, linear->weight);
}

Result<void> DeviceBlock::roundInputs(const BlockSpec& spec, const std::string& module,
                                      std::shared_ptr<const RowRounder> inputs) {
    QS_TRY(DeviceLinear * linear, find(spec, module));
    linear->inputs = std::move(inputs);
    return {};
}

Result<void> DeviceBlock::roundOutputs(const BlockSpec& spec, const std::string& module,
                                       std::shared_ptr<const RowRounder> outputs) {
    QS_TRY(DeviceLinear * linear, find(spec, module));
    linear->outputs = std::move(outputs);
    return {};
}

} // namespace qs
