// SPDX-License-Identifier: GPL-3.0-or-later
// One change of one aspect of a scheme; the other aspects keep their values.
#pragma once

#include "core/recipe/recipe.h"

namespace qs::ui {

struct SchemeEdit {
    enum class Kind {
        Keep,        ///< back to the source format
        Scheme,      ///< replaces everything by `scheme`
        Codec,       ///< another codec by id; parameters that it has too keep their values, the rest are its
                     ///< defaults
        CodecParam,  ///< `key` = `value`
        Method,      ///< another method by id, likewise
        MethodParam, ///< `key` = `value`
        Inputs,      ///< rounded to the preset `key` of InputScheme; "": left as they are
        Outputs,     ///< likewise, one of outputPresets()
    };
    Kind kind = Kind::Keep;
    std::string key; ///< id of the codec, method or preset, or the parameter's key
    ParamValue value{};
    qs::Scheme scheme{};

    static SchemeEdit keep() { return {}; }
    static SchemeEdit replace(qs::Scheme s) { return {Kind::Scheme, {}, {}, std::move(s)}; }
    static SchemeEdit codec(std::string id) { return {Kind::Codec, std::move(id), {}, {}}; }
    static SchemeEdit method(std::string id) { return {Kind::Method, std::move(id), {}, {}}; }
    static SchemeEdit codecParam(std::string key, ParamValue v) {
        return {Kind::CodecParam, std::move(key), std::move(v), {}};
    }
    static SchemeEdit methodParam(std::string key, ParamValue v) {
        return {Kind::MethodParam, std::move(key), std::move(v), {}};
    }
    static SchemeEdit inputs(std::string preset) { return {Kind::Inputs, std::move(preset), {}, {}}; }
    static SchemeEdit outputs(std::string preset) { return {Kind::Outputs, std::move(preset), {}, {}}; }
};

/// `params` with one value replaced; InvalidArgument when the key is unknown or the value out of range.
Result<Params> withParam(const ParamSpecs& specs, const Params& params, const std::string& key,
                         const ParamValue& value);
/// Defaults of `specs`, with those values of `old` that `specs` knows and allows.
Params carriedOver(const ParamSpecs& specs, const Params& old);
/// The scheme after the edit; empty for Keep. A kept tensor (`before` null) starts from `fallback`.
Result<std::optional<Scheme>> applyEdit(const Scheme* before, const SchemeEdit& edit, const Scheme& fallback);

} // namespace qs::ui
