// SPDX-License-Identifier: Apache-2.0
// Text continuation, to let a person read what a model still says.
#pragma once

#include "core/model/forward.h"

#include <functional>

namespace qs {

struct GenerateOptions {
    size_t maxNewTokens = 100;
    double temperature = 0; ///< 0: always the most likely token
    uint64_t seed = 0;
    int stopId = -1;                            ///< end early after this id (kept out of the result)
    std::function<void(int id)> tokenMade = {}; ///< told each new id as it is made, on the running thread
};

/// New ids that follow `prompt` (not empty). The context is the last spec.context tokens. All weights are
/// kept on the device; every step runs the whole context, O(new tokens x context).
Result<std::vector<int>> generate(const ModelSpec& spec, const WeightSource& weights, std::vector<int> prompt,
                                  const GenerateOptions& options, Backend& backend, const JobContext& job);

} // namespace qs
