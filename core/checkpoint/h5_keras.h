// SPDX-License-Identifier: Apache-2.0
// The layouts in which Keras keeps weights, as rules for single arrays. Keras 1 and 2: the root, or the group
// "model_weights" of a whole model, has an attribute layer_names, and each layer's group an attribute
// weight_names with paths below it ("dense/kernel:0"). Keras 3 (.weights.h5): ".../vars/0", "vars/1", ...
#pragma once

#include "core/checkpoint/h5_mapping.h"

#include <map>

namespace qs {

/// By path of the array; the pattern of each rule is empty. Empty when the file is not of Keras.
std::map<std::string, H5MapRule> kerasRules(const H5Listing& listing);

} // namespace qs
