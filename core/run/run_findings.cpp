// SPDX-License-Identifier: Apache-2.0
#include "core/run/run_findings.h"

#include "core/model/aged_attention.h"
#include "core/model/forward.h"
#include "core/recipe/plan_rules.h"
#include "core/run/base_search.h"
#include "core/run/cache_probe.h"

#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kInputRows = 256;    ///< of a site, that decide on a base
constexpr size_t kQueryRows = 8;      ///< of a head in a context
constexpr size_t kQueryTokens = 2048; ///< whose heads are looked at

bool searchesBase(const std::optional<InputScheme>& format) {
    return format && format->searchBase;
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

/// The base of one linear's inputs.
struct InputSearch {
    const QuantTarget* target = nullptr;
    std::vector<double> importance;
    std::unique_ptr<BaseSearch> search;
};

/// Everything a plan asks of one block.
class BlockFinder {
public:
    static Result<BlockFinder> create(const Model& model, size_t block, const Plan& plan,
                                      const WeightSource& weights, const TokenWindows& tokens,
                                      Backend& backend) {
        BlockFinder f(backend, model.spec().blocks[block], tokens.size());
        if (plan.kvCache && plan.kvCache->needsCalibration())
            f.cache_.emplace(model.spec(), block, *plan.kvCache, tokens.cols(), tokens.size(), backend);
        if (searchesBase(plan.probabilities)) {
            QS_TRY(f.probabilities_, BaseSearch::create(*plan.probabilities));
        }
        for (const PlanEntry& e : plan.entries) {
            if (size_t(e.target.block) != block || !e.scheme || !searchesBase(e.scheme->inputs)) continue;
            InputSearch s{&e.target, {}, nullptr};
            QS_TRY(const Matrix weight, weights.matrix(e.target.weight));
            s.importance = columnEnergy(weight);
            QS_TRY(s.search, BaseSearch::create(*e.scheme->inputs));
            f.inputs_.push_back(std::move(s));
        }
        return f;
    }

    Result<void> site(const DeviceBlock& block, const std::string& site, const Tensor& x) {
        if (cache_ && site == spec_->attention.q.site) QS_CHECK(cache_->input(block.attention, x));
        for (InputSearch& s : inputs_) {
            if (s.target->site != site) continue;
            Matrix storage;
            QS_TRY(const ConstMatrixView host, backend_->hostView(x, storage));
            const Matrix rows = everyNth(host, std::max<size_t>(1, totalTokens_ / kInputRows));
            QS_CHECK(s.search->add(rows.view(), s.importance));
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

    Result<void> addTo(RunFindings& out, const JobContext& job) const {
        out.blocks.emplace_back();
        if (cache_) {
            QS_TRY(out.blocks.back(), cache_->result(job));
        }
        if (probabilities_) out.probabilityBase.push_back(probabilities_->best());
        for (const InputSearch& s : inputs_)
            out.inputBase[s.target->module] = s.search->best();
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

} // namespace

bool needsFindings(const Plan& plan) {
    return (plan.kvCache && plan.kvCache->needsCalibration()) || searchesBase(plan.probabilities) ||
           std::any_of(plan.entries.begin(), plan.entries.end(),
                       [](const PlanEntry& e) { return e.scheme && searchesBase(e.scheme->inputs); });
}

Result<RunFindings> findForRun(const Model& model, const Plan& plan, const TokenWindows& tokens,
                               size_t activationBudgetBytes, Backend& backend, const JobContext& job) {
    const ModelSpec& spec = model.spec();
    const auto weights = modelWeights(model);
    QS_TRY(Forward forward, Forward::create(spec, backend, tokens.cols()));
    QS_TRY(ActivationStore hidden,
           ActivationStore::create(tokens.size(), spec.hidden, activationBudgetBytes));
    QS_CHECK(forward.embed(tokens.span(), *weights, hidden));
    RunFindings out;
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        const double count = double(spec.blocks.size());
        const JobContext part = job.part(double(b) / count, double(b + 1) / count);
        QS_TRY(const DeviceBlock block, forward.loadBlock(b, *weights));
        QS_TRY(BlockFinder finder, BlockFinder::create(model, b, plan, *weights, tokens, backend));
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
        auto added = finder.addTo(out, part.silent());
        if (!added) return added.takeError().at(fmt::format("block {}", b));
    }
    return out;
}

Result<std::vector<BlockRounders>> blockRounders(const ModelSettings& settings, const Model& model,
                                                 const RunFindings& findings) {
    std::vector<BlockRounders> out(model.hasForward() ? model.spec().blocks.size() : 0);
    for (size_t b = 0; b < out.size(); ++b) {
        std::optional<int> base;
        if (searchesBase(settings.probabilities)) {
            if (b >= findings.probabilityBase.size())
                return Error::invalid("the base of attention's probabilities was not searched");
            base = findings.probabilityBase[b];
        }
        QS_TRY(out[b].probabilities, rounderOf(settings.probabilities, base));
        QS_TRY(out[b].cache,
               kvRounder(settings.kvCache, b < findings.blocks.size() ? &findings.blocks[b] : nullptr));
    }
    return out;
}

Result<std::shared_ptr<const RowRounder>> inputRounder(const Scheme& scheme, const std::string& module,
                                                       const RunFindings& findings) {
    if (!searchesBase(scheme.inputs)) return inputRounder(scheme);
    const auto it = findings.inputBase.find(module);
    if (it == findings.inputBase.end())
        return Error::invalid("the base of its inputs was not searched", module);
    return inputRounder(scheme, it->second);
}

std::filesystem::path findingsFile(const std::filesystem::path& runDirectory) {
    return runDirectory / "findings.h5";
}

} // namespace qs
