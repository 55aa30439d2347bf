// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/channel_reassembly.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace qs {

ChannelReassembly ChannelReassembly::identity(size_t channels) {
    ChannelReassembly r;
    r.first.resize(channels);
    std::iota(r.first.begin(), r.first.end(), 0u);
    r.second = r.first;
    return r;
}

Result<void> checkReassembly(const ChannelReassembly& r, size_t channels) {
    if (r.first.size() != channels || r.second.size() != channels)
        return Error::invalid(fmt::format("reassembled channels: lists of {} and {} for {} channels",
                                          r.first.size(), r.second.size(), channels));
    std::vector<uint8_t> alone(channels), merged(channels);
    for (size_t k = 0; k < channels; ++k) {
        const uint32_t a = r.first[k], b = r.second[k];
        if (std::max(a, b) >= channels)
            return Error::invalid(
                fmt::format("reassembled channel {} reads {} of {}", k, std::max(a, b), channels));
        if (a == b) {
            alone[a] = 1;
            continue;
        }
        for (const uint32_t c : {a, b}) {
            if (merged[c])
                return Error::invalid(fmt::format("reassembled channel {} merges {} once more", k, c));
            merged[c] = 1;
        }
    }
    for (size_t c = 0; c < channels; ++c)
        if (alone[c] == merged[c])
            return Error::invalid(fmt::format("channel {} is {} reassembled channels", c,
                                              alone[c] ? "both alone in and merged by" : "read by no"));
    return {};
}

ReassemblyMap::ReassemblyMap(const ChannelReassembly& r) : r_(r), shares_(r.first.size(), 0.5f) {
    std::vector<uint32_t> readers(shares_.size());
    for (size_t k = 0; k < shares_.size(); ++k)
        if (r.first[k] == r.second[k]) ++readers[r.first[k]];
    for (size_t k = 0; k < shares_.size(); ++k)
        if (r.first[k] == r.second[k]) shares_[k] = 1 / float(readers[r.first[k]]);
}

void ReassemblyMap::gather(float* row, std::span<float> scratch) const {
    for (size_t k = 0; k < shares_.size(); ++k) {
        const uint32_t a = r_.first[k], b = r_.second[k];
        scratch[k] = shares_[k] * (a == b ? row[a] : row[a] + row[b]);
    }
    std::copy_n(scratch.begin(), shares_.size(), row);
}

void ReassemblyMap::spread(float* row, std::span<float> scratch) const {
    for (size_t k = 0; k < shares_.size(); ++k) {
        const uint32_t a = r_.first[k], b = r_.second[k];
        scratch[a] = scratch[b] = a == b ? row[k] / shares_[k] : row[k];
    }
    std::copy_n(scratch.begin(), shares_.size(), row);
}

void ReassemblyMap::gatherWeights(float* row, std::span<float> scratch) const {
    for (size_t k = 0; k < shares_.size(); ++k) {
        const uint32_t a = r_.first[k], b = r_.second[k];
        scratch[k] = a == b ? row[a] : row[a] + row[b];
    }
    std::copy_n(scratch.begin(), shares_.size(), row);
}

void ReassemblyMap::spreadWeights(float* row, std::span<float> scratch) const {
    std::fill_n(scratch.begin(), shares_.size(), 0.0f);
    for (size_t k = 0; k < shares_.size(); ++k) {
        const uint32_t a = r_.first[k], b = r_.second[k];
        scratch[a] += shares_[k] * row[k];
        if (a != b) scratch[b] += shares_[k] * row[k];
    }
    std::copy_n(scratch.begin(), shares_.size(), row);
}

void ReassemblyMap::gatherSigma(MatrixD& sigma) const {
    const size_t n = shares_.size();
    MatrixD out(n, n);
    for (size_t k = 0; k < n; ++k) {
        const double *a = sigma.row(r_.first[k]), *b = sigma.row(r_.second[k]);
        const double both = r_.first[k] == r_.second[k] ? 0.5 : 1.0; // the same row is added twice
        for (size_t l = 0; l < n; ++l) {
            const uint32_t c = r_.first[l], d = r_.second[l];
            const double sum = a[c] + b[c] + (c == d ? 0.0 : a[d] + b[d]);
            out(k, l) = both * double(shares_[k]) * double(shares_[l]) * sum;
        }
    }
    sigma = std::move(out);
}

void gatherWeights(const ChannelReassembly& r, MatrixView weight) {
    const ReassemblyMap map(r);
    std::vector<float> scratch(weight.cols);
    for (size_t row = 0; row < weight.rows; ++row)
        map.gatherWeights(weight.row(row), scratch);
}

uint64_t reassemblyBits(size_t channels) {
    return uint64_t(channels) * 2 * (channels > 65536 ? 32 : 16);
}

} // namespace qs
