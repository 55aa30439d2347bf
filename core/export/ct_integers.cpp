// SPDX-License-Identifier: Apache-2.0
// compressed-tensors "pack-quantized", integers of 2 to 8 bits, and "int-quantized", signed bytes.
#include "core/codec/packing.h"
#include "core/export/ct_layout.h"

namespace qs {

using nlohmann::ordered_json;

ordered_json ctArguments(int bits, const char* type, bool symmetric, const char* strategy,
                         ordered_json groupSize) {
    return {{"num_bits", bits},
            {"type", type},
            {"symmetric", symmetric},
            {"strategy", strategy},
            {"group_size", std::move(groupSize)},
            {"block_structure", nullptr},
            {"dynamic", false},
            {"actorder", nullptr},
            {"observer", "minmax"},
            {"observer_kwargs", ordered_json::object()}};
}

ordered_json ctInputArguments(int bits, const char* type, CtInputs how, const char* dynamicStrategy,
                              ordered_json groupSize) {
    if (how == CtInputs::Keep) return nullptr;
    const bool dynamic = how == CtInputs::Dynamic;
    ordered_json out = ctArguments(bits, type, true, dynamic ? dynamicStrategy : "tensor",
                                   dynamic ? std::move(groupSize) : ordered_json(nullptr));
    out["dynamic"] = dynamic;
    if (dynamic) out["observer"] = nullptr;
    return out;
}

namespace {

Result<void> requireInteger(const PlanEntry& entry, const QuantizedTensor& q, const Codec& codec) {
    QS_TRY(const IntSetting s, intSettingOf(entry, q, codec.scaleType()));
    if (!s.actOrder) return {};
    return Error::unsupported(
        "groups are written in column order only: runtimes have given up the group index "
        "of compressed-tensors",
        entry.target.module);
}

class PackLayout final : public CtLayout {
public:
    const char* layout() const override { return "ct_pack"; }
    const char* format() const override { return "pack-quantized"; }

    ordered_json weights(const Codec& codec) const override {
        const long long group = codec.params().integer("group");
        return ctArguments(codec.bits(), "int", codec.symmetric(), group > 0 ? "group" : "channel",
                           group > 0 ? ordered_json(group) : ordered_json(nullptr));
    }
    Result<void> check(const PlanEntry& entry, const QuantizedTensor& q, const Codec& codec) const override {
        return requireInteger(entry, q, codec);
    }

    bool takesInputs(const InputScheme&, const Codec&) const override { return false; }
    ordered_json inputs(CtInputs, const Codec&) const override { return nullptr; }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_TRY(const GroupLayout layout, codec.layout(t.rows, t.cols));
        const int bits = codec.bits();
        std::vector<PackedPart> out = {{".weight_packed", DType::I32, {t.rows, packedWords(t.cols, bits)}},
                                       {".weight_scale", codec.scaleType(), {t.rows, layout.groups}},
                                       {".weight_shape", DType::I64, {2}}};
        if (!codec.symmetric())
            out.push_back({".weight_zero_point", DType::I32, {packedWords(t.rows, bits), layout.groups}});
        return out;
    }

    Result<PackedBytes> pack(const QuantizedTensor& q, const Codec& codec) const override {
        const size_t out = q.rows, in = q.cols, groups = q.layout.groups;
        const int bits = codec.bits();
        const size_t words = packedWords(in, bits);
        std::vector<uint32_t> weight(out * words);
        for (size_t n = 0; n < out; ++n)
            QS_CHECK(packFields(std::span(q.codes).subspan(n * in, in), bits,
                                std::span(weight).subspan(n * words, words)));
        Matrix scales(out, groups);
        for (size_t n = 0; n < out; ++n)
            for (size_t g = 0; g < groups; ++g)
                scales(n, g) = parameterAt(q.scale, n, g);
        QS_TRY(auto stored, scaleBytes(scales, codec.scaleType()));
        PackedBytes parts = {bytesOf(weight), std::move(stored),
                             bytesOf(std::vector<int64_t>{int64_t(out), int64_t(in)})};
        if (!codec.symmetric()) {
            QS_TRY(const auto zeros, packZeros(q, bits));
            parts.push_back(bytesOf(zeros));
        }
        return parts;
    }

private:
    /// [words of N fields, groups]: every column one stream.
    static Result<std::vector<uint32_t>> packZeros(const QuantizedTensor& q, int bits) {
        const size_t words = packedWords(q.rows, bits), groups = q.layout.groups;
        std::vector<uint32_t> out(words * groups), stream(words);
        std::vector<uint8_t> fields(q.rows);
        for (size_t g = 0; g < groups; ++g) {
            for (size_t n = 0; n < q.rows; ++n)
                fields[n] = uint8_t(parameterAt(q.zero, n, g));
            QS_CHECK(packFields(fields, bits, stream));
            for (size_t w = 0; w < words; ++w)
                out[w * groups + g] = stream[w];
        }
        return out;
    }
};

class Int8Layout final : public CtLayout {
public:
    static constexpr int kMiddle = 128;

    const char* layout() const override { return "ct_int"; }
    const char* format() const override { return "int-quantized"; }

    ordered_json weights(const Codec&) const override {
        return ctArguments(8, "int", true, "channel", nullptr);
    }
    Result<void> check(const PlanEntry& entry, const QuantizedTensor& q, const Codec& codec) const override {
        return requireInteger(entry, q, codec);
    }

    /// Both sides symmetric, with one scale per output and per token.
    bool takesInputs(const InputScheme& inputs, const Codec& codec) const override {
        const auto isToken = [](const Codec& c) {
            return c.id() == "int" && c.bits() == 8 && c.symmetric() && c.params().integer("group") == -1;
        };
        const auto made = createCodec(inputs.codec, inputs.codecParams);
        return made && isToken(**made) && isToken(codec);
    }
    ordered_json inputs(CtInputs how, const Codec&) const override {
        return ctInputArguments(8, "int", how, "token");
    }
    float inputScale(float largest) const override { return largest / 127.0f; }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        return std::vector<PackedPart>{{".weight", DType::I8, {t.rows, t.cols}},
                                       {".weight_scale", codec.scaleType(), {t.rows, 1}}};
    }

    Result<PackedBytes> pack(const QuantizedTensor& q, const Codec& codec) const override {
        std::vector<int8_t> codes(q.codes.size());
        for (size_t i = 0; i < codes.size(); ++i)
            codes[i] = int8_t(int(q.codes[i]) - kMiddle);
        QS_TRY(auto scales, scaleBytes(q.scale, codec.scaleType()));
        return PackedBytes{bytesOf(codes), std::move(scales)};
    }

    StoredCodes stored(const Codec&) const override {
        StoredCodes s;
        for (int16_t& c : s.code)
            c = int16_t(c - kMiddle);
        s.zeroShift = float(kMiddle);
        return s;
    }
};

} // namespace

const CtLayout& ctPack() {
    static const PackLayout layout;
    return layout;
}

const CtLayout& ctInt8() {
    static const Int8Layout layout;
    return layout;
}

} // namespace qs
