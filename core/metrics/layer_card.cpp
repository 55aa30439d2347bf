// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/layer_card.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qs {

namespace {

constexpr double kStandsOut = 36, kHeavy = 6, kLight = 4, kUneven = 3;
constexpr size_t kNamed = 8;

using Kind = LayerFinding::Kind;

void energyRule(const LayerFacts& facts, std::vector<LayerFinding>& out) {
    LayerFinding f;
    f.activations = facts.activations;
    const double total = std::accumulate(facts.inputEnergy.begin(), facts.inputEnergy.end(), 0.0);
    if (facts.activations != ActivationsKnown::Yes || !(total > 0)) {
        f.kind = Kind::NoActivations;
        if (facts.activations == ActivationsKnown::Yes) f.activations = ActivationsKnown::NoTokens;
        out.push_back(f);
        return;
    }
    const std::vector<double>& energy = facts.inputEnergy;
    std::vector<double> sorted = energy;
    const auto middle = sorted.begin() + long(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    std::vector<size_t> order(energy.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return energy[a] > energy[b]; });
    size_t n = 0;
    while (n < std::min(kNamed, order.size()) && *middle > 0 && energy[order[n]] >= kStandsOut * *middle)
        ++n;
    f.kind = n > 0 ? Kind::EnergyInFew : Kind::EnergySpread;
    f.channels.assign(order.begin(), order.begin() + long(std::max<size_t>(1, n)));
    for (const size_t c : f.channels)
        f.value += energy[c] / total;
    f.other = double(f.channels.size()) / double(energy.size());
    out.push_back(f);
}

void groupRule(const LayerFacts& facts, std::vector<LayerFinding>& out) {
    const size_t groups = facts.groupShare.size();
    if (groups < 2 || facts.groupSize == 0) return;
    const auto most = std::max_element(facts.groupShare.begin(), facts.groupShare.end());
    const double even = 1.0 / double(groups);
    if (!(*most >= kUneven * even)) return;
    LayerFinding f;
    f.kind = Kind::ErrorInOneGroup;
    f.value = *most;
    f.other = even;
    f.group = size_t(most - facts.groupShare.begin());
    f.first = f.group * facts.groupSize;
    f.last = f.first + facts.groupSize - 1;
    f.outputError = facts.outputError;
    if (f.last < facts.inputEnergy.size()) {
        const auto from = facts.inputEnergy.begin() + long(f.first);
        f.channels = {f.first + size_t(std::max_element(from, from + long(facts.groupSize)) - from)};
    }
    out.push_back(f);
}

} // namespace

std::vector<LayerFinding> layerFindings(const LayerFacts& facts) {
    std::vector<LayerFinding> out;
    energyRule(facts, out);
    if (facts.kurtosis > kHeavy || facts.kurtosis < kLight) { // neither for NaN
        LayerFinding f;
        f.kind = facts.kurtosis > kHeavy ? Kind::HeavyTails : Kind::LightTails;
        f.value = facts.kurtosis;
        out.push_back(f);
    }
    LayerFinding f;
    if (facts.kept) {
        out.push_back(f);
        return out;
    }
    if (!std::isnan(facts.errorNow)) {
        f.kind = Kind::Error;
        f.value = facts.errorNow;
        f.other = facts.errorNearest;
        f.outputError = facts.outputError;
        out.push_back(f);
    } else if (!std::isnan(facts.errorNearest)) {
        f.kind = Kind::NearestError;
        f.value = facts.errorNearest;
        f.outputError = facts.outputError;
        out.push_back(f);
    }
    groupRule(facts, out);
    return out;
}

} // namespace qs
