// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/layouts.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

Result<const CtSettings::Group*> ctGroup(const PackedParts& parts, const PackedSettings& all,
                                         const char* what, std::initializer_list<const char*> formats) {
    QS_TRY(const CtSettings* settings, settingsFor<CtSettings>(parts, all, what));
    QS_TRY(const CtSettings::Group* group, settings->groupOf(parts.module(), all.where));
    const std::string& format = group->format;
    if (format.empty() || format == "mixed-precision" ||
        std::find(formats.begin(), formats.end(), format) != formats.end())
        return group;
    return Error::corrupt(fmt::format("has {}, which format \"{}\" of {}.config_groups.{} does not write",
                                      what, format, all.where, group->name),
                          parts.module());
}

long long ctGroupSize(const CtSettings::Weights& weights) {
    if (weights.strategy == "tensor") return 0;
    return weights.strategy == "channel" ? -1 : weights.groupSize;
}

ScaleGrid ctGrid(const CtSettings::Weights& weights, size_t out, size_t in) {
    if (weights.strategy == "tensor") return ScaleGrid::perTensor(out, in);
    if (weights.strategy == "channel") return ScaleGrid::perChannel(out, in);
    if (weights.strategy == "block") return ScaleGrid::perBlock(out, in, weights.block);
    return ScaleGrid::perGroup(out, in, std::min(in, size_t(weights.groupSize)));
}

Result<size_t> requireCtScale(const PackedParts& parts, const ScaleGrid& grid,
                              const CtSettings::Weights& weights) {
    QS_TRY(const size_t scale, parts.require("weight_scale"));
    QS_CHECK(parts.check(scale, isScaleType(parts.tensor(scale).dtype), "F16, BF16 or F32"));
    QS_CHECK(parts.check(scale, grid.fits(parts.tensor(scale)),
                         fmt::format("{} for strategy \"{}\"", grid.text(), weights.strategy)));
    return scale;
}

} // namespace qs
