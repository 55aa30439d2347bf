// SPDX-License-Identifier: Apache-2.0
// What all rows of a GPTQ solve share: the factor, the blocks of columns, grids that are fitted beforehand.
#pragma once

#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_factor.h"
#include "core/quant/rounding/gptq_solver.h"

#include <algorithm>
#include <optional>

namespace qs {

class GptqPlan {
public:
    /// Begins q.extras.kept, and fits what is not fitted on the way. The three outlive the plan.
    static Result<GptqPlan> make(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q,
                                 const JobContext& job);

    const QuantizeInput& input() const { return *in_; }
    const GptqOptions& options() const { return *options_; }
    QuantizedTensor& tensor() const { return *q_; }
    const GptqFactor& factor() const { return *factor_; }
    /// Of q, to round with.
    const Codec& reader() const { return **reader_; }
    /// Weights of the squared errors of a fit; empty where they count alike.
    Importance importance() const { return importance_; }

    /// Columns that are fitted together.
    size_t unit() const { return unit_; }
    /// Parameters of a group are fitted when the recursion reaches it.
    bool fitsOnTheWay() const { return fitOnTheWay_; }
    /// Columns are solved here instead of by the backend.
    bool onHost() const { return onHost_; }
    /// Columns of a block, at most.
    size_t block() const { return std::min(options_->blockSize, q_->cols); }
    /// Columns of the block that begins at `first`.
    size_t blockLength(size_t first) const;

private:
    GptqPlan(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q);
    std::vector<size_t> blockFirsts() const;
    void weighInputs();
    void fitStatic();

    const QuantizeInput* in_;
    const GptqOptions* options_;
    QuantizedTensor* q_;
    std::optional<GptqFactor> factor_;
    std::optional<TensorCodec> reader_;
    std::vector<float> importance_;
    size_t unit_;
    bool fitOnTheWay_, onHost_;
};

} // namespace qs
