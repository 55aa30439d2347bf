// SPDX-License-Identifier: Apache-2.0
// Mixtral: Mistral with a mixture of experts instead of the MLP; the chosen experts' weights are
// renormalized.
#include "core/model/architecture.h"
#include "core/model/mixture_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "mixtral", {{"rms_norm_eps", 1e-5}});
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    MixtureOptions mixture{.expertsKey = "num_local_experts", .renormalize = true};
    mixture.mlp = {.bias = Bias::None, .gate = "w1", .up = "w3", .down = "w2"};
    QS_TRY(mixture.mlp.activation, b.activation("hidden_act", "silu"));
    QS_TRY(const std::vector<size_t> reach, layerReach(b, [](size_t) { return true; }));
    QS_CHECK(llamaBody(b, {.theta = 1e6, .context = b.spec.context},
                       {.qkvBias = Bias::None, .oBias = Bias::None}, reach,
                       [&](size_t, const std::string& layer, BlockSpec& block) -> Result<void> {
                           QS_TRY(block.mixture, mixtureOfExperts(b, layer + "block_sparse_moe.", mixture));
                           return {};
                       }));
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_mixtral() {
    static const ArchitectureDescriptor d{
        .id = "mixtral",
        .label = "Mixtral",
        .summary = "Mixtral: Mistral with a mixture of experts, the best experts' weights renormalized",
        .classNames = {"MixtralForCausalLM"},
        .modelTypes = {"mixtral"},
        .resolve = resolve,
        .refuses = "experts fused into one tensor"};
    return d;
}

} // namespace qs
