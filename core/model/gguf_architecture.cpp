// SPDX-License-Identifier: Apache-2.0
#include "core/model/gguf_architecture.h"

namespace qs {

const GgufArchitecture* ggufArchitectureOf(const Model& model) {
    if (!model.hasForward()) return nullptr;
    const ModelSpec& spec = model.spec();
    const bool twoNorms = spec.architecture == "falcon" && !spec.blocks.empty() && spec.blocks[0].parallel &&
                          bool(spec.blocks[0].mlpNorms.before);
    return ggufArchitectureOfModel(spec.architecture, twoNorms);
}

} // namespace qs
