// SPDX-License-Identifier: Apache-2.0
#include "core/export/hdf5_extras.h"

#include "core/linalg/block_rotation.h"

#include <algorithm>

namespace qs {

namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t kNarrowColumns = 65536; ///< rows up to this long have 16-bit columns

template<class T>
Bytes bytesOf(std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    return {bytes.begin(), bytes.end()};
}
template<class T, class U>
Bytes bytesAs(std::span<const U> values) {
    const std::vector<T> cast(values.begin(), values.end());
    return bytesOf<T>(cast);
}

/// Values that are float16 exactly, as extras are.
Bytes halfBytes(std::span<const float> values) {
    std::vector<uint16_t> bits(values.size());
    std::transform(values.begin(), values.end(), bits.begin(), floatToHalf);
    return bytesOf<uint16_t>(bits);
}

Result<Bytes> keptStart(const QuantizedTensor& q) {
    return bytesAs<int32_t, uint32_t>(q.extras.kept.rowStart);
}
Result<Bytes> keptColumn(const QuantizedTensor& q) {
    const std::span<const uint32_t> columns = q.extras.kept.columns;
    return q.cols > kNarrowColumns ? bytesAs<int32_t>(columns) : bytesAs<uint16_t>(columns);
}
Result<Bytes> keptValue(const QuantizedTensor& q) {
    return halfBytes(q.extras.kept.values);
}

Result<Bytes> lowRankA(const QuantizedTensor& q) {
    return halfBytes(q.extras.lowRank.a.span());
}
Result<Bytes> lowRankB(const QuantizedTensor& q) {
    return halfBytes(q.extras.lowRank.b.span());
}

Result<Bytes> rotationSeed(const QuantizedTensor& q) {
    return bytesOf<uint64_t>(std::span(&q.extras.rotation->seed, 1));
}
Result<Bytes> rotationSigns(const QuantizedTensor& q) {
    const RotationMap map(*q.extras.rotation, q.cols);
    std::vector<int8_t> signs(q.cols);
    std::transform(map.signs().begin(), map.signs().end(), signs.begin(),
                   [](float s) { return int8_t(s > 0 ? 1 : -1); });
    return bytesOf<int8_t>(signs);
}
Result<Bytes> rotationQ(const QuantizedTensor& q) {
    const RotationMap map(*q.extras.rotation, q.cols);
    return bytesOf<double>(map.orthogonal().span());
}
Result<Bytes> rotationScale(const QuantizedTensor& q) {
    return halfBytes(q.extras.rotation->scale);
}

Result<Bytes> channelsFirst(const QuantizedTensor& q) {
    return bytesAs<int32_t, uint32_t>(q.extras.reassembly.first);
}
Result<Bytes> channelsSecond(const QuantizedTensor& q) {
    return bytesAs<int32_t, uint32_t>(q.extras.reassembly.second);
}

} // namespace

std::vector<QuantizedPart> hdf5ExtrasParts(const ExtrasSize& size, size_t rows, size_t cols) {
    std::vector<QuantizedPart> parts;
    if (size.rotated) {
        parts.push_back({"rotation_seed", H5Type::U64, {1}, false, rotationSeed});
        parts.push_back({"rotation_signs", H5Type::I8, {cols}, false, rotationSigns});
        if (const size_t rest = cols / linalg::powerOfTwoIn(cols); rest > 1)
            parts.push_back({"rotation_q", H5Type::F64, {rest, rest}, false, rotationQ});
        if (size.scaled) parts.push_back({"rotation_scale", H5Type::F16, {cols}, false, rotationScale});
    }
    if (size.rank > 0) {
        parts.push_back({"low_rank_a", H5Type::F16, {rows, size.rank}, false, lowRankA});
        parts.push_back({"low_rank_b", H5Type::F16, {size.rank, cols}, false, lowRankB});
    }
    if (size.kept > 0) {
        const H5Type column = cols > kNarrowColumns ? H5Type::I32 : H5Type::U16;
        parts.push_back({"kept_start", H5Type::I32, {rows + 1}, false, keptStart});
        parts.push_back({"kept_column", column, {size.kept}, false, keptColumn});
        parts.push_back({"kept_value", H5Type::F16, {size.kept}, false, keptValue});
    }
    if (size.reassembled) {
        parts.push_back({"channels_first", H5Type::I32, {cols}, false, channelsFirst});
        parts.push_back({"channels_second", H5Type::I32, {cols}, false, channelsSecond});
    }
    return parts;
}

std::string hdf5ExtrasFormula(const ExtrasSize& size) {
    std::string text = "W = V";
    if (size.rotated) {
        text = "W = V @ kron(H, rotation_q) * rotation_signs / sqrt(p)";
        if (size.scaled) text += " / rotation_scale";
    }
    if (size.rank > 0) text += " + low_rank_a @ low_rank_b";
    if (size.kept > 0)
        text += "; W[r, kept_column[i]] = kept_value[i], kept_start[r] <= i < kept_start[r + 1]";
    if (size.reassembled)
        text += "; then W = W @ G, G[k, channels_first[k]] = G[k, channels_second[k]] = 1/2 where the two "
                "differ, else 1 / the number of k that have both so";
    if (size.rotated)
        text += "; H: the Hadamard matrix of p, the largest power of two in the columns; rotation_q: 1 where "
                "they are p";
    return text;
}

} // namespace qs
