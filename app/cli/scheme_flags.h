// SPDX-License-Identifier: Apache-2.0
// The flags of `plan` and `quantize` that say how: a recipe file, or one scheme for every linear.
#pragma once

#include "app/cli/kv_flags.h"
#include "app/cli/param_flags.h"
#include "core/recipe/recipe.h"

namespace qs::cli {

class SchemeFlags {
public:
    /// Declares --recipe, --codec, --method, --inputs, --outputs, --transform, --kv and what goes with it,
    /// --probabilities, --token-weights, --seed and every codec and method parameter.
    void declare(CLI::App& app);
    /// Reads the recipe file or builds the uniform recipe. `--seed` overrides the file's.
    Result<Recipe> recipe() const;

private:
    void check(); ///< after parsing; usage errors
    std::string recipeFile_, codec_ = "int", method_ = "gptq", inputs_, outputs_;
    std::string probabilities_;
    KvFlags kvFlags_;
    double tokenWeights_ = 0;
    std::vector<std::string> transformTexts_; ///< as typed
    uint64_t seed_ = 0;
    CLI::Option* seedOption_ = nullptr;
    CLI::Option* codecOption_ = nullptr;
    CLI::Option* methodOption_ = nullptr;
    CLI::Option *inputsOption_ = nullptr, *outputsOption_ = nullptr;
    CLI::Option* transformOption_ = nullptr;
    CLI::Option* probabilitiesOption_ = nullptr;
    CLI::Option* tokenWeightsOption_ = nullptr;
    ParamFlags flags_;
    Scheme scheme_;
    std::vector<TransformUse> transforms_;
    std::optional<KvScheme> kvCache_;
    std::optional<InputScheme> rounded_; ///< probabilities
};

} // namespace qs::cli
