// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/gptq_plan.h"

namespace qs {

GptqPlan::GptqPlan(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q)
    : in_(&input)
    , options_(&options)
    , q_(&q)
    , unit_(fittedTogether(*input.codec, q.layout))
    ,
    // One scale for all rows, and static groups, are fitted once on the original weights.
    fitOnTheWay_(!options.actOrder && q.layout.scaleRows == q.rows && q.layout.blockRows == 1)
    , onHost_(!input.codec->isIntegerGrid() || !options.kept.empty() || options.zerosOfFour > 0) {}

Result<GptqPlan> GptqPlan::make(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q,
                                const JobContext& job) {
    GptqPlan p(input, options, q);
    QS_TRY(p.factor_, GptqFactor::make(*input.sigma, options.actOrder, options.damping, *input.backend));
    QS_CHECK(p.factor_->invertBlocks(p.blockFirsts(), p.block()));
    QS_CHECK(job.checkpoint());
    p.weighInputs();
    q.extras.kept = options.kept.places();
    if (options.keptInt8) scaleKept(input.weight, q.extras.kept);
    if (!options.prepared && (p.fitOnTheWay_ || options.fit))
        input.codec->prepareParameters(input.weight, p.importance_, q);
    if (!p.fitOnTheWay_) p.fitStatic();
    p.reader_.emplace(*input.codec, q);
    return p;
}

// Super-blocks and tables leave room for a choice that the inputs can weigh. The grids of the others are
// fitted as in the published code.
void GptqPlan::weighInputs() {
    const bool superBlocks = in_->codec->fitColumns() > 0 && options_->range.rule == RangeRule::Mse;
    if (!superBlocks && in_->codec->hasLevels()) return;
    importance_ = importanceOf(*in_->sigma);
}

/// All parameters, on the original weights.
void GptqPlan::fitStatic() {
    Matrix covered;
    const ConstMatrixView weight = coveredWeights(in_->weight, options_->kept, unit_, covered);
    if (!options_->fit) return fitGroups(*in_->codec, options_->range, weight, *q_, importance_);
    for (size_t r = 0; r < q_->layout.scaleRows; ++r)
        for (size_t c = 0; c < q_->cols; c += unit_)
            options_->fit({weight.row(r) + c, unit_}, *q_, r, c);
}

// Columns that are fitted together and start inside a block must not reach beyond it: the later ones would be
// fitted without this block's updates.
size_t GptqPlan::blockLength(size_t first) const {
    const size_t count = std::min(block(), q_->cols - first);
    if (!fitOnTheWay_) return count;
    const size_t lastUnit = (first + count - 1) / unit_ * unit_;
    return lastUnit > first && lastUnit + unit_ > first + count ? lastUnit - first : count;
}

std::vector<size_t> GptqPlan::blockFirsts() const {
    std::vector<size_t> out;
    for (size_t first = 0; first < q_->cols; first += blockLength(first))
        out.push_back(first);
    return out;
}

} // namespace qs
