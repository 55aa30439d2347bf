// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/super_weights.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr double kLeastShare = 0.5;

struct Output {
    size_t token = 0, row = 0;
    float value = 0;
};

/// The largest of every output channel, largest first.
std::vector<Output> largestOutputs(ConstMatrixView y) {
    std::vector<Output> all(y.cols);
    for (size_t r = 0; r < y.cols; ++r)
        all[r].row = r;
    for (size_t t = 0; t < y.rows; ++t)
        for (size_t r = 0; r < y.cols; ++r)
            if (std::fabs(y(t, r)) > std::fabs(all[r].value)) all[r] = {t, r, y(t, r)};
    std::stable_sort(all.begin(), all.end(), [](const Output& a, const Output& b) {
        return std::fabs(a.value) > std::fabs(b.value);
    });
    return all;
}

double medianOfAll(ConstMatrixView m) {
    return medianMagnitude({m.data, m.size()});
}

} // namespace

Result<std::vector<DownSpike>> downSpikes(ConstMatrixView x, ConstMatrixView y, size_t limit,
                                          const std::function<Result<std::vector<float>>(size_t row)>& row) {
    if (x.rows != y.rows || !x.contiguous() || !y.contiguous())
        return Error::invalid(fmt::format("[downSpikes] inputs of {} tokens, outputs of {}", x.rows, y.rows));
    std::vector<DownSpike> spikes;
    const double medianX = medianOfAll(x), medianY = medianOfAll(y);
    const std::vector<Output> outputs = largestOutputs(y);
    for (size_t i = 0; i < std::min(limit, outputs.size()); ++i) {
        DownSpike s;
        s.token = outputs[i].token;
        s.row = outputs[i].row;
        s.y = outputs[i].value;
        s.medianX = medianX;
        s.medianY = medianY;
        QS_TRY(const std::vector<float> w, row(s.row));
        if (w.size() != x.cols)
            return Error::invalid(fmt::format("[downSpikes] {} weights for {} inputs", w.size(), x.cols));
        double strongest = -1;
        for (size_t j = 0; j < w.size(); ++j) {
            const double term = std::fabs(double(w[j]) * double(x(s.token, j)));
            if (!(term > strongest)) continue;
            strongest = term;
            s.column = j;
        }
        s.w = w[s.column];
        s.x = x(s.token, s.column);
        spikes.push_back(std::move(s));
    }
    return spikes;
}

bool isSuperWeight(const DownSpike& s, const MassiveRule& rule) {
    return rule.passes(std::fabs(s.x), s.medianX) && rule.passes(std::fabs(s.y), s.medianY) &&
           s.share() >= kLeastShare;
}

std::vector<DownSpike> superWeights(const std::vector<DownSpike>& spikes, const MassiveRule& rule) {
    std::vector<DownSpike> out;
    std::copy_if(spikes.begin(), spikes.end(), std::back_inserter(out),
                 [&](const DownSpike& s) { return isSuperWeight(s, rule); });
    std::stable_sort(out.begin(), out.end(), [](const DownSpike& a, const DownSpike& b) {
        return std::fabs(a.contribution()) > std::fabs(b.contribution());
    });
    return out;
}

} // namespace qs
