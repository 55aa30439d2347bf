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
        const SiteSigma* site = nullptr; ///< null: none was collected
        SiteSigma own;                   ///< of changed inputs; then `site` is this

        /// What can be changed.
        SiteSigma& change() {
            if (site != &own) own = {site->sigma.clone(), site->tokens, site->sum};
            site = &own;
            return own;
        }
    };
    std::vector<One> list;
    std::vector<float> rms, absmax;
    std::vector<float> low, high; ///< the range of every channel

    TransformInput input(const Params& params, std::vector<size_t> tie) const {
        TransformInput in;
        for (const One& r : list)
            in.readers.push_back(
                {r.weight.view(), r.codec.get(), r.range, r.site ? &r.site->sigma : nullptr, r.inputs.get()});
        in.rms = rms;
        in.absmax = absmax;
        in.tie = std::move(tie);
        in.params = params;
        return in;
    }
    void scale(std::span<const float> factors) {
        for (One& r : list) {
            multiplyColumns(r.weight, factors);
            if (!r.site) continue;
            SiteSigma& s = r.change();
            scaleSigma(factors, s.sigma);
            for (size_t c = 0; c < s.sum.size(); ++c)
                s.sum[c] /= double(factors[c]);
        }
        for (std::vector<float>* values : {&rms, &absmax, &low, &high})
            divideBy(*values, factors);
    }
    /// Takes z from every channel, and says what that was.
    std::vector<float> take(ChannelShift shift) {
        std::vector<float> z = channelShift(shift, low, high);
        for (size_t c = 0; c < z.size(); ++c) {
            low[c] -= z[c];
            high[c] -= z[c];
            absmax[c] = std::max(std::fabs(low[c]), std::fabs(high[c]));
        }
        std::set<const SiteSigma*> counted; // readers of one site share its tokens
        std::vector<double> squares(z.size());
        double tokens = 0;
        for (One& r : list) {
            if (!r.site) continue;
            const bool first = counted.insert(r.site).second;
            SiteSigma& s = r.change();
            shiftSigma(z, s.sum, s.tokens, s.sigma);
            for (size_t c = 0; c < z.size(); ++c)
                s.sum[c] -= double(s.tokens) * double(z[c]);
            if (!first) continue;
            tokens += double(s.tokens);
            for (size_t c = 0; c < z.size(); ++c)
                squares[c] += s.sigma(c, c);
        }
        for (size_t c = 0; c < rms.size() && tokens > 0; ++c)
            rms[c] = float(std::sqrt(std::max(0.0, squares[c]) / tokens));
        return z;
    }
    bool hasSums() const {
        return std::all_of(list.begin(), list.end(),
                           [](const One& r) { return !r.site || !r.site->sum.empty(); });
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
        t.needsSums_ = t.needsSums_ || d->shift != ChannelShift::None;
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
        if (const auto it = sigma.find(l->site); it != sigma.end()) r.site = &it->second;
        out.list.push_back(std::move(r));
    }
    const size_t n = out.list.front().weight.cols();
    std::vector<double> squares(n);
    double tokens = 0;
    out.absmax.assign(n, 0.0f);
    out.low.assign(n, INFINITY);
    out.high.assign(n, -INFINITY);
    for (const std::string& site : fold.sites) {
        const ChannelStats& stats = calibration_.find(site)->stats;
        const std::vector<float>& top = stats.absmax;
        if (top.size() != n)
            return Error::corrupt(fmt::format("{} channels of site {}, expected {}", top.size(), site, n),
                                  calibration_.file().string());
        for (size_t c = 0; c < n; ++c) {
            out.absmax[c] = std::max(out.absmax[c], top[c]);
            out.low[c] = std::min(out.low[c], stats.min[c]);
            out.high[c] = std::max(out.high[c], stats.max[c]);
        }
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

/// Shifts such that the bias (b - shift) / factor is a value of its stored type: what rounding it would
/// change goes to the readers too.
Result<void> BlockTransformer::fitToStoredBias(const FoldSpec& fold, Channels& channels) const {
    const std::string& name = fold.norm.bias;
    QS_TRY(const Matrix bias, weights_.matrix(name));
    Matrix stored = bias.clone();
    for (size_t c = 0; c < channels.shift.size(); ++c)
        stored.data()[c] = (bias.data()[c] - channels.shift[c]) / channels.factors[c];
    QS_CHECK(roundTo(model_.checkpoint().tensors()[places_.of(name).index].dtype, stored, name));
    for (size_t c = 0; c < channels.shift.size(); ++c)
        channels.shift[c] = bias.data()[c] - stored.data()[c] * channels.factors[c];
    return {};
}

Result<BlockTransformer::Channels> BlockTransformer::choose(const BlockSpec& block, const FoldSpec& fold,
                                                            const SigmaBySite& sigma,
                                                            const JobContext& job) const {
    QS_TRY(Readers readers, load(block, fold, sigma));
    const size_t n = readers.absmax.size();
    Channels out{std::vector<float>(n, 1.0f), {}};
    const std::vector<size_t> tie = tiesOf(fold, n);
    for (size_t i = 0; i < transforms_.size(); ++i) {
        const auto& [transform, params] = transforms_[i];
        if (transform->shift != ChannelShift::None && canShift(block, fold) && readers.hasSums()) {
            const std::vector<float> z = readers.take(transform->shift);
            out.shift.resize(n);
            for (size_t c = 0; c < n; ++c)
                out.shift[c] += out.factors[c] * z[c];
        }
        QS_TRY(const std::vector<float> s, chooseFactors(*transform, readers.input(params, tie), job));
        for (size_t c = 0; c < n; ++c)
            out.factors[c] *= s[c];
        if (i + 1 < transforms_.size()) readers.scale(s);
    }
    if (fold.producer == FoldSpec::Producer::Norm && !allOnes(out.factors))
        QS_CHECK(fitToStoredGain(fold, out.factors));
    if (!out.shift.empty()) QS_CHECK(fitToStoredBias(fold, out));
    return out;
}

Result<void> BlockTransformer::addTo(BlockScaling& scaling, const BlockSpec& block, const FoldSpec& fold,
                                     const Channels& channels) const {
    if (!allOnes(channels.factors)) scaling.add(block, fold, channels.factors);
    if (channels.shift.empty()) return {};
    std::vector<Matrix> weights;
    for (const LinearSpec* l : readersOf(block, fold)) {
        QS_TRY(Matrix w, weights_.matrix(l->weight));
        weights.push_back(std::move(w));
    }
    scaling.addShift(block, fold, channels.shift, weights);
    return {};
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
        auto channels = choose(block, fold, sigma, job);
        if (!channels) return channels.takeError().at(fold.sites.front());
        QS_CHECK(addTo(out.scaling, block, fold, *channels));
    }
    QS_CHECK(collect(block, out));
    return out;
}

} // namespace qs
