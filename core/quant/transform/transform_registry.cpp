// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/transform.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const TransformDescriptor& transform_##id();
#include "qs/transforms.inc"
#undef QS_ENTRY

std::span<const TransformDescriptor* const> transforms() {
#define QS_ENTRY(id) &transform_##id(),
    static const TransformDescriptor* const table[] = {
#include "qs/transforms.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const TransformDescriptor*> findTransform(const std::string& id) {
    std::string known;
    for (const TransformDescriptor* d : transforms()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no transform '{}'; known: {}", id, known));
}

std::vector<float> channelShift(ChannelShift shift, std::span<const float> low, std::span<const float> high) {
    std::vector<float> z(low.size(), 0.0f);
    if (shift == ChannelShift::None) return z;
    double share = 0.5; // of a range, below its zero
    if (shift == ChannelShift::ZeroPoint) {
        double sum = 0, count = 0;
        for (size_t c = 0; c < low.size(); ++c) {
            if (!(high[c] > low[c])) continue;
            sum -= double(low[c]) / (double(high[c]) - double(low[c]));
            count += 1;
        }
        if (count > 0) share = sum / count;
    }
    for (size_t c = 0; c < low.size(); ++c)
        z[c] = float(double(low[c]) + share * (double(high[c]) - double(low[c])));
    return z;
}

const char* needsName(const TransformDescriptor& transform) {
    return transform.needsSigma ? "sigma" : "channel statistics";
}

std::vector<float> pooledMaximum(std::vector<float> values, std::span<const size_t> tie) {
    if (tie.empty()) return values;
    std::vector<float> top(*std::max_element(tie.begin(), tie.end()) + 1, 0.0f);
    for (size_t c = 0; c < tie.size(); ++c)
        top[tie[c]] = std::max(top[tie[c]], values[c]);
    for (size_t c = 0; c < tie.size(); ++c)
        values[c] = top[tie[c]];
    return values;
}

namespace {

std::vector<float> pooledRms(std::vector<float> values, std::span<const size_t> tie) {
    if (tie.empty() || values.empty()) return values;
    const size_t n = *std::max_element(tie.begin(), tie.end()) + 1;
    std::vector<double> squares(n), count(n);
    for (size_t c = 0; c < tie.size(); ++c) {
        squares[tie[c]] += double(values[c]) * double(values[c]);
        count[tie[c]] += 1;
    }
    for (size_t c = 0; c < tie.size(); ++c)
        values[c] = float(std::sqrt(squares[tie[c]] / count[tie[c]]));
    return values;
}

Result<void> checkInput(const TransformDescriptor& transform, const TransformInput& in) {
    if (in.readers.empty()) return Error::internal("a transform needs a linear that is quantized");
    const size_t n = in.channels();
    for (const TransformReader& r : in.readers)
        if (r.weight.cols != n || !r.codec || (r.sigma && (r.sigma->rows() != n || r.sigma->cols() != n)))
            return Error::invalid(fmt::format("the linears do not agree on {} channels", n));
    if (in.absmax.size() != n || (transform.needsSigma && in.rms.size() != n) ||
        (!in.tie.empty() && in.tie.size() != n))
        return Error::invalid(fmt::format("statistics are not of {} channels", n));
    return {};
}

} // namespace

Result<std::vector<float>> chooseFactors(const TransformDescriptor& transform, TransformInput in,
                                         const JobContext& job) {
    constexpr float kLargest = 1e20f;
    QS_CHECK(checkInput(transform, in));
    in.absmax = pooledMaximum(std::move(in.absmax), in.tie);
    in.rms = pooledRms(std::move(in.rms), in.tie);
    QS_TRY(std::vector<float> s, transform.choose(in, job));
    if (s.size() != in.channels()) return Error::internal("the transform chose too few factors");
    for (size_t c = 0; c < s.size(); ++c)
        if (!(s[c] >= 1 / kLargest && s[c] <= kLargest))
            return Error::invalid(fmt::format("{} gives channel {} the factor {}", transform.label, c, s[c]));
    if (in.tie.empty()) return s;
    if (pooledMaximum(s, in.tie) != s) return Error::internal("tied channels got different factors");
    return s;
}

} // namespace qs
