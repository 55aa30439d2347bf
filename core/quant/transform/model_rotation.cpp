// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/model_rotation.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

/// A bias of a norm becomes bias / gain; beyond this ratio float32 would not hold it beside the others.
constexpr double kLargestRatio = 1e4;

std::shared_ptr<const std::vector<float>> shared(std::vector<float> values) {
    return std::make_shared<const std::vector<float>>(std::move(values));
}

/// m [n, 1] += W by.
Result<void> addProduct(MatrixView m, const std::string& weight, std::span<const float> by,
                        const WeightSource& source) {
    QS_TRY(const Matrix w, source.matrix(weight));
    if (w.rows() != m.rows || w.cols() != by.size() || m.cols != 1)
        return Error::internal(fmt::format("[{}, {}] times {} values into [{}, {}]", w.rows(), w.cols(),
                                           by.size(), m.rows, m.cols),
                               weight);
    for (size_t r = 0; r < m.rows; ++r) {
        double sum = double(m(r, 0));
        for (size_t c = 0; c < by.size(); ++c)
            sum += double(w(r, c)) * double(by[c]);
        m(r, 0) = float(sum);
    }
    return {};
}

bool allEqual(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [&](float v) { return v == values.front(); });
}

bool allZero(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return v == 0.0f; });
}

Result<Rotation> makeRotation(const ModelRotationOptions& o, size_t size) {
    switch (o.kind) {
    case RotationKind::Orthogonal:
        return Rotation::orthogonal(size, o.seed);
    case RotationKind::Klt:
        if (!o.moments || o.moments->rows() != size || o.moments->cols() != size)
            return Error::invalid(fmt::format("klt needs second moments of the stream [{0}, {0}]", size));
        return Rotation::karhunenLoeve(*o.moments, o.seed);
    case RotationKind::Hadamard:
        break;
    }
    return Rotation::hadamard(size, o.seed);
}

} // namespace

Result<void> TensorTurn::apply(MatrixView m, const WeightSource& source) const {
    if (values) {
        if (m.size() != values->size())
            return Error::internal(fmt::format("{} values for {}", values->size(), m.size()));
        std::copy(values->begin(), values->end(), m.data);
    }
    if (!product.empty()) QS_CHECK(addProduct(m, product, *by, source));
    if (gain)
        for (size_t r = 0; r < m.rows; ++r)
            for (size_t c = 0; c < m.cols; ++c)
                m(r, c) *= (*gain)[c];
    if (inputs) inputs->turn(m);
    if (outputs) outputs->turnColumns(m);
    return {};
}

Result<std::vector<float>> normGains(const NormSpec& norm, const WeightSource& source) {
    std::vector<float> gains(norm.size, 1.0f);
    if (norm.gain.empty()) return gains;
    const std::string& name = norm.gain.front();
    QS_TRY(const Matrix stored, source.matrix(name));
    if (stored.size() != gains.size())
        return Error::corrupt(fmt::format("{} gains, expected {}", stored.size(), gains.size()), name);
    for (size_t c = 0; c < gains.size(); ++c) {
        gains[c] = stored.data()[c] + (norm.plusOne ? 1.0f : 0.0f);
        if (!std::isfinite(gains[c])) return Error::corrupt(fmt::format("gain {} is not finite", c), name);
    }
    return gains;
}

Result<ModelRotation> ModelRotation::make(const Model& model, const ModelRotationOptions& options) {
    QS_CHECK(model.requireForward());
    const ModelSpec& spec = model.spec();
    QS_TRY(const ResidualStream stream, residualStream(spec));
    QS_TRY(Rotation rotation, makeRotation(options, spec.hidden));
    if (stream.takesMeanOff) rotation.keepOnes();
    ModelRotation m(spec);
    m.stream_ = std::make_shared<const Rotation>(std::move(rotation));
    QS_CHECK(m.rotateStream(stream, *modelWeights(model)));
    // Another seed than the stream's: equal signs in both would be a pattern without need.
    if (options.heads)
        m.rotateHeads(std::make_shared<const Rotation>(Rotation::hadamard(spec.headDim, options.seed + 1)));
    return m;
}

Result<void> ModelRotation::rotateStream(const ResidualStream& stream, const WeightSource& source) {
    for (const std::string& table : stream.tables)
        tensors_[table].inputs = stream_;
    for (const StreamWriter& w : stream.writers) {
        tensors_[w.weight].outputs = stream_;
        if (!w.bias.empty()) tensors_[w.bias].outputs = stream_;
    }
    for (const StreamReader& r : stream.readers)
        QS_CHECK(rotateReader(r, source));
    return {};
}

Result<void> ModelRotation::rotateReader(const StreamReader& reader, const WeightSource& source) {
    std::vector<float> gains(spec_.hidden, 1.0f);
    if (reader.norm) {
        QS_TRY(gains, normGains(reader.norm, source));
    }
    const bool tiedHead = spec_.head.tied && reader.tensors == std::vector{spec_.head.weight};
    // Equal gains commute with R. The embedding has been turned for both, if the norm may keep its gain.
    const bool stays = tiedHead && allEqual(gains);
    if (reader.norm) QS_CHECK(moveNormBias(reader, stays ? std::vector(gains.size(), 1.0f) : gains, source));
    if (stays) return {};
    TensorTurn turn;
    turn.inputs = stream_;
    if (reader.norm && !reader.norm.gain.empty()) {
        const float one = reader.norm.plusOne ? 0.0f : 1.0f;
        tensors_[reader.norm.gain.front()].values = shared(std::vector(gains.size(), one));
        turn.gain = shared(std::move(gains));
    }
    for (const LinearSpec* l : reader.linears)
        tensors_[l->weight] = turn;
    for (const std::string& tensor : reader.tensors)
        if (!tiedHead) tensors_[tensor] = turn;
    if (tiedHead) untied_ = std::move(turn);
    return {};
}

/// W (gain x + bias) = (W gain) x + W bias: into the biases of the linears where all have one, so that what
/// they read is the norm's output alone; else it stays with the norm, as R (bias / gain).
Result<void> ModelRotation::moveNormBias(const StreamReader& reader, std::span<const float> gain,
                                         const WeightSource& source) {
    const std::string& name = reader.norm.bias;
    if (name.empty()) return {};
    QS_TRY(Matrix bias, source.matrix(name));
    if (bias.size() != gain.size())
        return Error::corrupt(fmt::format("{} values, expected {}", bias.size(), gain.size()), name);
    if (allZero(bias.span())) return {};
    const bool allBiased =
        reader.tensors.empty() && std::all_of(reader.linears.begin(), reader.linears.end(),
                                              [](const LinearSpec* l) { return !l->bias.empty(); });
    if (allBiased) {
        const auto by = shared({bias.data(), bias.data() + bias.size()});
        for (const LinearSpec* l : reader.linears) {
            tensors_[l->bias].product = l->weight;
            tensors_[l->bias].by = by;
        }
        tensors_[name].values = shared(std::vector(bias.size(), 0.0f));
        return {};
    }
    for (size_t c = 0; c < gain.size(); ++c) {
        const float b = bias.data()[c];
        if (!(std::fabs(double(b)) <= kLargestRatio * std::fabs(double(gain[c]))))
            return Error::invalid(
                fmt::format("{} cannot be rotated exactly: what this norm adds to channel {} ({}) belongs "
                            "into biases of the tensors that read it, which have none, and its gain {} is "
                            "too small to carry it",
                            spec_.architecture, c, b, gain[c]),
                name);
        if (b != 0.0f) bias.data()[c] = b / gain[c];
    }
    stream_->turn(bias.view());
    tensors_[name].values = shared({bias.data(), bias.data() + bias.size()});
    return {};
}

void ModelRotation::rotateHeads(std::shared_ptr<const Rotation> head) {
    for (const BlockSpec& b : spec_.blocks) {
        const AttentionSpec& a = b.attention;
        tensors_[a.v.weight].outputs = head;
        if (!a.v.bias.empty()) tensors_[a.v.bias].outputs = head;
        tensors_[a.o.weight].inputs = head;
    }
}

} // namespace qs
