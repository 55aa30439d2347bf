// SPDX-License-Identifier: Apache-2.0
#include "core/export/gptq_format.h"

#include "core/codec/packing.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::ordered_json;

namespace {

ordered_json toJson(const IntSetting& s) {
    return {{"bits", s.bits}, {"group_size", s.groupSize}, {"desc_act", s.actOrder}, {"sym", s.symmetric}};
}

using Settings = std::vector<std::optional<IntSetting>>; ///< by plan entry, none when kept

/// Version 1 is what every runtime reads, but only its symmetric 4 and 8 bit form is unambiguous.
bool isVersion2(const Settings& settings) {
    return std::any_of(settings.begin(), settings.end(),
                       [](const auto& s) { return s && (!s->symmetric || (s->bits != 4 && s->bits != 8)); });
}

// One rule per fused group, or per linear that stands alone; members of a group agree, see add() and lint.
// Negative rules first: readers take the first match, and some sort them so themselves.
ordered_json dynamicRules(const Plan& plan, const Settings& settings, const IntSetting& base) {
    ordered_json rules = ordered_json::object();
    for (const bool negative : {true, false})
        for (const auto& set : fusedSets(plan)) {
            const auto& setting = settings[set.front()];
            if (setting.has_value() == negative || setting == base) continue;
            std::vector<const QuantTarget*> targets;
            for (const size_t i : set)
                targets.push_back(&plan.entries[i].target);
            rules[(negative ? "-:" : "+:") + modulePattern(targets)] =
                negative ? ordered_json::object() : toJson(*setting);
        }
    return rules;
}

class GptqFormat final : public PackedFormat {
public:
    explicit GptqFormat(const Plan& plan) : plan_(plan), settings_(plan.entries.size()) {}

    const char* layout(const QuantTarget&, const Codec&) const override { return "gptq"; }
    const char* configFile() const override { return "quantize_config.json"; }

    /// Also refuses a linear of a fused group with another setting or another order of columns.
    Result<void> add(size_t entry, const QuantizedTensor& q) override {
        const PlanEntry& e = plan_.entries[entry];
        QS_TRY(const IntSetting setting, intSettingOf(e, q, DType::F16));
        settings_[entry] = setting;
        if (e.target.fusedGroup.empty()) return {};
        std::vector<int32_t> order = setting.actOrder ? q.groupOfColumn : std::vector<int32_t>();
        const auto [it, first] =
            fused_.try_emplace(e.target.fusedGroup, Fused{e.target.module, order, setting});
        if (first || (it->second.setting == setting && it->second.groupOfColumn == order)) return {};
        return Error::unsupported(
            fmt::format(
                "runtimes fuse it with {}, but its format or its order of columns differs: give both the "
                "same scheme",
                it->second.module),
            e.target.module);
    }

    ordered_json config() const override { return gptqConfig(plan_, settings_); }

    Result<std::vector<PackedPart>> parts(const QuantTarget& target, const Codec& codec) const override {
        const uint64_t out = target.rows, in = target.cols;
        QS_TRY(const GroupLayout layout, codec.layout(out, in));
        return std::vector<PackedPart>{
            {".qweight", DType::I32, {packedWords(in, codec.bits()), out}},
            {".qzeros", DType::I32, {layout.groups, packedWords(out, codec.bits())}},
            {".scales", DType::F16, {layout.groups, out}},
            {".g_idx", DType::I32, {in}}};
    }

    Result<PackedBytes> pack(const QuantTarget&, const QuantizedTensor& q,
                             const Codec& codec) const override {
        const size_t out = q.rows, in = q.cols, groups = q.layout.groups;
        const int bits = codec.bits();
        const bool asTheyAre = isVersion2(settings_);
        std::vector<uint32_t> weight(packedWords(in, bits) * out), zeros(packedWords(out, bits) * groups);
        QS_CHECK(packGptqWeight(q.codes, out, in, bits, weight));
        std::vector<uint8_t> fields(groups * out);
        std::vector<uint16_t> scales(groups * out);
        for (size_t g = 0; g < groups; ++g)
            for (size_t n = 0; n < out; ++n) {
                // Version 2 stores zero points as they are, version 1 minus one.
                const float zero = parameterAt(q.zero, n, g) - (asTheyAre ? 0.0f : 1.0f);
                if (!(zero >= 0 && zero <= 255) || zero != float(int(zero)))
                    return Error::invalid(fmt::format("zero point {} at [{}, {}] cannot be stored in {}",
                                                      parameterAt(q.zero, n, g), n, g,
                                                      asTheyAre ? "gptq_v2" : "gptq"));
                fields[g * out + n] = uint8_t(zero);
                scales[g * out + n] = floatToHalf(parameterAt(q.scale, n, g));
            }
        QS_CHECK(packGptqZeros(fields, groups, out, bits, zeros));
        std::vector<int32_t> index(in);
        for (size_t k = 0; k < in; ++k)
            index[k] = int32_t(q.groupOf(k));
        return PackedBytes{bytesOf(weight), bytesOf(zeros), bytesOf(scales), bytesOf(index)};
    }

private:
    const Plan& plan_;
    Settings settings_;
    struct Fused {
        std::string module;
        std::vector<int32_t> groupOfColumn;
        IntSetting setting;
    };
    std::map<std::string, Fused> fused_;
};

} // namespace

ordered_json gptqConfig(const Plan& plan, const Settings& settings) {
    const IntSetting base = commonSetting(settings);
    const char* format = isVersion2(settings) ? "gptq_v2" : "gptq";
    ordered_json out = {{"quant_method", "gptq"}};
    out.update(toJson(base));
    out["lm_head"] = false;
    out["checkpoint_format"] = format;
    out["format"] = format;
    out["pack_dtype"] = "int32";
    out["true_sequential"] = false; // the linears of a block see one and the same input statistics
    if (ordered_json rules = dynamicRules(plan, settings, base); !rules.empty())
        out["dynamic"] = std::move(rules);
    out["meta"] = {{"quantizer", {std::string("quantoscope:") + QS_VERSION}}};
    return out;
}

std::unique_ptr<PackedFormat> makeGptqFormat(const ExportSource& source) {
    return std::make_unique<GptqFormat>(source.plan);
}

} // namespace qs
