// SPDX-License-Identifier: Apache-2.0
#include "app/cli/packed_report.h"

#include "app/cli/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

PackedLinears packedLinears(const Model& model) {
    PackedLinears out;
    out.isPart.assign(model.checkpoint().tensors().size(), 0);
    for (const std::string& module : model.packed().modules()) {
        const auto linear = model.packed().find(module);
        if (!linear) {
            if (linear.error().code == ErrorCode::Unsupported) break; // the settings: so would be all others
            continue;
        }
        auto info = std::make_shared<const PackedInfo>((*linear)->info());
        for (size_t part : info->tensors)
            out.isPart[part] = 1;
        const size_t first = *std::min_element(info->tensors.begin(), info->tensors.end());
        out.at.emplace(first, std::move(info));
    }
    return out;
}

std::vector<std::string> storedForms(const PackedLinears& packed) {
    std::map<std::string, size_t> counts;
    for (const auto& [first, info] : packed.at)
        ++counts[info->label];
    std::vector<std::pair<std::string, size_t>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    std::vector<std::string> out;
    for (const auto& [label, count] : sorted)
        out.push_back(fmt::format("{} ({} linear{})", label, count, count == 1 ? "" : "s"));
    return out;
}

json packedJson(const PackedInfo& p, const PackedDetails* details) {
    json out = {{"layout", p.layout}, {"label", p.label},          {"format", p.format},
                {"bits", p.bits},     {"group_size", p.groupSize}, {"bits_per_weight", p.bitsPerWeight()}};
    if (!details) return out;
    json counts = json::object();
    for (const auto& [code, count] : details->codeCounts)
        counts[std::to_string(code)] = count;
    out["codes"] = std::move(counts);
    out["scale"] = {{"min", details->scaleMin}, {"max", details->scaleMax}};
    out["zero"] = {{"min", details->zeroMin}, {"max", details->zeroMax}};
    return out;
}

void PackedTable::add(const std::string& tensor, const PackedInfo& info, const PackedDetails& d) {
    const auto range = [](float lo, float hi) {
        return lo == hi ? number(lo) : number(lo) + " .. " + number(hi);
    };
    rows_.push_back({tensor, info.label, fmt::format("{:.3f}", info.bitsPerWeight()),
                     fmt::format("{} of {}", d.codeCounts.size(), 1 << info.bits),
                     range(d.scaleMin, d.scaleMax), range(d.zeroMin, d.zeroMax)});
}

std::string PackedTable::text() const {
    Table t({{"tensor"},
             {"stored as"},
             {"bits/weight", true},
             {"codes used", true},
             {"scales", true},
             {"zero points", true}});
    for (const auto& row : rows_)
        t.add(row);
    return t.text();
}

} // namespace qs::cli
