// SPDX-License-Identifier: Apache-2.0
#include "core/run/run_findings.h"

#include "core/model/aged_attention.h"
#include "core/model/forward.h"
#include "core/recipe/plan_rules.h"
#include "core/run/base_search.h"
#include "core/run/cache_probe.h"
#include "core/run/channel_search.h"
#include "core/run/joint_range.h"
#include "core/run/log_search.h"
#include "core/run/static_range.h"
#include "core/run/transform_block.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kInputRows = 256;    ///< of a site, that are looked at
constexpr size_t kGridRows = 64;      ///< of those, that decide on a whole log grid
constexpr size_t kJointRows = 64;     ///< of those, that decide on ranges together with the weights,
constexpr size_t kJointOutputs = 128; ///< at so many outputs
constexpr size_t kQueryRows = 8;      ///< of a head in a context
constexpr size_t kQueryTokens = 2048; ///< whose heads are looked at

bool isSearched(const std::optional<InputScheme>& format) {
    return format && format->isSearched();
}

/// Squared columns of a weight: what an error of its inputs costs.
std::vector<double> columnEnergy(const Matrix& weight) {
    std::vector<double> out(weight.cols());
    for (size_t r = 0; r < weight.rows(); ++r)
        for (size_t c = 0; c < weight.cols(); ++c)
            out[c] += double(weight(r, c)) * double(weight(r, c));
    return out;
}

/// Rows 0, stride, 2 stride, ... of x.
Matrix everyNth(ConstMatrixView x, size_t stride) {
    Matrix out((x.rows + stride - 1) / stride, x.cols);
    for (size_t r = 0; r < out.rows(); ++r)
        std::copy_n(x.row(r * stride), x.cols, out.row(r));
    return out;
}

/// About `count` rows of x, evenly spread.
Matrix someRows(ConstMatrixView x, size_t count) {
    return everyNth(x, std::max<size_t>(1, x.rows / count));
}

/// What one linear's inputs are rounded with.
struct InputSearch {
    const PlanEntry* entry = nullptr;
    std::vector<float> rows;      ///< [n, channels], of the text
    std::vector<float> low, high; ///< [channels], of all tokens; empty: none was seen

    void add(ConstMatrixView x, size_t stride) {
        const Matrix some = everyNth(x, stride);
        rows.insert(rows.end(), some.span().begin(), some.span().end());
        if (!format().isStatic()) return;
        low.resize(x.cols, INFINITY);
        high.resize(x.cols, -INFINITY);
        for (size_t t = 0; t < x.rows; ++t)
            for (size_t c = 0; c < x.cols; ++c) {
                low[c] = std::min(low[c], x(t, c));
                high[c] = std::max(high[c], x(t, c));
            }
    }

    const InputScheme& format() const { return *entry->scheme->inputs; }

    /// `scaling`: what transforms do to the weight, `shift` what they take from the inputs before; null,
    /// empty: nothing.
    Result<RowChoice> choose(const WeightSource& weights, const TensorScaling* scaling,
                             std::span<const float> shift, const JobContext& job) {
        const size_t n = entry->target.cols;
        QS_TRY(Matrix weight, weights.matrix(entry->target.weight));
        if (scaling) scaling->apply(weight.view());
        for (std::vector<float>* values : {&rows, &low, &high})
            for (size_t i = 0; i < values->size(); ++i) {
                if (!shift.empty()) (*values)[i] -= shift[i % n];
                if (scaling && !scaling->columns.empty()) (*values)[i] /= scaling->columns[i % n];
            }
        const ConstMatrixView x{rows.data(), rows.size() / n, n, n};
        if (x.rows == 0) return unseen(); // an expert that was never chosen
        if (format().searchRange) {
            QS_TRY(const auto codec, createCodec(entry->scheme->codec, entry->scheme->codecParams));
            QS_TRY(JointRange found, searchJointRange(format(), *codec, someRows(x, kJointRows).view(),
                                                      someRows(weight.view(), kJointOutputs).view(), job));
            return std::move(found.inputs);
        }
        if (format().isStatic()) {
            const ValueRange all{*std::min_element(low.begin(), low.end()),
                                 *std::max_element(high.begin(), high.end())};
            QS_TRY(const FixedRange fixed, searchStaticRange(format(), x, all, job));
            return RowChoice{.fixed = fixed};
        }
        if (format().reassemble) {
            QS_TRY(const auto codec, createCodec(entry->scheme->codec, entry->scheme->codecParams));
            RowChoice found;
            QS_TRY(found.adjust.channels,
                   searchChannels(format(), *codec, x, someRows(weight.view(), kJointOutputs).view(), job));
            return found;
        }
        const std::vector<double> importance = columnEnergy(weight);
        if (format().searchShift)
            return searchLogGrid(format(), someRows(x, kGridRows).view(), importance, job);
        QS_TRY(const auto search, BaseSearch::create(format()));
        QS_CHECK(search->add(x, importance));
        return RowChoice{.base = search->best()};
    }

    RowChoice unseen() const {
        RowChoice none;
        if (format().isStatic()) none.fixed = FixedRange{1, 0};
        if (format().reassemble) none.adjust.channels = ChannelReassembly::identity(entry->target.cols);
        return none;
    }
};

/// Everything a plan asks of one block.
class BlockFinder {
public:
    static Result<BlockFinder> create(const Model& model, size_t block, const Plan& plan,
                                      const TokenWindows& tokens, Backend& backend) {
        BlockFinder f(backend, model.spec().blocks[block], tokens.size());
        if (plan.kvCache && plan.kvCache->needsCalibration())
            f.cache_.emplace(model.spec(), block, *plan.kvCache, tokens.cols(), tokens.size(), backend);
        if (isSearched(plan.probabilities)) {
            QS_TRY(f.probabilities_, BaseSearch::create(*plan.probabilities));
        }
        for (const PlanEntry& e : plan.entries)
            if (size_t(e.target.block) == block && e.scheme && isSearched(e.scheme->inputs))
                f.inputs_.push_back({&e, {}});
        return f;
    }

    Result<void> site(const DeviceBlock& block, const std::string& site, const Tensor& x) {
        if (cache_ && site == spec_->attention.q.site) QS_CHECK(cache_->input(block.attention, x));
        for (InputSearch& s : inputs_) {
            if (s.entry->target.site != site) continue;
            Matrix storage;
            QS_TRY(const ConstMatrixView host, backend_->hostView(x, storage));
            s.add(host, std::max<size_t>(1, totalTokens_ / kInputRows));
        }
        return {};
    }

    Result<void> attention(const Tensor& q, const Tensor& k, const AttentionShape& shape) {
        if (cache_) QS_CHECK(cache_->rotated(q, k));
        if (!probabilities_ || queriesSeen_ >= kQueryTokens) return {};
        queriesSeen_ += q.rows;
        const ProbabilityVisitor look = [&](MatrixView p) {
            const Matrix rows = everyNth(p, std::max<size_t>(1, p.rows / kQueryRows));
            return probabilities_->add(rows.view(), {});
        };
        const AgedCache now{0, q, k, k};
        QS_TRY(Tensor unused, backend_->allocate(q.rows, q.cols));
        return agedAttention({&now, 1}, shape, look, *backend_, unused);
    }

    /// Whether inputs of its linears are searched for.
    bool looksAtInputs() const { return !inputs_.empty(); }

    /// `scaling`: of the transforms.
    Result<void> addTo(RunFindings& out, const WeightSource& weights, const BlockScaling& scaling,
                       const JobContext& job) {
        out.blocks.emplace_back();
        if (cache_) {
            QS_TRY(out.blocks.back(), cache_->result(job));
        }
        if (probabilities_) out.probabilityBase.push_back(probabilities_->best());
        for (InputSearch& s : inputs_) {
            const QuantTarget& t = s.entry->target;
            auto found = s.choose(weights, scaling.find(t.weight), scaling.shiftOf(t.site), job);
            if (!found) return found.takeError().at(t.module);
            out.inputs[t.module] = std::move(*found);
        }
        return {};
    }

private:
    BlockFinder(Backend& backend, const BlockSpec& spec, size_t totalTokens)
        : backend_(&backend), spec_(&spec), totalTokens_(totalTokens) {}

    Backend* backend_;
    const BlockSpec* spec_;
    size_t totalTokens_, queriesSeen_ = 0;
    std::optional<CacheProbe> cache_;
    std::unique_ptr<BaseSearch> probabilities_;
    std::vector<InputSearch> inputs_;
};

/// What the plan's transforms do to a block of the original model.
Result<BlockScaling> scalingOf(const std::optional<BlockTransformer>& transformer, size_t block,
                               const Calibration& calibration, const JobContext& job) {
    if (!transformer) return BlockScaling();
    SigmaBySite sigma;
    if (transformer->needsSigma())
        for (const std::string& site : transformer->sitesOf(block)) {
            QS_TRY(MatrixD s, calibration.sigma(site));
            const SiteRecord& record = *calibration.find(site);
            std::vector<double> sum;
            for (const float mean : record.stats.mean)
                sum.push_back(double(mean) * double(record.tokens));
            sigma.try_emplace(site, SiteSigma{std::move(s), record.tokens, std::move(sum)});
        }
    QS_TRY(TransformedBlock out, transformer->transform(block, sigma, job));
    return std::move(out.scaling);
}

} // namespace

bool needsFindings(const Plan& plan) {
    return (plan.kvCache && plan.kvCache->needsCalibration()) || isSearched(plan.probabilities) ||
           std::any_of(plan.entries.begin(), plan.entries.end(),
                       [](const PlanEntry& e) { return e.scheme && isSearched(e.scheme->inputs); });
}

Result<RunFindings> findForRun(const Model& model, const Plan& plan, const Calibration& calibration,
                               size_t activationBudgetBytes, Backend& backend, const JobContext& job) {
    const ModelSpec& spec = model.spec();
    const TokenWindows& tokens = calibration.tokens();
    const auto weights = modelWeights(model);
    std::optional<BlockTransformer> transformer;
    if (!plan.transforms.empty()) {
        QS_TRY(BlockTransformer t, BlockTransformer::create(model, plan, calibration, *weights));
        transformer.emplace(std::move(t));
    }
    QS_TRY(Forward forward, Forward::create(spec, backend, tokens.cols()));
    QS_TRY(ActivationStore hidden,
           ActivationStore::create(tokens.size(), spec.hidden, activationBudgetBytes));
    QS_CHECK(forward.embed(tokens.span(), *weights, hidden));
    RunFindings out;
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        const double count = double(spec.blocks.size());
        const JobContext part = job.part(double(b) / count, double(b + 1) / count);
        QS_TRY(const DeviceBlock block, forward.loadBlock(b, *weights));
        QS_TRY(BlockFinder finder, BlockFinder::create(model, b, plan, tokens, backend));
        BlockWatch watch;
        watch.attention = [&](const Tensor& q, const Tensor& k, const AttentionShape& shape) {
            return finder.attention(q, k, shape);
        };
        forward.watch(std::move(watch));
        const SiteHook hook = [&](const std::string& site, const Tensor& x) -> Result<void> {
            QS_CHECK(job.checkpoint());
            return finder.site(block, site, x);
        };
        QS_CHECK(forward.runBlock(b, block, hidden, hook, false, part.part(0, 0.7)));
        BlockScaling scaling;
        if (finder.looksAtInputs()) {
            QS_TRY(scaling, scalingOf(transformer, b, calibration, part.silent()));
        }
        auto added = finder.addTo(out, *weights, scaling, part.silent());
        if (!added) return added.takeError().at(fmt::format("block {}", b));
    }
    return out;
}

Result<std::vector<BlockRounders>> blockRounders(const ModelSettings& settings, const Model& model,
                                                 const RunFindings& findings) {
    std::vector<BlockRounders> out(model.hasForward() ? model.spec().blocks.size() : 0);
    for (size_t b = 0; b < out.size(); ++b) {
        RowChoice choice;
        if (isSearched(settings.probabilities)) {
            if (b >= findings.probabilityBase.size())
                return Error::invalid("the base of attention's probabilities was not searched");
            choice.base = findings.probabilityBase[b];
        }
        QS_TRY(out[b].probabilities, rounderOf(settings.probabilities, &choice));
        QS_TRY(out[b].cache,
               kvRounder(settings.kvCache, b < findings.blocks.size() ? &findings.blocks[b] : nullptr));
    }
    return out;
}

Result<std::shared_ptr<const RowRounder>> inputRounder(const Scheme& scheme, const std::string& module,
                                                       const RunFindings& findings) {
    if (!isSearched(scheme.inputs)) return inputRounder(scheme);
    const auto it = findings.inputs.find(module);
    if (it == findings.inputs.end())
        return Error::invalid("the format of its inputs was not searched", module);
    return inputRounder(scheme, &it->second);
}

std::filesystem::path findingsFile(const std::filesystem::path& runDirectory) {
    return runDirectory / "findings.h5";
}

} // namespace qs
