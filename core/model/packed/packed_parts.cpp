// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/packed_parts.h"

#include "core/tensor/small_float.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace qs {

std::string shapeText(const TensorInfo& t) {
    return fmt::format("{} [{}]", dtypeInfo(t.dtype).name, fmt::join(t.shape, ", "));
}

Result<size_t> PackedParts::require(std::string_view part) const {
    const std::string name = nameOf(part);
    const size_t index = checkpoint_.find(name);
    if (index == Checkpoint::npos)
        return Error::corrupt(fmt::format("the weight is packed, but {} is missing", name), module_);
    if (tensor(index).elements() == 0)
        return Error::corrupt(fmt::format("must be non-empty, is {}", describe(index)), name);
    return index;
}

Result<size_t> PackedParts::require(std::string_view part, size_t rank) const {
    QS_TRY(const size_t index, require(part));
    QS_CHECK(check(index, tensor(index).shape.size() == rank, fmt::format("of {} dimension(s)", rank)));
    return index;
}

Result<void> PackedParts::check(size_t index, bool good, const std::string& rule) const {
    if (good) return {};
    return Error::corrupt(fmt::format("must be {}, is {}", rule, describe(index)), tensor(index).name);
}

void PackedParts::add(PackedInfo& info, size_t index, bool counts) const {
    info.tensors.push_back(index);
    if (counts) info.storedBytes += tensor(index).bytes;
}

void PackedParts::addExtras(PackedInfo& info, std::initializer_list<std::string_view> parts) const {
    for (std::string_view part : parts)
        if (const size_t index = find(part); index != Checkpoint::npos) add(info, index, false);
}

bool ScaleGrid::fits(const TensorInfo& t) const {
    if (t.shape.size() == 2) return t.shape[0] == rows && t.shape[1] == groups;
    return t.shape.size() < 2 && (rows == 1 || groups == 1) && t.elements() == rows * groups;
}

std::string ScaleGrid::text() const {
    return fmt::format("[{}, {}]", rows, groups);
}

void ScaleGrid::apply(PackedInfo& info) const {
    info.scaleRows = rows;
    info.groups = groups;
    info.groupSize = groupSize;
    info.blockRows = blockRows;
}

bool isScaleType(DType type) {
    return convertibleToFloat(type);
}

Result<void> readScaleValues(const Checkpoint& checkpoint, size_t index, size_t first, std::span<float> out) {
    const TensorInfo& t = checkpoint.tensors()[index];
    QS_TRY(const auto bytes, checkpoint.rawBytes(index));
    const size_t size = size_t(dtypeInfo(t.dtype).bits) / 8;
    const auto wanted = bytes.subspan(first * size, out.size() * size);
    if (isScaleType(t.dtype)) {
        QS_CHECK(toFloat(t.dtype, wanted, out));
    } else {
        for (size_t i = 0; i < out.size(); ++i) {
            const uint8_t code = uint8_t(wanted[i]);
            out[i] = t.dtype == DType::F8E4M3 ? e4m3ToFloat(code) : e8m0ToFloat(code);
        }
    }
    for (size_t i = 0; i < out.size(); ++i)
        if (!std::isfinite(out[i]))
            return Error::corrupt(
                fmt::format("element {} is {}, every scale must be finite", first + i, out[i]), t.name);
    return {};
}

uint32_t wordAt(std::span<const std::byte> bytes, size_t i) {
    uint32_t word;
    std::memcpy(&word, bytes.subspan(4 * i, 4).data(), 4);
    return word;
}

uint8_t fieldAt(std::span<const std::byte> bytes, size_t first, size_t stride, size_t i, int bits) {
    const size_t bit = i * size_t(bits), word = bit / 32, shift = bit % 32;
    uint64_t window = wordAt(bytes, first + word * stride);
    if (shift + size_t(bits) > 32) window |= uint64_t(wordAt(bytes, first + (word + 1) * stride)) << 32;
    return uint8_t(window >> shift & ((1u << bits) - 1));
}

void nameIntegers(PackedInfo& info, const std::string& family, long long group,
                  std::optional<bool> symmetric) {
    const std::string words = group > 0    ? fmt::format("group {}", group)
                              : group == 0 ? "per tensor"
                                           : "per channel";
    const std::string brief = group > 0 ? fmt::format("g{}", group) : words.substr(4);
    info.label = fmt::format("{} {}-bit, {}", family, info.bits, words);
    info.format = fmt::format("int{} {}", info.bits, brief);
    if (!symmetric) return;
    info.label += *symmetric ? ", symmetric" : ", asymmetric";
    info.format += *symmetric ? " sym" : " asym";
}

} // namespace qs
