// SPDX-License-Identifier: Apache-2.0
#include "core/run/transform_block.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

/// To values of `type`; InvalidArgument when one is too large for it.
Result<void> roundTo(DType type, Matrix& values, const std::string& tensor) {
    std::vector<std::byte> stored(values.size() * size_t(dtypeInfo(type).bits / 8));
    QS_CHECK(fromFloat(values.span(), type, stored));
    QS_CHECK(toFloat(type, stored, values.span()));
    for (float v : values.span())
        if (!std::isfinite(v))
            return Error::invalid(
                fmt::format("a scaled value does not fit in {}: leave the transforms out, or quantize "
                            "all that it feeds",
                            dtypeInfo(type).name),
                tensor);
    return {};
}

bool allOnes(std::span<const float> factors) {
    return std::all_of(factors.begin(), factors.end(), [](float f) { return f == 1.0f; });
}

void multiplyColumns(Matrix& m, std::span<const float> factors) {
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t c = 0; c < m.cols(); ++c)
            m(r, c) *= factors[c];
}

void divideBy(std::vector<float>& values, std::span<const float> factors) {
    for (size_t i = 0; i < values.size(); ++i)
        values[i] /= factors[i];
}

} // namespace

/// What one fold's factors are chosen from; scaled along when there are several transforms.
struct BlockTransformer::Readers {
    struct One {
        Matrix weight;
        std::shared_ptr<const Codec> codec;
        std::shared_ptr<const RowRounder> inputs; ///< null: they are not rounded
        RangeChoice range;
        const MatrixD* sigma = nullptr; ///< null: none was collected
        MatrixD own;                    ///< of scaled inputs; then `sigma` is this
    };
    std::vector<One> list;
    std::vector<float> rms, absmax;

    TransformInput input(const Params& params, std::vector<size_t> tie) const {
        TransformInput in;
        for (const One& r : list)
            in.readers.push_back({r.weight.view(), r.codec.get(), r.range, r.sigma, r.inputs.get()});
        in.rms = rms;
        in.absmax = absmax;
        in.tie = std::move(tie);
        in.params = params;
        return in;
    }
    void scale(std::span<const float> factors) {
        for (One& r : list) {
            multiplyColumns(r.weight, factors);
            if (!r.sigma) continue;
            if (r.sigma != &r.own) r.own = r.sigma->clone();
            for (size_t i = 0; i < r.own.rows(); ++i)
                for (size_t j = 0; j < r.own.cols(); ++j)
                    r.own(i, j) /= double(factors[i]) * double(factors[j]);
            r.sigma = &r.own;
        }
        divideBy(rms, factors);
        divideBy(absmax, factors);
    }
};

BlockTransformer::BlockTransformer(const Model& model, const Plan& plan, const Calibration& calibration,
                                   const WeightSource& weights)
    : model_(model), calibration_(calibration), weights_(weights), places_(model) {
    for (const PlanEntry& e : plan.entries)
        if (e.scheme) entries_[e.target.module] = &e;
}

Result<BlockTransformer> BlockTransformer::create(const Model& model, const Plan& plan,
                                                  const Calibration& calibration,
                                                  const WeightSource& weights) {
    BlockTransformer t(model, plan, calibration, weights);
    for (const TransformUse& use : plan.transforms) {
        QS_TRY(const TransformDescriptor* d, findTransform(use.id));
        t.transforms_.emplace_back(d, use.params);
        t.needsSigma_ = t.needsSigma_ || d->needsSigma;
    }
    QS_CHECK(t.checkSites());
    return t;
}

bool BlockTransformer::isUsed(const BlockSpec& block, const FoldSpec& fold) const {
    const auto readers = readersOf(block, fold);
    return std::any_of(readers.begin(), readers.end(), [&](const LinearSpec* l) { return isQuantized(*l); });
}

Result<void> BlockTransformer::checkSites() const {
    for (const BlockSpec& b : model_.spec().blocks)
        for (const FoldSpec& f : b.folds) {
            if (!isUsed(b, f)) continue;
            for (const std::string& site : f.sites)
                if (!calibration_.find(site))
                    return Error::invalid(
                        fmt::format("{} needs the inputs of every linear whose channels it scales, and no "
                                    "activation of site {} was recorded",
                                    transforms_.front().first->label, site),
                        calibration_.file().string());
        }
    return {};
}

std::set<std::string> BlockTransformer::sitesOf(size_t block) const {
    const BlockSpec& b = model_.spec().blocks[block];
    std::set<std::string> sites;
    for (const FoldSpec& f : b.folds)
        if (isUsed(b, f)) sites.insert(f.sites.begin(), f.sites.end());
    return sites;
}

Result<BlockTransformer::Readers> BlockTransformer::load(const BlockSpec& block, const FoldSpec& fold,
                                                         const SigmaBySite& sigma) const {
    Readers out;
    for (const LinearSpec* l : readersOf(block, fold)) {
        if (!isQuantized(*l)) continue;
        const Scheme& scheme = *entries_.at(l->module)->scheme;
        Readers::One r;
        QS_TRY(r.weight, weights_.matrix(l->weight));
        QS_TRY(r.codec, createCodec(scheme.codec, scheme.codecParams));
        QS_TRY(r.inputs, inputRounder(scheme));
        r.range = rangeChoice(scheme.methodParams);
        if (const auto it = sigma.find(l->site); it != sigma.end()) r.sigma = &it->second.sigma;
        out.list.push_back(std::move(r));
    }
    const size_t n = out.list.front().weight.cols();
    std::vector<double> squares(n);
    double tokens = 0;
    out.absmax.assign(n, 0.0f);
    for (const std::string& site : fold.sites) {
        const std::vector<float>& top = calibration_.find(site)->stats.absmax;
        if (top.size() != n)
            return Error::corrupt(fmt::format("{} channels of site {}, expected {}", top.size(), site, n),
                                  calibration_.file().string());
        for (size_t c = 0; c < n; ++c)
            out.absmax[c] = std::max(out.absmax[c], top[c]);
        const auto it = sigma.find(site);
        if (it == sigma.end()) continue;
        tokens += double(it->second.tokens);
        for (size_t c = 0; c < n; ++c)
            squares[c] += it->second.sigma(c, c);
    }
    if (!needsSigma_) return out;
    for (double sum : squares)
        out.rms.push_back(tokens > 0 ? float(std::sqrt(std::max(0.0, sum) / tokens)) : 0.0f);
    return out;
}

Result<void> BlockTransformer::fitToStoredGain(const FoldSpec& fold, std::vector<float>& factors) const {
    const std::string& name = fold.norm.gain.front();
    const DType type = model_.checkpoint().tensors()[places_.of(name).index].dtype;
    if (type == DType::F32) return {};
    const float offset = fold.norm.plusOne ? 1.0f : 0.0f;
    QS_TRY(const Matrix gain, weights_.matrix(name));
    Matrix divided = gain.clone();
    for (size_t c = 0; c < factors.size(); ++c)
        divided.data()[c] = (gain.data()[c] + offset) / factors[c] - offset;
    QS_CHECK(roundTo(type, divided, name));
    for (size_t c = 0; c < factors.size(); ++c) {
        const float exact = (gain.data()[c] + offset) / (divided.data()[c] + offset);
        // Where the stored type is too coarse (a gain near its smallest value) the channel stays as it is.
        const bool near = std::isfinite(exact) && exact > factors[c] / 1.5f && exact < factors[c] * 1.5f;
        factors[c] = near ? exact : 1.0f;
    }
    return {};
}

Result<std::vector<float>> BlockTransformer::factorsOf(const BlockSpec& block, const FoldSpec& fold,
                                                       const SigmaBySite& sigma,
                                                       const JobContext& job) const {
    QS_TRY(Readers readers, load(block, fold, sigma));
    const size_t n = readers.absmax.size();
    std::vector<float> factors(n, 1.0f);
    const std::vector<size_t> tie = tiesOf(fold, n);
    for (size_t i = 0; i < transforms_.size(); ++i) {
        const auto& [transform, params] = transforms_[i];
        QS_TRY(const std::vector<float> s, chooseFactors(*transform, readers.input(params, tie), job));
        for (size_t c = 0; c < n; ++c)
            factors[c] *= s[c];
        if (i + 1 < transforms_.size()) readers.scale(s);
    }
    if (fold.producer == FoldSpec::Producer::Norm && !allOnes(factors))
        QS_CHECK(fitToStoredGain(fold, factors));
    return factors;
}

Result<void> BlockTransformer::collect(const BlockSpec& block, TransformedBlock& out) const {
    std::set<std::string> quantized;
    for (const LinearSpec* l : block.linears())
        if (isQuantized(*l)) quantized.insert(l->weight);
    for (const auto& [name, scaling] : out.scaling.tensors()) {
        if (quantized.count(name)) {
            out.unit.scaling[name] = scaling;
            continue;
        }
        QS_TRY(Matrix values, weights_.matrix(name));
        scaling.apply(values.view());
        QS_CHECK(roundTo(model_.checkpoint().tensors()[places_.of(name).index].dtype, values, name));
        out.unit.kept[name] = std::move(values);
    }
    return {};
}

Result<TransformedBlock> BlockTransformer::transform(size_t index, const SigmaBySite& sigma,
                                                     const JobContext& job) const {
    const BlockSpec& block = model_.spec().blocks[index];
    TransformedBlock out;
    for (const FoldSpec& fold : block.folds) {
        if (!isUsed(block, fold)) continue;
        const bool seen = std::any_of(fold.sites.begin(), fold.sites.end(), [&](const std::string& site) {
            return calibration_.find(site)->tokens > 0;
        });
        if (!seen) continue; // an expert that was never chosen
        auto factors = factorsOf(block, fold, sigma, job);
        if (!factors) return factors.takeError().at(fold.sites.front());
        if (!allOnes(*factors)) out.scaling.add(block, fold, *factors);
    }
    QS_CHECK(collect(block, out));
    return out;
}

} // namespace qs
