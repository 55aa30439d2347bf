// SPDX-License-Identifier: Apache-2.0
#include "core/export/gptq_settings.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::ordered_json;

namespace {

/// Zero points as GPTQ stores them: integers that fit in `bits`.
Result<bool> zerosAreMiddle(const PlanEntry& entry, const QuantizedTensor& q, int bits) {
    const float middle = float(1 << (bits - 1)), largest = float((1 << bits) - 1);
    bool all = true;
    for (float z : q.zero.span()) {
        if (!(z >= 0 && z <= largest) || z != float(int(z)))
            return Error::unsupported(fmt::format("zero point {} is not an integer in 0..{}", z, largest),
                                      entry.target.module);
        all = all && z == middle;
    }
    return all;
}

bool columnsInOrder(const QuantizedTensor& q) {
    for (size_t c = 0; c < q.groupOfColumn.size(); ++c)
        if (size_t(q.groupOfColumn[c]) != c / q.layout.groupSize) return false;
    return true;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') out += '\\';
        out += c;
    }
    return out;
}

std::pair<std::string, std::string> parentAndLeaf(const std::string& prefix) {
    const size_t dot = prefix.rfind('.');
    if (dot == std::string::npos) return {"", prefix};
    return {prefix.substr(0, dot + 1), prefix.substr(dot + 1)};
}

const char* fusedLeaf(const std::string& role) {
    if (role == "q" || role == "k" || role == "v") return "qkv_proj";
    if (role == "gate" || role == "up") return "gate_up_proj";
    return nullptr;
}

ordered_json toJson(const GptqSetting& s) {
    return {{"bits", s.bits}, {"group_size", s.groupSize}, {"desc_act", s.actOrder}, {"sym", s.symmetric}};
}

} // namespace

std::string gptqPrefix(const QuantTarget& target) {
    constexpr std::string_view suffix = ".weight";
    const std::string& tensor = target.place.tensor;
    return tensor.ends_with(suffix) ? tensor.substr(0, tensor.size() - suffix.size()) : tensor;
}

Result<GptqSetting> gptqSettingOf(const PlanEntry& entry, const QuantizedTensor& q) {
    QS_TRY(const auto codec, codecOf(q));
    GptqSetting s;
    s.bits = codec->bits();
    // One group however long the row is? Then it is "-1", whatever this row's length.
    QS_TRY(const GroupLayout longer, codec->layout(q.rows, q.cols * 2));
    s.groupSize = longer.groups == 1 ? -1 : (long long)q.layout.groupSize;
    for (float v : q.scale.span())
        if (halfToFloat(floatToHalf(v)) != v)
            return Error::unsupported(fmt::format("scale {} is not an F16 value", v), entry.target.module);
    QS_TRY(const bool middle, zerosAreMiddle(entry, q, s.bits));
    if (codec->symmetric() && !middle)
        return Error::unsupported(
            fmt::format("a symmetric grid with a zero point other than {}", 1 << (s.bits - 1)),
            entry.target.module);
    s.symmetric = codec->symmetric();
    s.actOrder = !columnsInOrder(q);
    return s;
}

Result<void> GptqSettings::add(size_t entry, const QuantizedTensor& q) {
    const PlanEntry& e = plan_.entries[entry];
    QS_TRY(const GptqSetting setting, gptqSettingOf(e, q));
    settings_[entry] = setting;
    if (e.target.fusedGroup.empty()) return {};
    std::vector<int32_t> order = setting.actOrder ? q.groupOfColumn : std::vector<int32_t>();
    const auto [it, first] = fused_.try_emplace(e.target.fusedGroup, Fused{e.target.module, order, setting});
    if (first) return {};
    if (!(it->second.setting == setting) || it->second.groupOfColumn != order)
        return Error::unsupported(
            fmt::format(
                "runtimes fuse it with {}, but its format or its order of columns differs: give both the "
                "same scheme",
                it->second.module),
            e.target.module);
    return {};
}

bool GptqSettings::version2() const {
    return std::any_of(settings_.begin(), settings_.end(),
                       [](const auto& s) { return s && (!s->symmetric || (s->bits != 4 && s->bits != 8)); });
}

std::string gptqPattern(const std::vector<const QuantTarget*>& targets) {
    const std::string parent = parentAndLeaf(gptqPrefix(*targets.front())).first;
    std::vector<std::string> leaves;
    for (const QuantTarget* t : targets)
        leaves.push_back(escaped(parentAndLeaf(gptqPrefix(*t)).second));
    if (targets.size() > 1 && fusedLeaf(targets.front()->role))
        leaves.push_back(fusedLeaf(targets.front()->role));
    const std::string leaf =
        leaves.size() == 1 ? leaves.front() : fmt::format("(?:{})", fmt::join(leaves, "|"));
    return "^" + escaped(parent) + leaf + "$";
}

ordered_json GptqSettings::dynamicRules(const GptqSetting& base) const {
    // One rule per fused group, or per linear that stands alone; members of a group agree, see add() and
    // lint.
    std::vector<std::pair<std::vector<const QuantTarget*>, std::optional<GptqSetting>>> sets;
    std::map<std::string, size_t> setOfGroup;
    for (size_t i = 0; i < plan_.entries.size(); ++i) {
        const QuantTarget& target = plan_.entries[i].target;
        const std::string key = target.fusedGroup.empty()
                                    ? ""
                                    : target.fusedGroup + " " + parentAndLeaf(gptqPrefix(target)).first;
        const auto it = setOfGroup.find(key);
        if (!key.empty() && it != setOfGroup.end()) {
            sets[it->second].first.push_back(&target);
            continue;
        }
        if (!key.empty()) setOfGroup[key] = sets.size();
        sets.push_back({{&target}, settings_[i]});
    }
    // Negative rules first: readers take the first match, and some sort them so themselves.
    ordered_json rules = ordered_json::object();
    for (const auto& [targets, setting] : sets)
        if (!setting) rules["-:" + gptqPattern(targets)] = ordered_json::object();
    for (const auto& [targets, setting] : sets)
        if (setting && !(*setting == base)) rules["+:" + gptqPattern(targets)] = toJson(*setting);
    return rules;
}

ordered_json GptqSettings::config() const {
    std::vector<std::pair<GptqSetting, size_t>> counts;
    for (const auto& s : settings_) {
        if (!s) continue;
        const auto it =
            std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == *s; });
        if (it == counts.end())
            counts.emplace_back(*s, 1);
        else
            ++it->second;
    }
    GptqSetting base;
    size_t most = 0;
    for (const auto& [setting, count] : counts)
        if (count > most) {
            base = setting;
            most = count;
        }
    const char* format = version2() ? "gptq_v2" : "gptq";
    ordered_json out = {{"quant_method", "gptq"}};
    out.update(toJson(base));
    out["lm_head"] = false;
    out["checkpoint_format"] = format;
    out["format"] = format;
    out["pack_dtype"] = "int32";
    out["true_sequential"] = false; // the linears of a block see one and the same input statistics
    if (ordered_json rules = dynamicRules(base); !rules.empty()) out["dynamic"] = std::move(rules);
    out["meta"] = {{"quantizer", {std::string("quantoscope:") + QS_VERSION}}};
    return out;
}

} // namespace qs
