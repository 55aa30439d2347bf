// SPDX-License-Identifier: Apache-2.0
// QLLM's choice of channels to split and to merge (Liu et al. 2023, arXiv:2310.08041, section 4.1).
#pragma once

#include "core/base/job.h"
#include "core/codec/codec.h"
#include "core/recipe/input_scheme.h"

namespace qs {

/// x [tokens, in], w [out, in]; `inputs` rounds x, `weights` w. A channel whose largest magnitude is M is
/// split into ceil(M / theta) for thresholds theta that descend evenly, until a tenth of the channels is
/// added; each time as many pairs are merged, one channel of an even number with one of an odd number, whose
/// merging moves the outputs least: |x_a - x_b|^2 |w_a - w_b|^2 / 4. Of all, and of changing nothing, the one
/// with the least error of the outputs once both sides are rounded; the first of equals. Some 40 tokens in
/// out + in^2 (tokens + out) / 2 flops.
Result<ChannelReassembly> searchChannels(const InputScheme& inputs, const Codec& weights, ConstMatrixView x,
                                         ConstMatrixView w, const JobContext& job);

/// The reassembly for one threshold > 0; empty when fewer channels can be merged than are added.
ChannelReassembly reassembleAt(float threshold, ConstMatrixView x, ConstMatrixView w);

} // namespace qs
