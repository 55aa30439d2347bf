// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/scored_tokens.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <random>

namespace qs {

namespace {

constexpr double kMaskedShare = 0.15;

/// `count` different positions below `length`, ascending. Drawn by hand: std::shuffle may differ between
/// standard libraries, and a seed must mean the same positions.
std::vector<size_t> drawPositions(size_t length, size_t count, uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::vector<size_t> all(length);
    std::iota(all.begin(), all.end(), size_t(0));
    for (size_t i = 0; i < count; ++i)
        std::swap(all[i], all[i + rng() % (length - i)]);
    all.resize(count);
    std::sort(all.begin(), all.end());
    return all;
}

} // namespace

ScoredWindows nextTokens(const TokenWindows& tokens) {
    ScoredWindows s;
    s.input = tokens.clone();
    for (size_t w = 0; w < tokens.rows(); ++w)
        for (size_t t = 0; t + 1 < tokens.cols(); ++t)
            s.scored.push_back({w * tokens.cols() + t, size_t(tokens(w, t + 1))});
    s.protocol = fmt::format("{} windows of {} tokens, first token of a window is context only",
                             tokens.rows(), tokens.cols());
    return s;
}

ScoredWindows maskedTokens(const TokenWindows& tokens, int32_t mask, uint64_t seed) {
    ScoredWindows s;
    s.input = tokens.clone();
    const size_t length = tokens.cols(),
                 count = std::max<size_t>(1, size_t(std::lround(kMaskedShare * double(length))));
    for (size_t w = 0; w < tokens.rows(); ++w)
        for (const size_t t : drawPositions(length, count, seed ^ (0x9e3779b97f4a7c15ull * (w + 1)))) {
            s.scored.push_back({w * length + t, size_t(tokens(w, t))});
            s.input(w, t) = mask;
        }
    s.protocol = fmt::format("{} windows of {} tokens, {} of each masked and scored (seed {})", tokens.rows(),
                             length, count, seed);
    return s;
}

Result<ScoredWindows> scoredWindows(const ModelSpec& spec, const TokenWindows& tokens, uint64_t maskSeed) {
    QS_CHECK(checkTokens(tokens, spec.vocabulary));
    if (tokens.rows() == 0 || tokens.cols() < 2)
        return Error::invalid(fmt::format("windows of at least 2 tokens are needed, got [{}, {}]",
                                          tokens.rows(), tokens.cols()));
    if (tokens.size() > size_t(std::numeric_limits<int32_t>::max()))
        return Error::invalid(fmt::format("at most {} tokens are evaluated at once, got [{}, {}]",
                                          std::numeric_limits<int32_t>::max(), tokens.rows(), tokens.cols()));
    if (spec.causal) return nextTokens(tokens);
    if (spec.maskToken < 0)
        return Error::unsupported(
            "an encoder is measured by its masked-token loss, and no tokenizer beside the "
            "model says which token is [MASK]",
            spec.architecture);
    return maskedTokens(tokens, spec.maskToken, maskSeed);
}

} // namespace qs
