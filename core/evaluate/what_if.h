// SPDX-License-Identifier: Apache-2.0
// What-if: the loss of a window when a few weights of one linear are changed, measured by running the model.
#pragma once

#include "core/codec/codec.h"
#include "core/evaluate/evaluate.h"

namespace qs {

/// A weight of the linear: element [row, column] of its logical weight [out, in].
struct WeightAt {
    size_t row = 0, column = 0;
};

enum class Change {
    Zero,      ///< the named weights become 0
    Round,     ///< the whole linear rounded to nearest
    RoundRest, ///< the same, but the named weights keep their values
};

struct WhatIf {
    Change change = Change::Zero;
    double loss = 0;             ///< mean nats per scored token after the change
    double kl = 0, klStderr = 0; ///< mean KL(original || changed), nats per scored token
};

struct WhatIfResult {
    double loss = 0;           ///< of the original
    std::vector<WhatIf> after; ///< in the order asked for
    uint64_t tokens = 0;       ///< scored
    std::string protocol;
};

struct WhatIfRequest {
    std::string weight;         ///< logical name of the linear's weight
    std::vector<WeightAt> kept; ///< the named weights
    std::vector<Change> changes;
    std::shared_ptr<const Codec> codec; ///< for Round and RoundRest; may be null without them
};

/// Runs the model over `tokens` (the protocol of evaluate.h), then for each change the blocks from the
/// linear's own on: see changed_linears.h. Errors: a weight that no linear of a block has, a position outside
/// the matrix, a codec that cannot hold the rows.
Result<WhatIfResult> whatIf(const ModelSpec& spec, std::shared_ptr<const WeightSource> weights,
                            const WhatIfRequest& request, const TokenWindows& tokens, Backend& backend,
                            const JobContext& job);

} // namespace qs
