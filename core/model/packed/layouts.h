// SPDX-License-Identifier: Apache-2.0
// One function per layout: checks the shapes of a module's parts against the settings and makes the reader.
#pragma once

#include "core/model/packed/packed_parts.h"
#include "core/model/packed/packed_settings.h"

namespace qs {

using PackedResult = Result<std::unique_ptr<PackedLinear>>;

PackedResult openGptq(const PackedParts& parts, const PackedSettings& settings);
PackedResult openAwq(const PackedParts& parts, const PackedSettings& settings);
PackedResult openCtPack(const PackedParts& parts, const PackedSettings& settings);
PackedResult openCtInt(const PackedParts& parts, const PackedSettings& settings);
PackedResult openCtFp4(const PackedParts& parts, const PackedSettings& settings);
PackedResult openBnbNf4(const PackedParts& parts, const PackedSettings& settings);
PackedResult openFloat8(const PackedParts& parts, const PackedSettings& settings);

/// The settings of method `Settings`; Corrupt when the checkpoint names another. `what` is what was found:
/// "X.qweight".
template<class Settings>
Result<const Settings*> settingsFor(const PackedParts& parts, const PackedSettings& settings,
                                    const char* what) {
    if (const auto* s = std::get_if<Settings>(&settings.method)) return s;
    return Error::corrupt(std::string("has ") + what + ", but " + settings.where + " says quant_method \"" +
                              settings.methodName + "\"",
                          parts.module());
}

/// Corrupt when an entry of the settings' skip list `field` names the module.
Result<void> requireNotSkipped(const PackedParts& parts, const std::vector<std::string>& skip,
                               const PackedSettings& settings, const char* field);

/// The group of compressed-tensors that quantized the module; Corrupt when its format is none of `formats`.
Result<const CtSettings::Group*> ctGroup(const PackedParts& parts, const PackedSettings& settings,
                                         const char* what, std::initializer_list<const char*> formats);
/// As `nameIntegers` wants it: the group size, -1 per channel, 0 per tensor.
long long ctGroupSize(const CtSettings::Weights& weights);
/// The grid of its strategy.
ScaleGrid ctGrid(const CtSettings::Weights& weights, size_t out, size_t in);
/// X.weight_scale, whose shape must be that of the grid and its type one of a scale.
Result<size_t> requireCtScale(const PackedParts& parts, const ScaleGrid& grid,
                              const CtSettings::Weights& weights);

} // namespace qs
