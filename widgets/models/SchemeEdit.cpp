// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/SchemeEdit.h"

#include <nlohmann/json.hpp>

namespace qs::ui {

Result<Params> withParam(const ParamSpecs& specs, const Params& params, const std::string& key,
                         const ParamValue& value) {
    nlohmann::json object = params.toJson();
    object[key] = paramValueToJson(value);
    return Params::fromJson(specs, object, "scheme");
}

Params carriedOver(const ParamSpecs& specs, const Params& old) {
    Params out = Params::defaults(specs);
    for (const ParamSpec& s : specs) {
        if (!old.has(s.key)) continue;
        // A value that the new owner of the name cannot take is left at its default.
        if (auto next = withParam(specs, out, s.key, old.values().at(s.key))) out = std::move(*next);
    }
    return out;
}

Result<std::optional<Scheme>> applyEdit(const Scheme* before, const SchemeEdit& edit,
                                        const Scheme& fallback) {
    using Kind = SchemeEdit::Kind;
    if (edit.kind == Kind::Keep) return std::optional<Scheme>();
    if (edit.kind == Kind::Scheme) return std::optional<Scheme>(edit.scheme);
    Scheme s = before ? *before : fallback;
    if (edit.kind == Kind::Codec) {
        QS_TRY(const CodecDescriptor* codec, findCodec(edit.key));
        s.codec = edit.key;
        s.codecParams = carriedOver(codec->params, s.codecParams);
    } else if (edit.kind == Kind::CodecParam) {
        QS_TRY(const CodecDescriptor* codec, findCodec(s.codec));
        // Not every format has a number of bits to set; all have others like them with more or fewer.
        const auto* bits = std::get_if<long long>(&edit.value);
        if (edit.key == "bits" && bits) {
            QS_TRY(s.codecParams, codec->withBits(s.codecParams, int(*bits)));
        } else {
            QS_TRY(s.codecParams, withParam(codec->params, s.codecParams, edit.key, edit.value));
        }
    } else if (edit.kind == Kind::Method) {
        QS_TRY(const MethodDescriptor* method, findMethod(edit.key));
        s.method = edit.key;
        s.methodParams = carriedOver(method->params, s.methodParams);
    } else if (edit.kind == Kind::Inputs || edit.kind == Kind::Outputs) {
        std::optional<InputScheme>& format = edit.kind == Kind::Inputs ? s.inputs : s.outputs;
        format.reset();
        if (!edit.key.empty()) {
            QS_TRY(format, InputScheme::preset(edit.key));
        }
        if (s.outputs && s.outputs->isSearched())
            return Error::invalid("outputs are rounded without a search", edit.key);
    } else {
        QS_TRY(const MethodDescriptor* method, findMethod(s.method));
        QS_TRY(s.methodParams, withParam(method->params, s.methodParams, edit.key, edit.value));
    }
    return std::optional<Scheme>(std::move(s));
}

} // namespace qs::ui
