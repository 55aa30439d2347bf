// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/residual_trace.h"

#include "core/text/tokenizer.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>

namespace qs {

namespace {

/// True for text of punctuation and white space as Tokenizer::display shows it ("␣", "\n").
bool isDelimiter(const std::string& shown) {
    static const std::string kSpace = "\xE2\x90\xA3";
    bool any = false;
    for (size_t i = 0; i < shown.size();) {
        const bool space = shown.compare(i, kSpace.size(), kSpace) == 0;
        const bool escape = shown[i] == '\\' && i + 1 < shown.size() && std::strchr("ntr", shown[i + 1]);
        if (!space && !escape && !std::ispunct(static_cast<unsigned char>(shown[i]))) return false;
        any = true;
        i += space ? kSpace.size() : escape ? 2 : 1;
    }
    return any;
}

double quantile(std::vector<double>& sorted, double p) {
    if (sorted.empty()) return 0;
    const double h = double(sorted.size() - 1) * p;
    const size_t k = size_t(h);
    const double next = sorted[std::min(k + 1, sorted.size() - 1)];
    return sorted[k] + (h - double(k)) * (next - sorted[k]);
}

void findBirth(const ResidualTrace& trace, const MassiveRule& rule, ChannelPath& path) {
    const std::vector<double>& v = path.value;
    size_t first = 0;
    while (first < v.size() && !rule.passes(v[first], trace.points[first].median))
        ++first;
    if (first == v.size()) return;
    path.born = 0;
    if (first == 0) {
        path.jump = v[0] / trace.points[0].median;
        return;
    }
    for (size_t p = 1; p <= first; ++p) {
        const double jump = v[p - 1] > 0 ? v[p] / v[p - 1] : INFINITY;
        if (!(jump > path.jump)) continue;
        path.jump = jump;
        path.born = p;
    }
}

void findDeath(const ResidualTrace& trace, size_t channel, TokenFilter filter, const MassiveRule& rule,
               ChannelPath& path) {
    const std::vector<double>& v = path.value;
    size_t last = v.size();
    for (size_t p = 0; p < v.size(); ++p)
        if (rule.passes(v[p], trace.points[p].median)) last = p;
    if (last + 1 >= v.size() || trace.points[last + 1].kind != TracePoint::Kind::Half) return;
    path.dies = last + 1;
    const Peak before = trace.peak(last, channel, filter), wrote = trace.written[last + 1][channel];
    path.opposed = wrote.token == before.token && wrote.value * before.value < 0;
}

void findGain(const ResidualTrace& trace, size_t channel, ChannelPath& path) {
    for (size_t g = 0; g < trace.gains.size(); ++g) {
        const double median = medianMagnitude(trace.gains[g].gain);
        const double ratio = median > 0 ? std::fabs(double(trace.gains[g].gain[channel])) / median : 0;
        if (!(ratio > path.gainRatio)) continue;
        path.gainRatio = ratio;
        if (ratio >= kAmplifyingGain) path.amplifiedBy = g;
    }
}

} // namespace

std::vector<TokenClass> tokenClasses(std::span<const int32_t> ids, const Tokenizer& tokenizer) {
    std::vector<TokenClass> out;
    for (size_t i = 0; i < ids.size(); ++i)
        out.push_back(i == 0 || ids[i] == tokenizer.bosId()    ? TokenClass::First
                      : isDelimiter(tokenizer.display(ids[i])) ? TokenClass::Delimiter
                                                               : TokenClass::Other);
    return out;
}

Peak ResidualTrace::peak(size_t point, size_t channel, TokenFilter filter) const {
    Peak best;
    bool any = false;
    for (size_t c = 0; c < kTokenClasses; ++c) {
        if (!filter.has(c)) continue;
        const Peak& p = peaks[c][point][channel];
        if (any && !(std::fabs(p.value) > std::fabs(best.value))) continue;
        best = p;
        any = true;
    }
    return best;
}

ChannelPath channelPath(const ResidualTrace& trace, size_t channel, TokenFilter filter,
                        const MassiveRule& rule) {
    ChannelPath path;
    for (size_t p = 0; p < trace.points.size(); ++p)
        path.value.push_back(std::fabs(double(trace.peak(p, channel, filter).value)));
    findBirth(trace, rule, path);
    if (path.born) findDeath(trace, channel, filter, rule, path);
    findGain(trace, channel, path);
    return path;
}

TraceBand traceBand(const ResidualTrace& trace, TokenFilter filter) {
    TraceBand band;
    std::vector<double> values(trace.channels);
    for (size_t p = 0; p < trace.points.size(); ++p) {
        for (size_t c = 0; c < trace.channels; ++c)
            values[c] = std::fabs(double(trace.peak(p, c, filter).value));
        std::sort(values.begin(), values.end());
        band.median.push_back(quantile(values, 0.5));
        band.p99.push_back(quantile(values, 0.99));
    }
    return band;
}

std::vector<size_t> tellingChannels(const ResidualTrace& trace, const MassiveRule& rule, size_t limit) {
    struct Found {
        size_t channel;
        bool massive;
        double score;
    };
    std::vector<double> medians;
    for (const NormGain& g : trace.gains)
        medians.push_back(medianMagnitude(g.gain));
    std::vector<Found> found;
    for (size_t c = 0; c < trace.channels; ++c) {
        double stream = 0, gain = 0;
        for (size_t p = 0; p < trace.points.size(); ++p) {
            const double v = std::fabs(double(trace.peak(p, c).value));
            if (rule.passes(v, trace.points[p].median)) stream = std::max(stream, v / trace.points[p].median);
        }
        for (size_t g = 0; g < trace.gains.size(); ++g)
            if (medians[g] > 0) gain = std::max(gain, std::fabs(double(trace.gains[g].gain[c])) / medians[g]);
        if (stream > 0)
            found.push_back({c, true, stream});
        else if (gain >= kAmplifyingGain)
            found.push_back({c, false, gain});
    }
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
        return a.massive != b.massive ? a.massive : a.score > b.score;
    });
    std::vector<size_t> out;
    for (size_t i = 0; i < std::min(limit, found.size()); ++i)
        out.push_back(found[i].channel);
    return out;
}

} // namespace qs
