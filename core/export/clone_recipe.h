// SPDX-License-Identifier: Apache-2.0
// The recipe of a model that is already quantized, for its original or another model of the same shape.
#pragma once

#include "core/export/recipe_format.h"

namespace qs {

/// What `from` stores each linear as (GGUF types; packed layouts of GPTQ, AWQ, compressed-tensors, FP8,
/// bitsandbytes), as schemes for `to`. `base` gives the method. Patterns: one per format, with how many
/// linears have it. Linears that `from` lacks or stores plainly are kept. InvalidArgument when a linear's
/// shape differs, or nothing in `from` is quantized.
Result<ForeignRecipe> cloneRecipe(const Model& from, const Model& to, const Scheme& base);

} // namespace qs
