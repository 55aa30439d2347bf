// SPDX-License-Identifier: Apache-2.0
// What llama.cpp calls a model.
#pragma once

#include "core/checkpoint/gguf_names.h"
#include "core/model/model.h"

namespace qs {

/// nullptr when there is no forward pass, or llama.cpp has no architecture for it.
const GgufArchitecture* ggufArchitectureOf(const Model& model);

} // namespace qs
