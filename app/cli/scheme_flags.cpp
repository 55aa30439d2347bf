// SPDX-License-Identifier: Apache-2.0
#include "app/cli/scheme_flags.h"

#include "app/cli/command.h"
#include "core/quant/transform/transform.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

namespace {

constexpr const char* kKeep = "keep";

template<class Entries>
std::vector<std::string> idsOf(const Entries& entries) {
    std::vector<std::string> ids;
    for (const auto* entry : entries)
        ids.push_back(entry->id);
    return ids;
}

std::string joined(const std::vector<std::string>& ids) {
    return fmt::format("{}", fmt::join(ids, ", "));
}

template<class Entries>
const auto& entryOf(const Entries& entries, const std::string& id) {
    for (const auto* entry : entries)
        if (entry->id == id) return *entry;
    throw CLI::ValidationError(id, "is not registered");
}

/// A method's parameters with the defaults of this command for a codec. The block formats of GGUF keep few
/// bits of their scales, so extreme values cost much: their scales are searched unless --range says otherwise
/// (resources/manual/quality.md shows what that gains). Recipes always spell it out.
ParamSpecs methodSpecs(const MethodDescriptor& method, const std::string& codec) {
    ParamSpecs specs = method.params;
    for (ParamSpec& s : specs)
        if (codec == "ggml" && s.key == "range") s.defaultValue = std::string("mse");
    return specs;
}

/// "smoothquant:alpha=0.7".
Result<TransformUse> parseTransform(const std::string& text) {
    const size_t colon = text.find(':');
    const std::string id = text.substr(0, colon);
    QS_TRY(const TransformDescriptor* d, findTransform(id));
    nlohmann::json object = {{"id", id}};
    for (size_t at = colon; at != std::string::npos;) {
        const size_t next = text.find(',', at + 1);
        const std::string part = text.substr(at + 1, next == std::string::npos ? next : next - at - 1);
        at = next;
        const size_t equals = part.find('=');
        if (equals == std::string::npos)
            return Error::invalid(fmt::format("'{}' must be key=value", part), id);
        const std::string key = part.substr(0, equals);
        const auto spec = std::find_if(d->params.begin(), d->params.end(),
                                       [&](const ParamSpec& p) { return p.key == key; });
        if (spec == d->params.end()) return Error::invalid(fmt::format("has no parameter '{}'", key), id);
        QS_TRY(const ParamValue value, parseParamText(*spec, part.substr(equals + 1), id));
        object[key] = paramValueToJson(value);
    }
    return TransformUse::fromJson(object, "--transform");
}

} // namespace

void SchemeFlags::declare(CLI::App& app) {
    const std::string group = "Scheme";
    app.add_option("--recipe", recipeFile_, "Recipe file (JSON) instead of one scheme for every linear")
        ->type_name("FILE")
        ->group(group);
    std::vector<std::string> formats = idsOf(codecs());
    formats.push_back(kKeep);
    codecOption_ = app.add_option("--codec", codec_,
                                  "Number format: " + joined(formats) +
                                      " (ggml: with --range mse unless told otherwise; keep: nothing is "
                                      "quantized, for exports that only convert)")
                       ->type_name("ID")
                       ->capture_default_str();
    codecOption_->check(CLI::IsMember(formats))->group(group);
    methodOption_ = app.add_option("--method", method_, "How codes are chosen: " + joined(idsOf(methods())))
                        ->type_name("ID")
                        ->capture_default_str();
    methodOption_->check(CLI::IsMember(idsOf(methods())))->group(group);
    inputsOption_ = app.add_option("--inputs", inputs_,
                                   "Round the inputs of the linears too, every token by itself: " +
                                       joined(InputScheme::presets()))
                        ->type_name("ID");
    inputsOption_->check(CLI::IsMember(InputScheme::presets()))->group(group);
    outputsOption_ =
        app.add_option("--outputs", outputs_,
                       "Round the outputs of the linears too, every token by itself; no file for "
                       "runtimes says so: " +
                           joined(InputScheme::outputPresets()))
            ->type_name("ID");
    outputsOption_->check(CLI::IsMember(InputScheme::outputPresets()))->group(group);
    transformOption_ =
        app.add_option("--transform", transformTexts_,
                       "Scale channels of the model before it is quantized: " + joined(idsOf(transforms())) +
                           "; with parameters as ID:key=value,key=value; several are applied in order")
            ->type_name("ID")
            ->allow_extra_args(false)
            ->group(group);
    kvFlags_.declare(app, group);
    probabilitiesOption_ =
        app.add_option("--probabilities", probabilities_,
                       "Round the probabilities of attention too, every query's by itself: " +
                           joined(InputScheme::probabilityPresets()))
            ->type_name("ID");
    probabilitiesOption_->check(CLI::IsMember(InputScheme::probabilityPresets()))->group(group);
    tokenWeightsOption_ =
        app.add_option("--token-weights", tokenWeights_,
                       "Tokens count in the second moments by the attention they receive (RSQ): from this "
                       "weight for the least to 1; 0.005 is usual")
            ->type_name("LEAST")
            ->check(CLI::Range(0.0, 1.0))
            ->group(group);
    seedOption_ = app.add_option("--seed", seed_, "Seed of everything random")->capture_default_str();
    seedOption_->group(group);
    for (const CodecDescriptor* codec : codecs())
        flags_.addOwner("codec " + codec->id, codec->params);
    for (const MethodDescriptor* method : methods())
        flags_.addOwner("method " + method->id, method->params);
    flags_.declare(app, "Parameters of codecs and methods");
    app.parse_complete_callback([this] { check(); });
}

void SchemeFlags::check() {
    kvCache_ = kvFlags_.scheme();
    if (probabilitiesOption_->count() > 0)
        rounded_ = *InputScheme::probabilityPreset(probabilities_); // one of the presets
    if (!recipeFile_.empty()) {
        for (const CLI::Option* option : std::initializer_list<const CLI::Option*>{
                 codecOption_, methodOption_, inputsOption_, outputsOption_, transformOption_,
                 kvFlags_.option(), probabilitiesOption_, tokenWeightsOption_})
            if (option->count() > 0) refuseUsage(option->get_name(), "cannot be combined with --recipe");
        flags_.refuseOthers({"the recipe given by --recipe"});
        return;
    }
    if (codec_ == kKeep) {
        for (const CLI::Option* option :
             {methodOption_, inputsOption_, outputsOption_, transformOption_, tokenWeightsOption_})
            if (option->count() > 0) refuseUsage(option->get_name(), "cannot be combined with --codec keep");
        flags_.refuseOthers({"--codec keep"});
        return;
    }
    flags_.refuseOthers({"codec " + codec_, "method " + method_});
    scheme_.codec = codec_;
    scheme_.method = method_;
    scheme_.codecParams = flags_.valuesFor(entryOf(codecs(), codec_).params);
    if (inputsOption_->count() > 0) scheme_.inputs = *InputScheme::preset(inputs_); // one of the presets
    if (outputsOption_->count() > 0) scheme_.outputs = *InputScheme::preset(outputs_);
    scheme_.methodParams = flags_.valuesFor(methodSpecs(entryOf(methods(), method_), codec_));
    for (const std::string& text : transformTexts_) {
        auto use = parseTransform(text);
        if (!use) refuseUsage("--transform", use.error().describe());
        for (const TransformUse& before : transforms_)
            if (before.id == use->id) refuseUsage("--transform", use->id + " is given twice");
        transforms_.push_back(std::move(*use));
    }
}

Result<Recipe> SchemeFlags::recipe() const {
    if (recipeFile_.empty()) {
        Recipe recipe = codec_ == kKeep ? Recipe{.name = "keep", .rules = {}} : Recipe::uniform(scheme_);
        recipe.seed = seed_;
        recipe.transforms = transforms_;
        recipe.kvCache = kvCache_;
        recipe.probabilities = rounded_;
        if (tokenWeightsOption_->count() > 0) recipe.tokenWeights = TokenWeights{tokenWeights_};
        return recipe;
    }
    QS_TRY(Recipe recipe, Recipe::load(recipeFile_));
    if (seedOption_->count() > 0) recipe.seed = seed_;
    return recipe;
}

} // namespace qs::cli
