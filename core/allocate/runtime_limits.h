// SPDX-License-Identifier: Apache-2.0
// What a runtime leaves to an allocation: the candidates that it loads, and the bytes that a device has for
// weights.
#pragma once

#include "core/allocate/scheme_allocation.h"
#include "core/export/memory_estimate.h"
#include "core/export/runtime_profiles.h"

namespace qs {

/// Candidates that the format `exporter` cannot hold or the runtime does not load, linear by linear: what is
/// an error in a plan that gives the candidate to every linear that can have it. Linears that runtimes put
/// together (fused, experts of a layer) share their fate; that they need one scheme is left to ties. NotFound
/// for an unknown exporter. Complexity: a lint of the plan per candidate, and one for every kind of linear
/// that is refused.
Result<std::set<RefusedCandidate>> refusedCandidates(const SensitivityTable& table, const Model& model,
                                                     const RuntimeProfile& runtime,
                                                     const std::string& exporter);

/// What is left for weight files in `memory` bytes once the KV cache and the buffers of a pass (with their
/// uncertainty) have theirs. InvalidArgument, with the bytes, when nothing is.
Result<uint64_t> weightBytesWithin(uint64_t memory, const ModelSpec& model, MemoryQuestion question);

} // namespace qs
