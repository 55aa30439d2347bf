// SPDX-License-Identifier: Apache-2.0
// Transforms in recipes and plans: their JSON, and the rules on them.
#include "core/model/tensor_places.h"
#include "core/quant/transform/scaling.h"
#include "core/quant/transform/transform.h"
#include "core/recipe/plan_rules.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

Result<TransformUse> TransformUse::make(const std::string& id) {
    QS_TRY(const TransformDescriptor* d, findTransform(id));
    return TransformUse{id, Params::defaults(d->params)};
}

Result<TransformUse> TransformUse::fromJson(const json& object, const std::string& where) {
    if (!object.is_object() || !object.contains("id") || !object.at("id").is_string())
        return Error::invalid("a transform must be an object with an id, such as {\"id\": \"awq\"}, got " +
                                  object.dump(),
                              where);
    TransformUse use;
    use.id = object.at("id").get<std::string>();
    auto d = findTransform(use.id);
    if (!d) return d.takeError().at(where);
    json params = object;
    params.erase("id");
    QS_TRY(use.params, Params::fromJson((*d)->params, params, where));
    return use;
}

json TransformUse::toJson() const {
    json out = params.toJson();
    out["id"] = id;
    return out;
}

Result<std::vector<TransformUse>> transformsFromJson(const json& list, const std::string& where) {
    if (!list.is_array()) return Error::invalid("must be an array, got " + list.dump(), where);
    std::vector<TransformUse> out;
    for (size_t i = 0; i < list.size(); ++i) {
        QS_TRY(TransformUse use, TransformUse::fromJson(list[i], fmt::format("{}[{}]", where, i)));
        for (const TransformUse& before : out)
            if (before.id == use.id)
                return Error::invalid(fmt::format("'{}' is listed twice", use.id), where);
        out.push_back(std::move(use));
    }
    return out;
}

std::string transformsText(const std::vector<TransformUse>& list) {
    std::string text;
    for (const TransformUse& use : list) {
        text += (text.empty() ? "" : ", ") + use.id;
        const json params = use.params.toJson();
        for (const auto& [key, value] : params.items())
            text += fmt::format(" {}={}", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    return text;
}

json transformsToJson(const std::vector<TransformUse>& list) {
    json out = json::array();
    for (const TransformUse& use : list)
        out.push_back(use.toJson());
    return out;
}

namespace {

/// Tensors of a fold that stay as they are stored, so that their values must be replaced.
std::vector<std::string> keptTensors(const BlockSpec& block, const FoldSpec& fold,
                                     const std::function<bool(const std::string&)>& quantized) {
    std::vector<std::string> names = fold.columns;
    std::vector<const LinearSpec*> linears = readersOf(block, fold);
    if (const LinearSpec* producer = producerOf(block, fold)) {
        linears.push_back(producer);
        names.push_back(producer->bias);
    } else {
        names.push_back(fold.norm.gain.front());
        names.push_back(fold.norm.bias);
    }
    for (const LinearSpec* l : linears)
        if (!quantized(l->module)) names.push_back(l->weight);
    std::erase(names, "");
    return names;
}

std::string labelsOf(const std::vector<TransformUse>& transforms) {
    std::string text;
    for (const TransformUse& use : transforms) {
        const auto d = findTransform(use.id);
        text += (text.empty() ? "" : ", ") + (d ? (*d)->label : use.id);
    }
    return text;
}

} // namespace

std::vector<LintIssue> ruleOnTransforms(const std::vector<TransformUse>& transforms, const Model& model,
                                        const std::function<bool(const std::string& module)>& quantized) {
    std::vector<LintIssue> issues;
    if (transforms.empty()) return issues;
    const std::string labels = labelsOf(transforms);
    if (!model.hasForward()) {
        issues.push_back({Severity::Error, "transform-needs-forward", "",
                          fmt::format("{} needs to know what feeds what, but {}. Leave the transforms out.",
                                      labels, model.noForwardReason())});
        return issues;
    }
    const TensorPlaces places(model);
    bool any = false;
    for (const BlockSpec& b : model.spec().blocks)
        for (const FoldSpec& f : b.folds) {
            const auto readers = readersOf(b, f);
            if (std::none_of(readers.begin(), readers.end(),
                             [&](const LinearSpec* l) { return quantized(l->module); }))
                continue;
            any = true;
            for (const std::string& name : keptTensors(b, f, quantized)) {
                const WeightPlace place = places.of(name);
                if (isReplaceable(model.checkpoint(), place)) continue;
                const auto type = place.kind == WeightPlace::Kind::Stored
                                      ? model.checkpoint().tensors()[place.index].typeName()
                                      : "packed codes";
                issues.push_back(
                    {Severity::Error, "transform-kept", name,
                     fmt::format("{} would change this tensor, which the checkpoint stores as {}: only "
                                 "F32, F16 and BF16 can be changed. Leave the transforms out.",
                                 labels, type)});
            }
        }
    if (!any)
        issues.push_back({Severity::Warning, "transform-no-fold", "",
                          fmt::format("{} changes nothing: no quantized linear of this model reads channels "
                                      "that can be scaled.",
                                      labels)});
    return issues;
}

} // namespace qs
