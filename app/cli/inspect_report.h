// SPDX-License-Identifier: Apache-2.0
// What `inspect` and `demo` say about a model's tensors and activations.
#pragma once

#include "app/cli/packed_report.h"
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

/// One line of the table to be: a stored tensor, or a packed linear in place of its parts.
struct InspectItem {
    /// Of a packed linear: the weight [out, in] that it stands for; `dtype` says nothing then.
    TensorInfo info;
    size_t tensor = Checkpoint::npos; ///< index in the checkpoint; npos when packed
    std::string module;               ///< of a quantizable tensor, else ""
    std::shared_ptr<const PackedInfo> packed;
    /// "F16", or "int4 g128 asym".
    std::string type() const;
};

/// In the order of the checkpoint. Parts of a damaged packed linear stand for themselves.
std::vector<InspectItem> inspectItems(const Model& model);

struct TensorReport : InspectItem {
    bool measured = false;
    PackedDetails details; ///< of a measured packed linear
    TensorStats stats;
    std::vector<OutlierChannel> inputOutliers, outputOutliers;
};

/// Measures the item when `measure`; packed linears by their dequantized values. Tensors that are not
/// floating point stay unmeasured.
Result<TensorReport> reportTensor(const Model& model, const InspectItem& item, const OutlierChoice& choice,
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
