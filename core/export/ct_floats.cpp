// SPDX-License-Identifier: Apache-2.0
// compressed-tensors "float-quantized" (FP8), "mxfp8-quantized", "mxfp4-pack-quantized" and
// "nvfp4-pack-quantized".
#include "core/codec/levels.h"
#include "core/export/ct_layout.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

using nlohmann::ordered_json;

namespace {

const SmallFloat& e4m3() {
    return *smallFloat("e4m3");
}

std::vector<std::byte> patterns(const QuantizedTensor& q, const SmallFloat& format) {
    std::vector<std::byte> out(q.codes.size());
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = std::byte(patternOf(format, q.codes[i]));
    return out;
}

/// The even input in the low nibble.
std::vector<std::byte> nibbles(const QuantizedTensor& q) {
    const SmallFloat& e2m1 = *smallFloat("e2m1");
    std::vector<std::byte> out(q.codes.size() / 2);
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = std::byte(patternOf(e2m1, q.codes[2 * i]) | patternOf(e2m1, q.codes[2 * i + 1]) << 4);
    return out;
}

/// E8M0 of powers of two.
std::vector<std::byte> exponents(const Matrix& scale) {
    std::vector<std::byte> out(scale.size());
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = std::byte(std::ilogb(scale.data()[i]) + 127);
    return out;
}

Result<void> requireOrder(const PlanEntry& entry, const QuantizedTensor& q) {
    if (columnsInOrder(q)) return {};
    return Error::unsupported("groups are written in column order only", entry.target.module);
}

/// Scales of inputs in blocks are found at run time and nowhere else.
ordered_json blockInputs(int bits, CtInputs how, long long group) {
    return ctInputArguments(bits, "float", how == CtInputs::Static ? CtInputs::Dynamic : how, "group", group);
}

bool isMx(const InputScheme& inputs, const char* format) {
    return inputs.codec == "mx" && inputs.codecParams.choice("format") == format;
}

class Float8Layout final : public CtLayout {
public:
    const char* layout() const override { return "ct_float"; }
    const char* format() const override { return "float-quantized"; }

    Result<void> check(const PlanEntry& entry, const QuantizedTensor& q, const Codec&) const override {
        return requireOrder(entry, q);
    }
    ordered_json weights(const Codec& codec) const override {
        const long long group = codec.params().integer("group"), rows = codec.params().integer("block_rows");
        ordered_json out = ctArguments(8, "float", true,
                                       rows > 1     ? "block"
                                       : group == 0 ? "tensor"
                                                    : "channel",
                                       nullptr);
        if (rows > 1) out["block_structure"] = {rows, group};
        return out;
    }

    bool takesInputs(const InputScheme& inputs, const Codec& codec) const override {
        if (inputs.codec != "float" || inputs.codecParams.choice("format") != "e4m3") return false;
        const long long group = inputs.codecParams.integer("group");
        return codec.params().integer("block_rows") > 1 ? group == codec.params().integer("group")
                                                        : group == -1;
    }
    ordered_json inputs(CtInputs how, const Codec& codec) const override {
        if (codec.params().integer("block_rows") > 1)
            return blockInputs(8, how, codec.params().integer("group"));
        return ctInputArguments(8, "float", how, "token");
    }
    float inputScale(float largest) const override { return largest / 448.0f; }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_TRY(const GroupLayout l, codec.layout(t.rows, t.cols));
        const bool one = codec.params().integer("group") == 0;
        return std::vector<PackedPart>{
            {".weight", DType::F8E4M3, {t.rows, t.cols}},
            {".weight_scale", codec.scaleType(),
             one ? std::vector<uint64_t>{1} : std::vector<uint64_t>{l.scaleRows, l.groups}}};
    }

    Result<PackedBytes> pack(const QuantizedTensor& q, const Codec& codec) const override {
        QS_TRY(auto scales, scaleBytes(q.scale, codec.scaleType()));
        return PackedBytes{patterns(q, e4m3()), std::move(scales)};
    }
    StoredCodes stored(const Codec&) const override { return StoredCodes(e4m3()); }
};

class Mxfp8Layout final : public CtLayout {
public:
    const char* layout() const override { return "ct_float"; }
    const char* format() const override { return "mxfp8-quantized"; }

    Result<void> check(const PlanEntry& entry, const QuantizedTensor& q, const Codec&) const override {
        return requireOrder(entry, q);
    }
    ordered_json weights(const Codec&) const override { return ctArguments(8, "float", true, "group", 32); }
    bool takesInputs(const InputScheme& inputs, const Codec&) const override {
        return isMx(inputs, "mxfp8_e4m3");
    }
    ordered_json inputs(CtInputs how, const Codec&) const override { return blockInputs(8, how, 32); }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec&) const override {
        return std::vector<PackedPart>{{".weight", DType::F8E4M3, {t.rows, t.cols}},
                                       {".weight_scale", DType::U8, {t.rows, t.cols / 32}}};
    }
    Result<PackedBytes> pack(const QuantizedTensor& q, const Codec&) const override {
        return PackedBytes{patterns(q, e4m3()), exponents(q.scale)};
    }
    StoredCodes stored(const Codec&) const override { return StoredCodes(e4m3()); }
};

class Mxfp4Layout final : public CtLayout {
public:
    const char* layout() const override { return "ct_mxfp4"; }
    const char* format() const override { return "mxfp4-pack-quantized"; }

    Result<void> check(const PlanEntry& entry, const QuantizedTensor& q, const Codec&) const override {
        return requireOrder(entry, q);
    }
    ordered_json weights(const Codec&) const override { return ctArguments(4, "float", true, "group", 32); }
    bool takesInputs(const InputScheme& inputs, const Codec&) const override { return isMx(inputs, "mxfp4"); }
    ordered_json inputs(CtInputs how, const Codec&) const override { return blockInputs(4, how, 32); }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec&) const override {
        return std::vector<PackedPart>{{".weight_packed", DType::U8, {t.rows, t.cols / 2}},
                                       {".weight_scale", DType::U8, {t.rows, t.cols / 32}}};
    }
    Result<PackedBytes> pack(const QuantizedTensor& q, const Codec&) const override {
        return PackedBytes{nibbles(q), exponents(q.scale)};
    }
    StoredCodes stored(const Codec&) const override { return StoredCodes(*smallFloat("e2m1")); }
};

class Nvfp4Layout final : public CtLayout {
public:
    const char* layout() const override { return "ct_nvfp4"; }
    const char* format() const override { return "nvfp4-pack-quantized"; }

    Result<void> check(const PlanEntry& entry, const QuantizedTensor& q, const Codec&) const override {
        return requireOrder(entry, q);
    }
    ordered_json weights(const Codec&) const override {
        return ctArguments(4, "float", true, "tensor_group", 16);
    }

    bool takesInputs(const InputScheme& inputs, const Codec&) const override {
        return inputs.codec == "nvfp4";
    }
    /// The scales of groups are found at run time, against a value for the whole tensor that the calibration
    /// gives.
    ordered_json inputs(CtInputs how, const Codec&) const override {
        if (how == CtInputs::Keep) return nullptr;
        ordered_json out = ctArguments(4, "float", true, "tensor_group", 16);
        out["dynamic"] = "local";
        return out;
    }
    const char* inputPart() const override { return ".input_global_scale"; }
    float inputScale(float largest) const override { return 448.0f * 6.0f / largest; }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec&) const override {
        return std::vector<PackedPart>{{".weight_packed", DType::U8, {t.rows, t.cols / 2}},
                                       {".weight_scale", DType::F8E4M3, {t.rows, t.cols / 16}},
                                       {".weight_global_scale", DType::F32, {1}}};
    }

    Result<PackedBytes> pack(const QuantizedTensor& q, const Codec&) const override {
        const float divisor = q.superScale(0, 0);
        std::vector<std::byte> scales(q.scale.size());
        for (size_t i = 0; i < scales.size(); ++i)
            scales[i] = std::byte(patternOf(e4m3(), levelsOf(e4m3()).nearest(q.scale.data()[i] * divisor)));
        return PackedBytes{nibbles(q), std::move(scales), bytesOf(std::vector<float>{divisor})};
    }
    StoredCodes stored(const Codec&) const override { return StoredCodes(*smallFloat("e2m1")); }
};

const CtLayout* mxLayout(const std::string& format) {
    static const Mxfp4Layout mxfp4;
    static const Mxfp8Layout mxfp8;
    if (format == "mxfp4") return &mxfp4;
    return format == "mxfp8_e4m3" ? &mxfp8 : nullptr;
}

} // namespace

namespace {

/// By the weights alone.
const CtLayout* layoutOfWeights(const Codec& codec) {
    static const Float8Layout float8;
    static const Nvfp4Layout nvfp4;
    const Params& p = codec.params();
    if (codec.id() == "int") return &ctPack();
    if (codec.id() == "nvfp4") return &nvfp4;
    if (codec.id() == "mx") return mxLayout(p.choice("format"));
    if (codec.id() != "float" || p.choice("format") != "e4m3") return nullptr;
    return p.integer("group") <= 0 || p.integer("block_rows") > 1 ? &float8 : nullptr;
}

} // namespace

const CtLayout* ctLayoutFor(const Codec& codec, const InputScheme* inputs) {
    if (inputs && (inputs->keepAbove > 0 || (inputs->isSearched() && !inputs->isStatic())))
        return nullptr; // no layout says so
    const CtLayout* layout = layoutOfWeights(codec);
    if (!inputs || !layout || layout->takesInputs(*inputs, codec)) return layout;
    return codec.id() == "int" && ctInt8().takesInputs(*inputs, codec) ? &ctInt8() : nullptr;
}

} // namespace qs
