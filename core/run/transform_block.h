// SPDX-License-Identifier: Apache-2.0
// The transforms of a plan, applied to one block: factors of its folds chosen from what was measured, and the
// tensors that change.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/tensor_places.h"
#include "core/model/weights.h"
#include "core/quant/transform/transform.h"
#include "core/recipe/recipe.h"
#include "core/store/folded_store.h"

namespace qs {

/// Sigma of one site and the tokens it was summed over.
struct SiteSigma {
    MatrixD sigma;
    uint64_t tokens = 0;
    std::vector<double> sum; ///< [channels], of the inputs; empty where no transform shifts them
};
using SigmaBySite = std::map<std::string, SiteSigma>;

struct TransformedBlock {
    BlockScaling scaling; ///< of every tensor, kept ones included
    FoldedUnit unit;      ///< what the run stores of it
};

class BlockTransformer {
public:
    /// `plan` has transforms and no errors; everything must outlive the transformer.
    static Result<BlockTransformer> create(const Model& model, const Plan& plan,
                                           const Calibration& calibration, const WeightSource& weights);

    /// A transform wants Sigma of the sites that sitesOf() names.
    bool needsSigma() const { return needsSigma_; }
    /// A transform wants SiteSigma::sum too.
    bool needsSums() const { return needsSums_; }
    /// Sites whose channels may be scaled in a block.
    std::set<std::string> sitesOf(size_t block) const;

    /// `sigma` holds the unscaled Sigma of the sites where needsSigma(). Factors of a norm's channels are
    /// moved to where the divided gain is a value of its stored type, so that rounding it costs nothing. Kept
    /// tensors are rounded to their stored type; shifts are moved to where the norm's bias is such a value.
    /// Nothing when no factor differs from 1 and nothing is shifted.
    Result<TransformedBlock> transform(size_t block, const SigmaBySite& sigma, const JobContext& job) const;

private:
    struct Readers;
    BlockTransformer(const Model& model, const Plan& plan, const Calibration& calibration,
                     const WeightSource& weights);
    bool isQuantized(const LinearSpec& linear) const { return entries_.count(linear.module) != 0; }
    bool isUsed(const BlockSpec& block, const FoldSpec& fold) const;
    Result<void> checkSites() const;
    Result<Readers> load(const BlockSpec& block, const FoldSpec& fold, const SigmaBySite& sigma) const;
    /// What is done to the channels of a fold: (x - shift) / factors.
    struct Channels {
        std::vector<float> factors, shift; ///< shift: empty where canShift() is not
    };
    Result<Channels> choose(const BlockSpec& block, const FoldSpec& fold, const SigmaBySite& sigma,
                            const JobContext& job) const;
    Result<void> fitToStoredGain(const FoldSpec& fold, std::vector<float>& factors) const;
    Result<void> fitToStoredBias(const FoldSpec& fold, Channels& channels) const;
    Result<void> addTo(BlockScaling& scaling, const BlockSpec& block, const FoldSpec& fold,
                       const Channels& channels) const;
    Result<void> collect(const BlockSpec& block, TransformedBlock& out) const;

    const Model& model_;
    const Calibration& calibration_;
    const WeightSource& weights_;
    const TensorPlaces places_;
    std::vector<std::pair<const TransformDescriptor*, Params>> transforms_;
    std::map<std::string, const PlanEntry*> entries_; ///< quantized, by module
    bool needsSigma_ = false, needsSums_ = false;
};

} // namespace qs
