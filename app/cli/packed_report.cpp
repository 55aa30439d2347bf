// SPDX-License-Identifier: Apache-2.0
#include "app/cli/packed_report.h"

#include "app/cli/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kCodesAtOnce = size_t(1) << 18;

void rangeOf(const Matrix& m, float& lo, float& hi) {
    if (m.empty()) return;
    const auto [least, most] = std::minmax_element(m.span().begin(), m.span().end());
    lo = *least;
    hi = *most;
}

} // namespace

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

Result<PackedDetails> measurePacked(const PackedLinear& linear, const JobContext& job) {
    PackedDetails d;
    const PackedInfo& info = linear.info();
    std::vector<uint64_t> counts(1u << 16);
    PackedCodes codes(std::clamp<size_t>(kCodesAtOnce / info.in, 1, info.out), info.in);
    for (size_t r = 0; r < info.out; r += codes.rows()) {
        QS_CHECK(job.checkpoint());
        const auto block = codes.view().block(0, std::min(codes.rows(), info.out - r), 0, info.in);
        QS_CHECK(linear.readCodes(r, block));
        for (size_t i = 0; i < block.size(); ++i)
            ++counts[uint16_t(block.data[i])];
    }
    for (size_t i = 0; i < counts.size(); ++i)
        if (counts[i]) d.codeCounts[int16_t(uint16_t(i))] = counts[i];
    QS_TRY(const PackedScales scales, linear.scales());
    rangeOf(scales.scale, d.scaleMin, d.scaleMax);
    rangeOf(scales.zero, d.zeroMin, d.zeroMax);
    return d;
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
