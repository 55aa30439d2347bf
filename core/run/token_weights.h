// SPDX-License-Identifier: Apache-2.0
// Second moments in which tokens count by the attention they receive (RSQ, Sung et al. 2025,
// arXiv:2503.01820): Sigma = sum over t of r_t x_t x_t^T, r_t the attention that token t receives in this
// block, over all heads and queries of its context, mapped linearly to [least, 1] within the context.
#pragma once

#include "core/model/forward.h"

namespace qs {

/// Stands between one block's pass and a hook that sums x^T x: the hook is given rows times sqrt(r_t). What
/// experts see of a part of the tokens passes as it is.
class AttentionWeighting {
public:
    /// `first` is the site that attention reads; everything must outlive the passes.
    AttentionWeighting(Backend& backend, std::string first, double least, SiteHook inner,
                       const JobContext& job)
        : backend_(backend), first_(std::move(first)), least_(least), inner_(std::move(inner)), job_(job) {}

    Result<void> site(const std::string& site, const Tensor& x);
    Result<void> attention(const Tensor& q, const Tensor& k, const AttentionShape& shape);

private:
    Result<void> pass(const std::string& site, const Tensor& x) const;

    Backend& backend_;
    std::string first_;
    double least_;
    SiteHook inner_;
    const JobContext& job_;
    Tensor waiting_;           ///< the first site's input, until its tokens' attention is known
    std::vector<float> roots_; ///< sqrt(r_t) of the present batch
};

/// r of one context from what each token receives: linear to [least, 1]; all 1 when they receive the same.
std::vector<float> tokenWeights(std::span<const double> received, double least);

} // namespace qs
