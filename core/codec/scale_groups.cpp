// SPDX-License-Identifier: Apache-2.0
#include "core/codec/scale_groups.h"

#include <fmt/format.h>
#include <limits>

namespace qs {

ParamSpec ScaleGroups::sizeParam(long long standard, std::string help) {
    return ParamSpec::integer("group", "Group size", standard, -1, 1 << 20, std::move(help));
}

ParamSpec ScaleGroups::typeParam() {
    return ParamSpec::choice("scale_dtype", "Scale type", "f16", {"f16", "bf16", "f32"},
                             "How scales are stored. Codes are computed against the stored value.")
        .asAdvanced();
}

ScaleGroups ScaleGroups::of(const Params& params) {
    const std::string& type = params.choice("scale_dtype");
    return {params.integer("group"), type == "f16" ? DType::F16 : type == "bf16" ? DType::BF16 : DType::F32};
}

Result<GroupLayout> ScaleGroups::layout(size_t rows, size_t cols) const {
    if (size > 0) return groupsOf(rows, cols, size_t(size));
    QS_CHECK(groupsOf(rows, cols, 1)); // refuses an empty matrix
    return GroupLayout{size == 0 ? 1 : rows, 1, cols};
}

size_t ScaleGroups::fitColumns() const {
    return size > 0 ? size_t(size) : std::numeric_limits<size_t>::max();
}

std::string ScaleGroups::label() const {
    return size > 0 ? fmt::format("g{}", size) : size < 0 ? "channel" : "tensor";
}

std::string ScaleGroups::rule() const {
    return fmt::format("a value above 0 of type {}", dtypeInfo(type).name);
}

void GroupedLevelCodec::fitBlock(std::span<const float> values, std::span<const float> importance,
                                 const FitRule& rule, QuantizedTensor& q, size_t row, size_t column) const {
    const float own = statistic(values);
    float scale = groups_.stored(rule.search ? own : rule.clip * own);
    if (rule.search) {
        std::vector<float> candidates = {scale};
        for (int percent = 40; percent <= 200; percent += 2)
            candidates.push_back(groups_.stored(own * float(percent) / 100));
        scale = bestScale(table(), values, importance, candidates);
    }
    q.scale(row, column / q.layout.groupSize) = scale;
    q.zero(row, column / q.layout.groupSize) = 0;
}

} // namespace qs
