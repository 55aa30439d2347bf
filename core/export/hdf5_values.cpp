// SPDX-License-Identifier: Apache-2.0
#include "core/export/hdf5_values.h"

#include <algorithm>

namespace qs {

namespace {

std::vector<float> levelsAt(const Codec& codec, float scale, float zero) {
    std::vector<float> levels(static_cast<size_t>(codec.levels()));
    for (size_t i = 0; i < levels.size(); ++i)
        levels[i] = codec.decode(uint8_t(i), scale, zero);
    return levels;
}

/// Every code's value is scale * level - offset, as computed in float32.
bool followsFrom(const std::vector<float>& levels, const Codec& codec, float scale, float zero,
                 float offset) {
    for (size_t i = 0; i < levels.size(); ++i)
        if (codec.decode(uint8_t(i), scale, zero) != scale * levels[i] - offset) return false;
    return true;
}

} // namespace

Hdf5Values hdf5ValuesOf(const Codec& codec, const QuantizedTensor& shape) {
    if (codec.isIntegerGrid()) return Hdf5Values::Integers;
    if (!codec.hasLevels()) return Hdf5Values::Table;
    // Numbers like no parameters: what does not follow from a formula shows.
    const float scale = 0.37f, zero = 0.43f;
    const std::vector<float> levels = exportedLevels(codec);
    if (followsFrom(levels, codec, scale, zero, zero)) return Hdf5Values::Levels;
    if (codec.symmetric() && followsFrom(levels, codec, scale, zero, 0))
        return Hdf5Values::Levels; // zeros are 0
    const bool one = shape.superScale.size() == 1 && codec.symmetric();
    if (one && followsFrom(levelsAt(codec, 1, zero), codec, scale, zero, 0)) return Hdf5Values::OwnLevels;
    return Hdf5Values::Table;
}

std::vector<float> exportedLevels(const Codec& codec) {
    return levelsAt(codec, 1, 0);
}

Result<std::vector<float>> exportedLevels(const Codec& codec, const QuantizedTensor& q) {
    const float parameter = q.zero(0, 0);
    if (std::any_of(q.zero.span().begin(), q.zero.span().end(), [&](float z) { return z != parameter; }))
        return Error::internal(codec.label() + " has one parameter for the whole tensor, and groups differ");
    return levelsAt(codec, 1, parameter);
}

std::vector<float> exportedTable(const Codec& codec, const QuantizedTensor& q) {
    const TensorCodec reader(codec, q);
    std::vector<float> table;
    table.reserve(q.scale.size() * size_t(codec.levels()));
    for (size_t i = 0; i < q.scale.size(); ++i) {
        const auto values = levelsAt(*reader, q.scale.data()[i], q.zero.data()[i]);
        table.insert(table.end(), values.begin(), values.end());
    }
    return table;
}

} // namespace qs
