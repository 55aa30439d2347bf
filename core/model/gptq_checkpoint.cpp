// SPDX-License-Identifier: Apache-2.0
#include "core/model/gptq_checkpoint.h"

#include "core/codec/packing.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

using nlohmann::json;

/// What quantization_config says about the whole checkpoint.
struct GptqSettings {
    std::string where; ///< file and field, for errors
    int bits = 0;
    long long groupSize = -1; ///< -1: one group
    bool perModule = false;   ///< `dynamic` overrides: bits and group size differ between modules
    bool zeroMinusOne = true;
};

Result<json> settingsObject(const Checkpoint& checkpoint, std::string& where) {
    where = "config.json: quantization_config";
    if (checkpoint.hasConfig() && checkpoint.config().is_object()) {
        const auto it = checkpoint.config().find("quantization_config");
        if (it != checkpoint.config().end()) return *it;
    }
    std::error_code ec;
    const auto& root = checkpoint.root();
    const auto folder = std::filesystem::is_directory(root, ec) ? root : root.parent_path();
    where = "quantize_config.json";
    if (!std::filesystem::exists(folder / where, ec))
        return Error::notFound(
            "packed weights need quantization_config in config.json, or quantize_config.json",
            checkpoint.displayName());
    QS_TRY(const std::string text, readTextFile(folder / where, size_t(16) << 20));
    json parsed = json::parse(text, nullptr, false);
    if (parsed.is_discarded()) return Error::corrupt("not valid JSON", where);
    return parsed;
}

/// The string `key` of `object`, or `fallback` when absent; another type is an error.
Result<std::string> text(const json& object, const char* key, const char* fallback,
                         const std::string& where) {
    const auto it = object.find(key);
    if (it == object.end() || it->is_null()) return std::string(fallback);
    if (!it->is_string()) return Error::corrupt(fmt::format("{} must be a string", key), where);
    return it->get<std::string>();
}

Result<long long> integer(const json& object, const char* key, long long lo, long long hi,
                          const std::string& where) {
    const auto it = object.find(key);
    if (it == object.end() || !it->is_number_integer())
        return Error::corrupt(fmt::format("{} must be an integer", key), where);
    const bool huge = it->is_number_unsigned() && it->get<uint64_t>() > uint64_t(hi);
    const long long value = huge ? hi : it->get<long long>();
    if (huge || value < lo || value > hi)
        return Error::corrupt(fmt::format("{} must be {}..{}, got {}", key, lo, hi, it->dump()), where);
    return value;
}

Result<GptqSettings> gptqSettings(const Checkpoint& checkpoint) {
    GptqSettings s;
    QS_TRY(const json object, settingsObject(checkpoint, s.where));
    if (!object.is_object()) return Error::corrupt("must be an object", s.where);
    QS_TRY(const std::string method, text(object, "quant_method", "gptq", s.where));
    if (method != "gptq")
        return Error::unsupported(fmt::format("quant_method \"{}\": only \"gptq\" is read", method), s.where);
    // Old writers have neither key (v1), some only `format`.
    QS_TRY(const std::string shortName, text(object, "format", "gptq", s.where));
    QS_TRY(const std::string format, text(object, "checkpoint_format", shortName.c_str(), s.where));
    if (format != "gptq" && format != "gptq_v2")
        return Error::unsupported(
            fmt::format("checkpoint_format \"{}\": only \"gptq\" and \"gptq_v2\" are read", format), s.where);
    QS_TRY(const std::string pack, text(object, "pack_dtype", "int32", s.where));
    if (pack != "int32")
        return Error::unsupported(fmt::format("pack_dtype \"{}\": only \"int32\" is read", pack), s.where);
    QS_TRY(const long long bits, integer(object, "bits", 2, 8, s.where));
    QS_TRY(s.groupSize, integer(object, "group_size", -1, 1LL << 40, s.where));
    const auto dynamic = object.find("dynamic");
    s.perModule = dynamic != object.end() && !dynamic->empty();
    s.bits = int(bits);
    s.zeroMinusOne = format == "gptq";
    return s;
}

std::string shapeText(const TensorInfo& t) {
    return fmt::format("{} [{}]", dtypeInfo(t.dtype).name, fmt::join(t.shape, ", "));
}

/// The tensor X.`part`, which must have rank `rank`.
Result<size_t> findPart(const Checkpoint& checkpoint, const std::string& module, const char* part,
                        size_t rank) {
    const std::string name = module + "." + part;
    const size_t index = checkpoint.find(name);
    if (index == Checkpoint::npos)
        return Error::corrupt(fmt::format("{}.qweight is present, but {} is missing", module, name),
                              checkpoint.displayName());
    const TensorInfo& t = checkpoint.tensors()[index];
    if (t.shape.size() != rank || t.elements() == 0)
        return Error::corrupt(
            fmt::format("must be non-empty with {} dimension(s), is {}", rank, shapeText(t)), name);
    return index;
}

Result<void> requireType(const TensorInfo& t, bool good, const char* rule) {
    if (good) return {};
    return Error::corrupt(fmt::format("must be {}, is {}", rule, shapeText(t)), t.name);
}

/// Bits and logical shape from the shapes of the parts.
Result<void> deriveShape(const Checkpoint& checkpoint, PackedLinear& p) {
    const TensorInfo& weight = checkpoint.tensors()[p.qweight];
    const TensorInfo& zeros = checkpoint.tensors()[p.qzeros];
    const TensorInfo& scales = checkpoint.tensors()[p.scales];
    QS_CHECK(requireType(weight, weight.dtype == DType::I32, "I32"));
    QS_CHECK(requireType(zeros, zeros.dtype == DType::I32, "I32"));
    QS_CHECK(requireType(scales, convertibleToFloat(scales.dtype), "a floating type"));
    p.out = weight.shape[1];
    p.groups = scales.shape[0];
    if (scales.shape[1] != p.out || zeros.shape[0] != p.groups)
        return Error::corrupt(fmt::format("qweight {}, qzeros {} and scales {} do not fit together",
                                          shapeText(weight), shapeText(zeros), shapeText(scales)),
                              p.module);
    const uint64_t zeroBits = zeros.shape[1] * 32;
    p.bits = zeroBits % p.out == 0 && zeroBits / p.out <= 8 ? int(zeroBits / p.out) : 0;
    if (p.bits != 2 && p.bits != 3 && p.bits != 4 && p.bits != 8)
        return Error::corrupt(
            fmt::format(
                "qzeros {} and scales {} give no width of 2, 3, 4 or 8 bits (outputs must be a multiple "
                "of 32)",
                shapeText(zeros), shapeText(scales)),
            p.module);
    const uint64_t weightBits = weight.shape[0] * 32;
    p.in = size_t(weightBits / uint64_t(p.bits));
    if (weightBits % uint64_t(p.bits) != 0 || p.in % 32 != 0 || p.out % 32 != 0)
        return Error::corrupt(
            fmt::format("{} at {} bits: both dimensions of the weight must be multiples of 32",
                        shapeText(weight), p.bits),
            weight.name);
    if (p.groups > p.in)
        return Error::corrupt(fmt::format("{} groups for {} inputs", p.groups, p.in), scales.name);
    return {};
}

Result<void> checkAgainstSettings(const GptqSettings& s, const Checkpoint& checkpoint, PackedLinear& p) {
    p.zeroMinusOne = s.zeroMinusOne;
    p.groupSize = (p.in + p.groups - 1) / p.groups;
    if (s.perModule) {
        if (p.groupIndex == Checkpoint::npos && p.in % p.groups != 0)
            return Error::corrupt(
                fmt::format("no g_idx, and {} groups do not divide {} inputs", p.groups, p.in), p.module);
    } else {
        if (p.bits != s.bits)
            return Error::corrupt(fmt::format("its shapes say {} bits, {} says {}", p.bits, s.where, s.bits),
                                  p.module);
        const size_t size = s.groupSize <= 0 ? p.in : std::min(p.in, size_t(s.groupSize));
        if ((p.in + size - 1) / size != p.groups)
            return Error::corrupt(fmt::format("{} groups for {} inputs, but {} says group_size {}", p.groups,
                                              p.in, s.where, s.groupSize),
                                  p.module);
        p.groupSize = size;
    }
    if (p.groupIndex == Checkpoint::npos) return {};
    const TensorInfo& index = checkpoint.tensors()[p.groupIndex];
    return requireType(index, index.dtype == DType::I32 && index.shape[0] == p.in,
                       fmt::format("I32 [{}]", p.in).c_str());
}

/// Little-endian 32-bit words of a tensor, which need not be aligned in the file.
Result<std::vector<uint32_t>> words(const Checkpoint& checkpoint, size_t index) {
    QS_TRY(const std::span<const std::byte> bytes, checkpoint.rawBytes(index));
    std::vector<uint32_t> out(bytes.size() / 4);
    std::memcpy(out.data(), bytes.data(), out.size() * 4);
    return out;
}

Result<std::vector<int32_t>> groupIndex(const Checkpoint& checkpoint, const PackedLinear& p) {
    std::vector<int32_t> groups(p.in);
    if (p.groupIndex == Checkpoint::npos) {
        for (size_t k = 0; k < p.in; ++k)
            groups[k] = int32_t(k / p.groupSize);
        return groups;
    }
    QS_TRY(const std::vector<uint32_t> stored, words(checkpoint, p.groupIndex));
    for (size_t k = 0; k < p.in; ++k) {
        if (stored[k] >= p.groups)
            return Error::corrupt(
                fmt::format("element {} is {}, allowed 0..{}", k, int32_t(stored[k]), p.groups - 1),
                checkpoint.tensors()[p.groupIndex].name);
        groups[k] = int32_t(stored[k]);
    }
    return groups;
}

Result<void> readScalesAndZeros(const Checkpoint& checkpoint, const PackedLinear& p, UnpackedLinear& u) {
    QS_TRY(const Matrix scales, checkpoint.readMatrix(p.scales));
    QS_TRY(const std::vector<uint32_t> packed, words(checkpoint, p.qzeros));
    std::vector<uint8_t> zeros(p.groups * p.out);
    QS_CHECK(unpackGptqZeros(packed, p.groups, p.out, p.bits, zeros));
    u.scale = Matrix(p.out, p.groups);
    u.zero = Matrix(p.out, p.groups);
    for (size_t g = 0; g < p.groups; ++g)
        for (size_t n = 0; n < p.out; ++n) {
            if (!std::isfinite(scales(g, n)))
                return Error::corrupt(fmt::format("element [{}, {}] is not finite", g, n),
                                      checkpoint.tensors()[p.scales].name);
            u.scale(n, g) = scales(g, n);
            u.zero(n, g) = float(zeros[g * p.out + n]) + (p.zeroMinusOne ? 1.0f : 0.0f);
        }
    return {};
}

} // namespace

Result<std::optional<PackedLinear>> packedGptqLinear(const Checkpoint& checkpoint,
                                                     const std::string& module) {
    if (checkpoint.find(module + ".qweight") == Checkpoint::npos) return std::optional<PackedLinear>();
    if (checkpoint.find(module + ".weight") != Checkpoint::npos)
        return Error::corrupt("has both weight and qweight", module);
    QS_TRY(const GptqSettings settings, gptqSettings(checkpoint));
    PackedLinear p;
    p.module = module;
    QS_TRY(p.qweight, findPart(checkpoint, module, "qweight", 2));
    QS_TRY(p.qzeros, findPart(checkpoint, module, "qzeros", 2));
    QS_TRY(p.scales, findPart(checkpoint, module, "scales", 2));
    if (checkpoint.find(module + ".g_idx") != Checkpoint::npos) {
        QS_TRY(p.groupIndex, findPart(checkpoint, module, "g_idx", 1));
    }
    QS_CHECK(deriveShape(checkpoint, p));
    QS_CHECK(checkAgainstSettings(settings, checkpoint, p));
    return std::optional<PackedLinear>(std::move(p));
}

Result<UnpackedLinear> unpackGptq(const Checkpoint& checkpoint, const PackedLinear& p) {
    UnpackedLinear u;
    u.out = p.out;
    u.in = p.in;
    u.bits = p.bits;
    QS_TRY(u.groupOfColumn, groupIndex(checkpoint, p));
    QS_CHECK(readScalesAndZeros(checkpoint, p, u));
    QS_TRY(const std::vector<uint32_t> packed, words(checkpoint, p.qweight));
    u.codes.resize(p.out * p.in);
    QS_CHECK(unpackGptqWeight(packed, p.out, p.in, p.bits, u.codes));
    return u;
}

Matrix UnpackedLinear::dequantize() const {
    Matrix w(out, in);
    for (size_t n = 0; n < out; ++n)
        for (size_t k = 0; k < in; ++k) {
            const size_t g = size_t(groupOfColumn[k]);
            w(n, k) = (float(codes[n * in + k]) - zero(n, g)) * scale(n, g);
        }
    return w;
}

} // namespace qs
