// SPDX-License-Identifier: Apache-2.0
// Reassembly of a linear's input channels (QLLM, Liu et al. 2023, arXiv:2310.08041): a channel with outliers
// is read by several new channels, each of which gets its share of it; to keep their number, channels that
// are alike are read as one, as their mean. Weights of the new channels are the same columns, or sums of
// them: what was split gives the same outputs, what was merged nearly so.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <span>
#include <vector>

namespace qs {

/// New channel k of n reads channels first[k] and second[k]. One that it reads alone (they are equal) is
/// divided by the number of new channels that do so; of two it is the mean, and nothing else reads them.
struct ChannelReassembly {
    std::vector<uint32_t> first, second; ///< [n]

    /// What changes nothing.
    static ChannelReassembly identity(size_t channels);
    bool empty() const { return first.empty(); }
    bool operator==(const ChannelReassembly&) const = default;
};

/// InvalidArgument, naming the channel, when the lists are not of `channels` each, or break a rule of
/// ChannelReassembly: every channel is read.
Result<void> checkReassembly(const ChannelReassembly& r, size_t channels);

/// G of x' = G x, for lists that checkReassembly() has seen, which must outlive it. Immutable and
/// thread-safe. A row of n values: O(n).
class ReassemblyMap {
public:
    explicit ReassemblyMap(const ChannelReassembly& r);

    /// x -> G x, one row of inputs. `scratch` [n].
    void gather(float* row, std::span<float> scratch) const;
    /// Inputs that gather() takes to `row`, if new channels that read the same one are equal in it.
    void spread(float* row, std::span<float> scratch) const;
    /// A row of weights w -> w', with w' G x = w x where nothing is merged.
    void gatherWeights(float* row, std::span<float> scratch) const;
    /// w' -> w' G.
    void spreadWeights(float* row, std::span<float> scratch) const;
    /// Sigma -> G Sigma G^T.
    void gatherSigma(MatrixD& sigma) const;

    /// 1 / the number of new channels that read it, or 1/2 where two are merged: what new channel k takes of
    /// each that it reads; [n].
    std::span<const float> shares() const { return shares_; }

private:
    const ChannelReassembly& r_;
    std::vector<float> shares_;
};

/// Rows of weights, each as ReassemblyMap::gatherWeights() has it.
void gatherWeights(const ChannelReassembly& r, MatrixView weight);

/// Bits of both lists: 16 an entry, 32 for more than 65536 channels.
uint64_t reassemblyBits(size_t channels);

} // namespace qs
