// SPDX-License-Identifier: Apache-2.0
// What a GPTQ checkpoint says about its linears: one setting for all, and `dynamic` rules for those that
// differ.
#pragma once

#include "core/export/export_source.h"

#include <nlohmann/json_fwd.hpp>

namespace qs {

struct GptqSetting {
    int bits = 4;
    long long groupSize = -1; ///< -1: one group per row
    bool symmetric = true;    ///< every zero point is 2^(bits - 1)
    bool actOrder = false;    ///< group indices are not in column order (desc_act)
    bool operator==(const GptqSetting&) const = default;
};

/// The setting of one quantized tensor. Errors when the format cannot hold it exactly: a scale that is not
/// F16, a zero point that is not an integer in range.
Result<GptqSetting> gptqSettingOf(const PlanEntry& entry, const QuantizedTensor& q);

/// "layers" of the plan with their settings, none when kept; what config.json is made from. Collected one
/// tensor at a time.
class GptqSettings {
public:
    explicit GptqSettings(const Plan& plan) : plan_(plan), settings_(plan.entries.size()) {}

    /// Error when a linear of the same fused group has another setting or another order of columns.
    Result<void> add(size_t entry, const QuantizedTensor& q);

    /// Version 2 stores zero points as they are; version 1 (zero - 1) is what every runtime reads, but only
    /// its symmetric 4 and 8 bit form is unambiguous.
    bool version2() const;
    /// The object of config.json and quantize_config.json.
    nlohmann::ordered_json config() const;

private:
    nlohmann::ordered_json dynamicRules(const GptqSetting& base) const;

    const Plan& plan_;
    std::vector<std::optional<GptqSetting>> settings_; ///< by plan entry
    struct Fused {
        std::string module;
        std::vector<int32_t> groupOfColumn;
        GptqSetting setting;
    };
    std::map<std::string, Fused> fused_;
};

/// Tensor name without ".weight": the prefix of the packed tensors and the name that `dynamic` matches.
std::string gptqPrefix(const QuantTarget& target);

/// Regular expression that matches exactly the linears `leaves` of `parent` and the name that runtimes fuse
/// them under, if any ("^model\.layers\.0\.self_attn\.(?:q_proj|k_proj|v_proj|qkv_proj)$").
std::string gptqPattern(const std::vector<const QuantTarget*>& targets);

} // namespace qs
