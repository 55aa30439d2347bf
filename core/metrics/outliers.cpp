// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/channel_stats.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

/// The mean of the two middle values when there is an even number.
double median(std::vector<float> values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + ptrdiff_t(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2) return *middle;
    return (double(*std::max_element(values.begin(), middle)) + double(*middle)) / 2;
}

/// Of the whole tensor, from channels with the same number of values each.
double wholeStddev(const ChannelStats& stats) {
    Moments whole;
    for (size_t c = 0; c < stats.channels(); ++c)
        whole.merge({1.0, stats.mean[c], double(stats.stddev[c]) * double(stats.stddev[c]), 0, 0});
    return whole.stddev();
}

} // namespace

const char* outlierRuleId(OutlierRule rule) {
    switch (rule) {
    case OutlierRule::MedianRatio:
        return "median_ratio";
    case OutlierRule::Sigma:
        return "sigma";
    case OutlierRule::LlmInt8:
        return "llm_int8";
    }
    return "";
}

double outlierRuleDefault(OutlierRule rule) {
    switch (rule) {
    case OutlierRule::MedianRatio:
        return 6.0;
    case OutlierRule::Sigma:
        return 6.0;
    case OutlierRule::LlmInt8:
        return 6.0;
    }
    return 0;
}

std::string outlierRuleText(OutlierRule rule, double threshold) {
    switch (rule) {
    case OutlierRule::MedianRatio:
        return fmt::format("{:g} x median", threshold);
    case OutlierRule::Sigma:
        return fmt::format("{:g} x standard deviation", threshold);
    case OutlierRule::LlmInt8:
        return fmt::format("absolute value {:g}", threshold);
    }
    return {};
}

double outlierLimit(const ChannelStats& stats, OutlierRule rule, double threshold) {
    switch (rule) {
    case OutlierRule::MedianRatio:
        return threshold * median(stats.absmax);
    case OutlierRule::Sigma:
        return threshold * wholeStddev(stats);
    case OutlierRule::LlmInt8:
        return threshold;
    }
    return 0;
}

std::vector<OutlierChannel> rankOutliers(const ChannelStats& stats, OutlierRule rule, double threshold) {
    std::vector<OutlierChannel> list;
    const double limit = outlierLimit(stats, rule, threshold);
    if (!(limit > 0)) return list;
    const double middle = median(stats.absmax);
    for (size_t c = 0; c < stats.channels(); ++c) {
        const double absmax = stats.absmax[c];
        if (absmax >= limit)
            list.push_back({c, stats.absmax[c], middle > 0 ? absmax / middle : 0, absmax / limit});
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const OutlierChannel& a, const OutlierChannel& b) { return a.absmax > b.absmax; });
    return list;
}

double maxMedianRatio(const ChannelStats& stats) {
    const double middle = median(stats.absmax);
    if (!(middle > 0)) return 0;
    return double(*std::max_element(stats.absmax.begin(), stats.absmax.end())) / middle;
}

} // namespace qs
