// SPDX-License-Identifier: Apache-2.0
// The parts that GPT-2 and its descendants share: one stored linear for q, k and v, and an MLP without gate.
#pragma once

#include "core/model/spec_builder.h"

namespace qs {

struct FusedAttentionOptions {
    std::string qkv, out; ///< stored modules under the layer: "attn.c_attn", "attn.c_proj"
    enum class Rows {
        Blocks, ///< all of q, all of k, all of v
        Groups  ///< per key-value head: its queries, its k, its v
    } rows = Rows::Blocks;
    Bias bias = Bias::Required;
    bool transposed = false; ///< stored [in, out] (GPT-2's Conv1D)
};
/// Linears q_proj, k_proj, v_proj beside `qkv`, and `out`; site `layer + "attn"`; scale 1 / sqrt(headDim), no
/// rotation yet.
Result<AttentionSpec> fusedAttention(const SpecBuilder& b, const std::string& layer,
                                     const FusedAttentionOptions& options);

struct PlainMlpOptions {
    std::string up, down; ///< modules under the layer: "mlp.c_fc", "mlp.c_proj"
    Activation activation = Activation::GeluErf;
    Bias bias = Bias::Required;
    bool transposed = false;
    const char* site = "mlp"; ///< under the layer; "attn" when attention reads the same values
};
/// down(f(up(x))) with the spec's sizes.
Result<MlpSpec> plainMlp(const SpecBuilder& b, const std::string& layer, const PlainMlpOptions& options);

/// ALiBi slopes of the heads: for 2^k heads base^1, base^2, ... with base = 2^(-8 / heads); other counts take
/// those of the next lower power of two and fill up with every second one of the next higher (Press et al.
/// 2022 and their code).
std::vector<float> alibiSlopes(size_t heads);

/// The first of `keys` that config.json has, else the first: published files spell some fields in several
/// ways.
const char* presentKey(const ConfigReader& config, std::initializer_list<const char*> keys);

} // namespace qs
