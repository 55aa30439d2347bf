// SPDX-License-Identifier: Apache-2.0
// Recipe: ordered rules `pattern -> scheme`, human-editable JSON. Plan: a recipe resolved against one model,
// with exact bytes and lint.
#pragma once

#include "core/model/model.h"
#include "core/quant/method.h"
#include "core/recipe/kv_scheme.h"

namespace qs {

/// Codec + method + their parameters, for one tensor.
struct Scheme {
    std::string codec = "int";
    Params codecParams; ///< of the codec's specs
    std::string method = "rtn";
    Params methodParams;                ///< of the method's specs
    std::optional<InputScheme> inputs;  ///< none: the linear sees them as they are
    std::optional<InputScheme> outputs; ///< of the linear, bias and all; nothing searched; none: as they are
    bool operator==(const Scheme&) const = default;

    /// Registry defaults for the two ids.
    static Result<Scheme> make(const std::string& codec, const std::string& method);
    static Result<Scheme> fromJson(const nlohmann::json& object, const std::string& where);
    nlohmann::json toJson() const;
};

/// What rounds the inputs of linears with this scheme; null without `inputs`. `choice`: what was found where
/// it is searched; null: all is the format's own.
Result<std::shared_ptr<const RowRounder>> inputRounder(const Scheme& scheme,
                                                       const RowChoice* choice = nullptr);

/// The same of its outputs.
Result<std::shared_ptr<const RowRounder>> outputRounder(const Scheme& scheme);

/// `match` is a glob over module names (`*` any run, `?` one character), e.g. "layers.*.mlp.down_proj". No
/// scheme = keep in the source format.
struct Rule {
    std::string match;
    std::optional<Scheme> scheme;
    bool operator==(const Rule&) const = default;
};

/// A transform of the whole model, before it is quantized: registry id (core/quant/transform) and parameters.
struct TransformUse {
    std::string id;
    Params params; ///< of the transform's specs
    bool operator==(const TransformUse&) const = default;

    /// Registry defaults for the id.
    static Result<TransformUse> make(const std::string& id);
    /// {"id": "smoothquant", "alpha": 0.7}
    static Result<TransformUse> fromJson(const nlohmann::json& object, const std::string& where);
    nlohmann::json toJson() const;
};

/// "awq alpha=0.5, smoothquant": for people; "" when there is none.
std::string transformsText(const std::vector<TransformUse>& list);
/// A list of them, each id once.
Result<std::vector<TransformUse>> transformsFromJson(const nlohmann::json& list, const std::string& where);
nlohmann::json transformsToJson(const std::vector<TransformUse>& list);

/// Sigma in which tokens count by the attention they receive (core/run/token_weights.h).
struct TokenWeights {
    double least = 0.005; ///< weight of the token that receives least, 0 .. 1; the one that does most has 1
    bool operator==(const TokenWeights&) const = default;
};

/// What recipes and plans say of the model as a whole.
struct ModelSettings {
    std::vector<TransformUse> transforms; ///< applied in this order, each to what the ones before left
    std::optional<KvScheme> kvCache;      ///< none: as the model computes it
    std::optional<InputScheme>
        probabilities; ///< of attention, every query's row by itself; none: as they are
    std::optional<TokenWeights> tokenWeights; ///< none: all tokens alike
    bool operator==(const ModelSettings&) const = default;

    /// A transform, the KV cache or a searched base does.
    bool needCalibration() const;
    /// The keys transforms, kv_cache, probabilities and token_weights of an object that may have others.
    static Result<ModelSettings> fromJson(const nlohmann::json& object, const std::string& where);
    /// Adds those keys that say something.
    void addTo(nlohmann::json& object) const;
};

/// The first rule that matches a module decides; a module no rule matches is kept.
struct Recipe : ModelSettings {
    std::string name;
    std::vector<Rule> rules;
    uint64_t seed = 0;
    bool operator==(const Recipe&) const = default;

    /// One rule for every target.
    static Recipe uniform(const Scheme& scheme, uint64_t seed = 0);
    static Result<Recipe> fromJson(const nlohmann::json& json, const std::string& where);
    static Result<Recipe> load(const std::filesystem::path& file);
    nlohmann::json toJson() const;
    Result<void> save(const std::filesystem::path& file) const;
};

bool globMatches(const std::string& pattern, const std::string& text);

enum class Severity { Info, Warning, Error };
struct LintIssue {
    Severity severity = Severity::Warning;
    std::string rule;    ///< short stable id, e.g. "group-divides-row"
    std::string where;   ///< module or "" for the whole plan
    std::string message; ///< rule, value, next step
};

struct PlanEntry {
    QuantTarget target;
    std::optional<Scheme> scheme; ///< none: kept
    int rule = -1;                ///< index of the rule that decided, -1 none
    uint64_t bytesBefore = 0;
    uint64_t bytesAfter =
        0; ///< exact payload (codes + scales + zeros [+ index]), rounded up to bytes per part
};

struct Plan : ModelSettings {
    std::vector<PlanEntry> entries; ///< every target, in model order
    std::vector<LintIssue> issues;
    std::vector<size_t> ruleMatches; ///< per rule: how many targets it decided
    uint64_t totalBytesBefore = 0;   ///< of the whole checkpoint
    uint64_t totalBytesAfter = 0;    ///< whole checkpoint with quantized payloads in place
    uint64_t seed = 0;

    bool hasErrors() const;
    bool needsCalibration() const; ///< a method, a transform, the KV cache or a searched base does
    /// Quantized payload bits per quantized weight; 0 when nothing is quantized.
    double bitsPerWeight() const;
    /// Canonical JSON of schemes per module + seed + settings that say something; runs are resumed only with
    /// the same.
    nlohmann::json toJson() const;
    std::string fingerprint() const;
};

/// Never fails on content: what is wrong becomes an issue of severity Error on its entry. A rule that matches
/// nothing is an Error issue.
Plan resolvePlan(const Recipe& recipe, const Model& model);
/// The same from explicit schemes per module (the window's table).
Plan planFromSchemes(const std::vector<std::optional<Scheme>>& schemes, const Model& model, uint64_t seed,
                     ModelSettings settings = {});

} // namespace qs
