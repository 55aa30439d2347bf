// SPDX-License-Identifier: Apache-2.0
#include "core/model/mixture_parts.h"

#include <fmt/format.h>

namespace qs {

namespace {
constexpr size_t kMostExperts = 4096;
}

Result<MixtureSpec> mixtureOfExperts(const SpecBuilder& b, const std::string& module,
                                     const MixtureOptions& options) {
    MixtureSpec m;
    QS_TRY(const size_t experts, b.config.size(options.expertsKey, kMostExperts));
    QS_TRY(m.topK, b.config.size("num_experts_per_tok", experts));
    m.renormalize = options.renormalize;
    QS_TRY(m.router, b.tensor(b.prefix + module + "gate.weight", {experts, b.spec.hidden}));
    for (size_t e = 0; e < experts; ++e) {
        const std::string expert = fmt::format("{}experts.{}", module, e);
        QS_TRY(MlpSpec mlp, llamaMlp(b, expert + ".", expert, expert + ".down", options.mlp));
        m.experts.push_back(std::move(mlp));
    }
    return m;
}

Result<bool> qwenLayerIsSparse(const SpecBuilder& b, size_t index) {
    QS_TRY(const std::vector<size_t> dense, b.config.indicesOr("mlp_only_layers"));
    QS_TRY(const size_t step, b.config.sizeOr("decoder_sparse_step", 100000, 1));
    return std::find(dense.begin(), dense.end(), index) == dense.end() && (index + 1) % step == 0;
}

} // namespace qs
