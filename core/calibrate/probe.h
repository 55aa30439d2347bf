// SPDX-License-Identifier: Apache-2.0
// Probe: one window of tokens through a model, block by block, with what the views of single tokens need: the
// activations of chosen sites, the residual stream by channel, attention received by position, the spikes of
// every down_proj.
#pragma once

#include "core/calibrate/attention_received.h"
#include "core/calibrate/residual_trace.h"
#include "core/calibrate/super_weights.h"

namespace qs {

inline constexpr size_t kMaxProbeTokens = 4096;

struct ProbeRequest {
    std::vector<int32_t> tokens;     ///< one context, 2 .. kMaxProbeTokens
    std::vector<TokenClass> classes; ///< of the tokens; empty: the first is First, the others are Other
    std::vector<std::string> sites;  ///< to record, of probeSites()
    /// Also the residual trace, attention and down_proj spikes, for which every block runs. Without it the
    /// pass ends behind the last site asked for.
    bool trace = true;
};

struct ProbeSite {
    std::string site;
    std::shared_ptr<const Matrix> values; ///< [tokens, channels]
};

struct ProbeResult {
    std::vector<ProbeSite> sites;  ///< in forward order
    ResidualTrace trace;           ///< its points grow block by block
    MatrixD received, even;        ///< [blocks, tokens], see attentionReceived; rows of blocks to come are 0
    std::vector<DownSpike> spikes; ///< of dense feed-forward layers: an expert sees too few of the tokens
    size_t blocks = 0;             ///< that have run
};

/// What can be recorded, in forward order: "embedding"; per block the sites of its linears,
/// "layers.<n>.residual_attn" and "layers.<n>.residual" (the stream behind each half); "final_norm". Sites of
/// experts are left out: they see some of the tokens.
std::vector<std::string> probeSites(const ModelSpec& spec);

/// Channels of the site are channels of the residual stream: the stream itself, and what its norms make of
/// it.
bool isStreamSite(const ModelSpec& spec, const std::string& site);
/// The outputs of the linear are channels of the residual stream: an o_proj or a down_proj.
bool writesStream(const ModelSpec& spec, const std::string& module);

/// Called from the pass with what stands so far; empty members are not called.
struct ProbeListener {
    std::function<void(const ProbeSite&)> site;
    std::function<void(const ProbeResult&)> block;
};

/// Every architecture: attention is computed from the queries and keys of the pass itself. Memory: one block,
/// tokens x (hidden + the block's widest layer) floats, the chosen sites, the trace. InvalidArgument for a
/// site that is not in probeSites(), for ids outside the vocabulary and a window of another length.
Result<ProbeResult> probe(const ModelSpec& spec, const WeightSource& weights, const ProbeRequest& request,
                          Backend& backend, const JobContext& job, const ProbeListener& listener = {});

} // namespace qs
