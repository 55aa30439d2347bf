// SPDX-License-Identifier: Apache-2.0
#include "core/store/quantized_group.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

using Bytes = std::vector<std::byte>;

template<class T>
Bytes bytesOf(std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    return {bytes.begin(), bytes.end()};
}

Result<Bytes> codeBytes(const QuantizedTensor& q) {
    return bytesOf<uint8_t>(q.codes);
}

Result<Bytes> scaleBytes(const QuantizedTensor& q) {
    QS_TRY(const DType type, storedScaleType(q));
    if (type == DType::F32) return bytesOf<float>(q.scale.span());
    QS_TRY(const auto bits, scaleBits(q, type));
    return bytesOf<uint16_t>(bits);
}

Result<Bytes> floatZeros(const QuantizedTensor& q) {
    return bytesOf<float>(q.zero.span());
}

Result<Bytes> byteZeros(const QuantizedTensor& q) {
    Bytes out(q.zero.size());
    for (size_t i = 0; i < out.size(); ++i) {
        const float z = q.zero.data()[i];
        if (!(z >= 0 && z <= 255 && z == std::floor(z)))
            return Error::invalid(fmt::format("zero[{}, {}] = {:.9g} is no integer in 0 .. 255",
                                              i / q.zero.cols(), i % q.zero.cols(), z));
        out[i] = std::byte(uint8_t(z));
    }
    return out;
}

Result<Bytes> superScaleBytes(const QuantizedTensor& q) {
    return bytesOf<float>(q.superScale.span());
}
Result<Bytes> superZeroBytes(const QuantizedTensor& q) {
    return bytesOf<float>(q.superZero.span());
}

Result<Bytes> groupBytes(const QuantizedTensor& q) {
    std::vector<int32_t> groups(q.cols);
    for (size_t c = 0; c < q.cols; ++c)
        groups[c] = int32_t(q.groupOf(c));
    return bytesOf<int32_t>(groups);
}

H5Shape shapeOf(const Matrix& m) {
    return {m.rows(), m.cols()};
}

} // namespace

Result<DType> storedScaleType(const QuantizedTensor& q) {
    if (!q.codecParams.has("scale_dtype")) return DType::F32;
    const ParamValue& value = q.codecParams.values().at("scale_dtype");
    const std::string* type = std::get_if<std::string>(&value);
    if (type && *type == "f16") return DType::F16;
    if (type && *type == "bf16") return DType::BF16;
    if (type && *type == "f32") return DType::F32;
    return Error::invalid(fmt::format("scale_dtype must be f16, bf16 or f32, not {}",
                                      type ? "'" + *type + "'" : "another type of value"));
}

Result<std::vector<uint16_t>> scaleBits(const QuantizedTensor& q, DType type) {
    const bool half = type == DType::F16;
    std::vector<uint16_t> bits(q.scale.size());
    for (size_t i = 0; i < bits.size(); ++i) {
        const float v = q.scale.data()[i];
        bits[i] = half ? floatToHalf(v) : floatToBfloat(v);
        if ((half ? halfToFloat(bits[i]) : bfloatToFloat(bits[i])) != v)
            return Error::invalid(fmt::format("scale[{}, {}] = {:.9g} is not representable as {}",
                                              i / q.scale.cols(), i % q.scale.cols(), v,
                                              half ? "f16" : "bf16"));
    }
    return bits;
}

std::vector<H5Attribute> quantizedAttributes(const std::string& module, const QuantizedTensor& q) {
    return {{"module", module},
            {"codec", q.codec},
            {"codec_params", q.codecParams.toJson().dump()},
            {"rows", int64_t(q.rows)},
            {"cols", int64_t(q.cols)},
            {"group_size", int64_t(q.layout.groupSize)},
            {"groups", int64_t(q.layout.groups)},
            {"scale_rows", int64_t(q.layout.scaleRows)}};
}

Result<QuantizedTensor> emptyQuantizedTensor(const Codec& codec, size_t rows, size_t cols) {
    QuantizedTensor q;
    q.codec = codec.id();
    q.codecParams = codec.params();
    q.rows = rows;
    q.cols = cols;
    QS_TRY(q.layout, codec.layout(rows, cols));
    codec.allocateParameters(q);
    return q;
}

Result<std::vector<QuantizedPart>> quantizedParts(const QuantizedTensor& q) {
    QS_TRY(const auto codec, codecOf(q));
    QS_TRY(const DType scale, storedScaleType(q));
    const H5Type scaleType = scale == DType::F32   ? H5Type::F32
                             : scale == DType::F16 ? H5Type::F16
                                                   : H5Type::U16;
    const bool byteZero = codec->isIntegerGrid() || codec->symmetric();
    std::vector<QuantizedPart> parts = {
        {"codes", H5Type::U8, {q.rows, q.cols}, false, codeBytes},
        {"scale", scaleType, shapeOf(q.scale), scale == DType::BF16, scaleBytes},
        {"zero", byteZero ? H5Type::U8 : H5Type::F32, shapeOf(q.zero), false,
         byteZero ? byteZeros : floatZeros},
        {"group_of_column", H5Type::I32, {q.cols}, false, groupBytes}};
    if (!q.superScale.empty())
        parts.push_back({"super_scale", H5Type::F32, shapeOf(q.superScale), false, superScaleBytes});
    if (!q.superZero.empty())
        parts.push_back({"super_zero", H5Type::F32, shapeOf(q.superZero), false, superZeroBytes});
    return parts;
}

} // namespace qs
