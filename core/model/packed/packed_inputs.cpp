// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/packed_inputs.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

using Scales = CtSettings::Inputs::Scales;

/// The format for inputs of `info.in` channels, whose groups must divide them.
Result<std::shared_ptr<const Codec>> formatFor(const PackedInfo& info, const char* codec,
                                               const nlohmann::json& params) {
    QS_TRY(const CodecDescriptor* descriptor, findCodec(codec));
    QS_TRY(const Params checked, Params::fromJson(descriptor->params, params, info.module));
    QS_TRY(auto made, descriptor->create(checked));
    if (auto fits = made->layout(1, info.in); !fits)
        return Error::unsupported("its inputs cannot be rounded: " + fits.error().message, info.module);
    return made;
}

PackedInputs roundedTo(std::shared_ptr<const Codec> codec, std::string words,
                       std::optional<RowRounder::Fixed> fixed = std::nullopt) {
    return {std::make_shared<const RowRounder>(std::move(codec), std::vector<float>(), 0.0f, fixed),
            std::move(words)};
}

/// The one value of X.part, above 0.
Result<float> fixedScale(const PackedParts& parts, std::string_view part) {
    QS_TRY(const size_t index, parts.require(part));
    const TensorInfo& t = parts.tensor(index);
    QS_CHECK(parts.check(index, isScaleType(t.dtype) && t.elements() == 1, "F32 [1]"));
    float scale = 0;
    QS_CHECK(readScaleValues(parts.checkpoint(), index, 0, {&scale, 1}));
    if (scale > 0) return scale;
    return Error::corrupt(fmt::format("must be above 0, is {}", scale), t.name);
}

/// The one value of X.input_zero_point, a signed code.
Result<float> fixedZero(const PackedParts& parts) {
    QS_TRY(const size_t index, parts.require("input_zero_point"));
    const TensorInfo& t = parts.tensor(index);
    QS_CHECK(parts.check(index, t.dtype == DType::I8 && t.elements() == 1, "I8 [1]"));
    QS_TRY(const auto bytes, parts.checkpoint().rawBytes(index));
    return float(int8_t(bytes[0]));
}

class CompressedInputs {
public:
    CompressedInputs(const PackedParts& parts, const PackedInfo& info, const CtSettings::Group& group,
                     std::string where)
        : parts_(parts), info_(info), group_(group), inputs_(*group.inputs), where_(std::move(where)) {}

    Result<PackedInputs> make() const {
        if (info_.layout == "ct_nvfp4") return nvfp4();
        if (info_.layout == "ct_mxfp4") return mx(4, "mxfp4", "MXFP4");
        if (info_.format.starts_with("mxfp8")) return mx(8, "mxfp8_e4m3", "MXFP8");
        return inputs_.floating ? float8() : integers();
    }

private:
    bool is(const char* strategy, Scales scales) const {
        return inputs_.strategy == strategy && inputs_.scales == scales;
    }

    /// -1 a token, else a group; nothing when the scales are not found like that.
    std::optional<long long> dynamicGroup() const {
        if (is("token", Scales::Dynamic)) return -1;
        if (is("group", Scales::Dynamic) && inputs_.groupSize > 0) return inputs_.groupSize;
        return std::nullopt;
    }
    static std::string groupWords(long long group) {
        return group < 0 ? "per token" : fmt::format("per {} channels", group);
    }

    Result<PackedInputs> integers() const {
        if (inputs_.bits < 2 || inputs_.bits > 8) return refused();
        const auto codec = [&](long long group) {
            return formatFor(info_, "int",
                             {{"bits", inputs_.bits},
                              {"grid", inputs_.symmetric ? "absmax" : "asymmetric"},
                              {"group", group},
                              {"scale_dtype", "f32"}});
        };
        const std::string name =
            fmt::format("int{}{} ", inputs_.bits, inputs_.symmetric ? "" : " asymmetric");
        if (const auto group = dynamicGroup()) {
            QS_TRY(auto made, codec(*group));
            return roundedTo(std::move(made), name + groupWords(*group));
        }
        if (!is("tensor", Scales::Static)) return refused();
        QS_TRY(const float scale, fixedScale(parts_, "input_scale"));
        float zero = 0;
        if (!inputs_.symmetric) {
            QS_TRY(zero, fixedZero(parts_));
        }
        QS_TRY(auto made, codec(-1));
        return roundedTo(std::move(made), name + "static",
                         RowRounder::Fixed{scale, zero + float(1 << (inputs_.bits - 1))});
    }

    Result<PackedInputs> float8() const {
        if (inputs_.bits != 8 || !inputs_.symmetric) return refused();
        if (const auto group = dynamicGroup()) {
            QS_TRY(auto made, formatFor(info_, "float", {{"format", "e4m3"}, {"group", *group}}));
            return roundedTo(std::move(made), "fp8 " + groupWords(*group));
        }
        if (!is("tensor", Scales::Static)) return refused();
        QS_TRY(const float scale, fixedScale(parts_, "input_scale"));
        QS_TRY(auto made, formatFor(info_, "float", {{"format", "e4m3"}, {"group", -1}}));
        return roundedTo(std::move(made), "fp8 static", RowRounder::Fixed{scale, 0});
    }

    Result<PackedInputs> mx(int bits, const char* format, const char* label) const {
        if (!inputs_.floating || inputs_.bits != bits || dynamicGroup() != 32) return refused();
        QS_TRY(auto made, formatFor(info_, "mx", {{"format", format}}));
        return roundedTo(std::move(made), label);
    }

    Result<PackedInputs> nvfp4() const {
        if (!inputs_.floating || inputs_.bits != 4 || !is("tensor_group", Scales::Local) ||
            inputs_.groupSize != 16)
            return refused();
        QS_TRY(const float scale, fixedScale(parts_, "input_global_scale"));
        QS_TRY(auto made, formatFor(info_, "nvfp4", nlohmann::json::object()));
        return roundedTo(std::move(made), "NVFP4", RowRounder::Fixed{scale, 0});
    }

    Error refused() const {
        const char* const scales[] = {"static", "dynamic", "local"};
        return Error::unsupported(
            fmt::format(
                "{}.config_groups.{}.input_activations asks for {} of {} bits, {}, strategy \"{}\", "
                "group_size "
                "{}, with weights of {}: inputs are rounded to integers of 2 to 8 bits or E4M3, dynamic per "
                "token or group or static per tensor, or as MXFP4, MXFP8 and NVFP4 weights are",
                where_, group_.name, inputs_.floating ? "float" : "int", inputs_.bits,
                scales[int(inputs_.scales)], inputs_.strategy, inputs_.groupSize, info_.label),
            parts_.module());
    }

    const PackedParts& parts_;
    const PackedInfo& info_;
    const CtSettings::Group& group_;
    const CtSettings::Inputs& inputs_;
    std::string where_;
};

Result<PackedInputs> compressedInputs(const PackedParts& parts, const CtSettings& settings,
                                      const std::string& where, const PackedInfo& info) {
    QS_TRY(const CtSettings::Group* group, settings.groupOf(parts.module(), where));
    if (group->roundsOutputs)
        return Error::unsupported(
            fmt::format("{}.config_groups.{}.output_activations rounds what the linear gives, which "
                        "is not done here",
                        where, group->name),
            parts.module());
    if (!group->inputs) return PackedInputs{};
    return CompressedInputs(parts, info, *group, where).make();
}

Result<PackedInputs> float8Inputs(const PackedParts& parts, const Fp8Settings& settings,
                                  const std::string& where, const PackedInfo& info) {
    const bool blocks = info.layout == "fp8_block";
    const long long group = blocks ? (long long)(info.groupSize) : -1;
    if (!settings.staticInputs) {
        QS_TRY(auto codec, formatFor(info, "float", {{"format", "e4m3"}, {"group", group}}));
        return roundedTo(std::move(codec),
                         blocks ? fmt::format("fp8 per {} channels", group) : "fp8 per token");
    }
    if (blocks)
        return Error::unsupported(where + ".activation_scheme is \"static\", but inputs of weights in blocks "
                                          "are rounded with scales found at run time",
                                  parts.module());
    QS_TRY(const float scale,
           fixedScale(parts, parts.has("activation_scale") ? "activation_scale" : "input_scale"));
    QS_TRY(auto codec, formatFor(info, "float", {{"format", "e4m3"}, {"group", -1}}));
    return roundedTo(std::move(codec), "fp8 static", RowRounder::Fixed{scale, 0});
}

} // namespace

Result<PackedInputs> packedInputs(const PackedParts& parts, const PackedSettings& settings,
                                  const PackedInfo& info) {
    if (const auto* s = std::get_if<CtSettings>(&settings.method))
        return compressedInputs(parts, *s, settings.where, info);
    if (const auto* s = std::get_if<Fp8Settings>(&settings.method))
        return float8Inputs(parts, *s, settings.where, info);
    return PackedInputs{};
}

} // namespace qs
