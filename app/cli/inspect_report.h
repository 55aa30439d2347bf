// SPDX-License-Identifier: Apache-2.0
// What `inspect` and `demo` say about a model's tensors and activations.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/metrics/channel_stats.h"

#include <nlohmann/json_fwd.hpp>

namespace qs::cli {

/// A rule for "outlier channel" with its threshold.
struct OutlierChoice {
    OutlierRule rule = OutlierRule::MedianRatio;
    double threshold = 6;
    std::string text() const { return outlierRuleText(rule, threshold); }
    std::vector<OutlierChannel> rank(const ChannelStats& stats) const {
        return rankOutliers(stats, rule, threshold);
    }
};

/// One line of the table.
struct TensorReport {
    TensorInfo info;
    std::string module; ///< of a quantizable tensor, else ""
    bool measured = false;
    TensorStats stats;
    std::vector<OutlierChannel> inputOutliers, outputOutliers;
};

/// Module of every tensor of the checkpoint, "" where it is not quantizable.
std::vector<std::string> moduleNames(const Model& model);
/// Measures tensor `index` when `measure`; tensors that are not floating point stay unmeasured.
Result<TensorReport> reportTensor(const Checkpoint& checkpoint, size_t index, const OutlierChoice& choice,
                                  bool measure, const JobContext& job);

nlohmann::json toJson(const TensorReport& report, const OutlierChoice& choice);
/// "channels 17 (31.2x), 203 (12.0x), +4 more": the ratio is absmax / median over channels.
std::string outlierText(const std::vector<OutlierChannel>& outliers, size_t atMost);
nlohmann::json outliersJson(const std::vector<OutlierChannel>& outliers);
/// One line per site.
std::string activationTable(const std::vector<SiteRecord>& sites, const OutlierChoice& choice);
nlohmann::json activationJson(const SiteRecord& site, const OutlierChoice& choice);
/// Path, architecture, sizes, tokenizer.
nlohmann::json modelJson(const Model& model);
std::string modelText(const Model& model);

} // namespace qs::cli
