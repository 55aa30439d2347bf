// SPDX-License-Identifier: Apache-2.0
// quantization_config of compressed-tensors.
#include "core/export/ct_layout.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

using nlohmann::ordered_json;

ordered_json ctGroup(const CtLayout& layout, const Codec& codec, CtInputs inputs) {
    return {{"targets", ordered_json::array()},
            {"weights", layout.weights(codec)},
            {"input_activations", layout.inputs(inputs, codec)},
            {"output_activations", nullptr},
            {"format", layout.format()}};
}

ordered_json ctConfig(const Model& model, const Plan& plan, const std::vector<ordered_json>& groupOf) {
    std::vector<ordered_json> groups;
    std::string format;
    for (const auto& set : fusedSets(plan)) {
        const ordered_json& own = groupOf[set.front()];
        if (own.is_null()) continue;
        auto it = std::find_if(groups.begin(), groups.end(), [&](ordered_json g) {
            g["targets"] = ordered_json::array();
            return g == own;
        });
        if (it == groups.end()) it = groups.insert(groups.end(), own);
        std::vector<const QuantTarget*> targets;
        for (const size_t i : set)
            targets.push_back(&plan.entries[i].target);
        (*it)["targets"].push_back("re:" + modulePattern(targets));
        const std::string name = own.at("format");
        format = format.empty() || format == name ? name : "mixed-precision";
    }
    ordered_json list = ordered_json::object();
    for (size_t i = 0; i < groups.size(); ++i)
        list[fmt::format("group_{}", i)] = groups[i];
    return {{"quant_method", "compressed-tensors"}, {"format", format},
            {"quantization_status", "compressed"},  {"config_groups", list},
            {"ignore", keptModules(model, plan)},   {"kv_cache_scheme", nullptr},
            {"global_compression_ratio", nullptr}};
}

} // namespace qs
