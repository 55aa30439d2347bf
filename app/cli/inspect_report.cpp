// SPDX-License-Identifier: Apache-2.0
#include "app/cli/inspect_report.h"

#include "app/cli/text.h"
#include "core/metrics/space_use.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kHistogramBins = 256, kOutliersInTable = 3;

float largest(const ChannelStats& s) {
    return s.absmax.empty() ? 0 : *std::max_element(s.absmax.begin(), s.absmax.end());
}

json channelJson(const ChannelStats& s, const std::vector<OutlierChannel>& outliers) {
    return {{"channels", s.channels()},
            {"max_median_ratio", maxMedianRatio(s)},
            {"flatness", flatness(s)},
            {"outliers", outliersJson(outliers)}};
}

/// Linears that are not quantized already.
size_t quantizable(const Model& model) {
    return size_t(std::count_if(model.targets().begin(), model.targets().end(),
                                [](const QuantTarget& t) { return !t.packed; }));
}

json statsJson(const TensorStats& s) {
    return {{"min", s.min},     {"max", s.max},       {"absmax", s.absmax},
            {"mean", s.mean},   {"stddev", s.stddev}, {"kurtosis", s.kurtosis},
            {"p50", s.p50},     {"p99", s.p99},       {"p999", s.p999},
            {"count", s.count}, {"zeros", s.zeros},   {"not_finite", s.notFinite}};
}

} // namespace

std::string InspectItem::type() const {
    return packed ? packed->format : std::string(info.typeName());
}

std::vector<InspectItem> inspectItems(const Model& model) {
    const auto& tensors = model.checkpoint().tensors();
    const PackedLinears packed = packedLinears(model);
    std::map<std::string, std::string> moduleOf;
    for (const QuantTarget& target : model.targets()) {
        // A fused tensor is several linears.
        std::string& module =
            moduleOf[target.packed ? target.packed->module + ".weight" : target.place.tensor];
        module += (module.empty() ? "" : ", ") + target.module;
    }
    std::vector<InspectItem> items;
    for (size_t i = 0; i < tensors.size(); ++i) {
        InspectItem item;
        if (const auto it = packed.at.find(i); it != packed.at.end()) {
            const PackedInfo& p = *it->second;
            item.packed = it->second;
            item.info.name = p.module + ".weight";
            item.info.shape = {p.out, p.in};
            item.info.bytes = p.storedBytes;
            item.info.file = tensors[i].file;
        } else if (!packed.isPart[i]) {
            item.info = tensors[i];
            item.tensor = i;
        } else {
            continue;
        }
        if (const auto it = moduleOf.find(item.info.name); it != moduleOf.end()) item.module = it->second;
        items.push_back(std::move(item));
    }
    return items;
}

Result<TensorReport> reportTensor(const Model& model, const InspectItem& item, const OutlierChoice& choice,
                                  bool measure, const JobContext& job) {
    TensorReport r;
    static_cast<InspectItem&>(r) = item;
    if (!measure || (!item.packed && !r.info.readable()) || r.info.elements() == 0) return r;
    std::unique_ptr<PackedLinear> packed;
    if (item.packed) {
        QS_TRY(packed, model.packed().find(item.packed->module));
    }
    const auto read = [&](uint64_t first, MatrixView out) {
        return packed ? packed->readRows(first, out) : model.checkpoint().readRows(item.tensor, first, out);
    };
    auto stats = tensorStats(r.info.rows(), r.info.cols(), read, kHistogramBins, job);
    if (!stats) return stats.takeError().at(r.info.name);
    r.stats = std::move(stats).value();
    if (packed) {
        QS_TRY(r.details, measurePacked(*packed, job));
    }
    r.measured = true;
    r.inputOutliers = choice.rank(r.stats.input);
    r.outputOutliers = choice.rank(r.stats.output);
    return r;
}

json outliersJson(const std::vector<OutlierChannel>& outliers) {
    json list = json::array();
    for (const OutlierChannel& o : outliers)
        list.push_back(
            {{"channel", o.channel}, {"absmax", o.absmax}, {"ratio", o.ratio}, {"score", o.score}});
    return list;
}

json toJson(const TensorReport& r, const OutlierChoice& choice) {
    json out = {{"name", r.info.name},
                {"dtype", r.packed ? json() : json(r.type())},
                {"bits_per_weight", r.info.bits()},
                {"shape", r.info.shape},
                {"bytes", r.info.bytes},
                {"file", r.info.file},
                {"module", r.module.empty() ? json() : json(r.module)}};
    if (!r.info.notReadable.empty()) out["not_readable"] = r.info.notReadable;
    if (r.packed) out["packed"] = packedJson(*r.packed, r.measured ? &r.details : nullptr);
    if (!r.measured) return out;
    out["stats"] = statsJson(r.stats);
    out["outlier_rule"] = choice.text();
    out["input"] = channelJson(r.stats.input, r.inputOutliers);
    out["output"] = channelJson(r.stats.output, r.outputOutliers);
    return out;
}

json activationJson(const SiteRecord& site, const OutlierChoice& choice) {
    const ChannelStats& s = site.stats;
    return {{"site", site.site},
            {"channels", site.channels},
            {"tokens", site.tokens},
            {"absmax", largest(s)},
            {"max_median_ratio", maxMedianRatio(s)},
            {"flatness", flatness(s)},
            {"outlier_rule", choice.text()},
            {"outliers", outliersJson(choice.rank(s))}};
}

std::string activationTable(const std::vector<SiteRecord>& sites, const OutlierChoice& choice) {
    Table t({{"site"},
             {"channels", true},
             {"tokens", true},
             {"absmax", true},
             {"max/med", true},
             {"flatness", true},
             {"outliers", true},
             {"largest"}});
    for (const SiteRecord& site : sites) {
        const auto outliers = choice.rank(site.stats);
        t.add({site.site, std::to_string(site.channels), std::to_string(site.tokens),
               number(largest(site.stats)), number(maxMedianRatio(site.stats)), number(flatness(site.stats)),
               std::to_string(outliers.size()), outlierText(outliers, kOutliersInTable)});
    }
    return t.text();
}

std::string outlierText(const std::vector<OutlierChannel>& outliers, size_t atMost) {
    std::string text;
    for (size_t i = 0; i < outliers.size() && i < atMost; ++i)
        text += fmt::format("{}{} ({:.1f}x)", i ? ", " : "", outliers[i].channel, outliers[i].ratio);
    if (outliers.size() > atMost) text += fmt::format(", {} more", outliers.size() - atMost);
    return text;
}

json modelJson(const Model& model) {
    const Checkpoint& c = model.checkpoint();
    const PackedLinears packed = packedLinears(model);
    json out = {
        {"path", c.root().string()},          {"reader", c.readerId()},  {"tensor_count", c.tensors().size()},
        {"elements", model.parameterCount()}, {"bytes", c.totalBytes()}, {"quantizable", quantizable(model)},
        {"packed", storedForms(packed)}};
    out["architecture"] = model.hasForward() ? json(model.spec().architecture) : json();
    if (model.hasForward()) {
        const ModelSpec& s = model.spec();
        out["config"] = {
            {"blocks", s.blocks.size()},  {"hidden", s.hidden},   {"intermediate", s.intermediate},
            {"vocabulary", s.vocabulary}, {"heads", s.heads},     {"kv_heads", s.kvHeads},
            {"head_dim", s.headDim},      {"context", s.context}, {"tied_head", s.head.tied}};
    } else {
        out["architecture_reason"] = model.noForwardReason();
    }
    out["tokenizer"] = model.tokenizer() ? json(model.tokenizer()->description()) : json();
    if (!model.tokenizer()) out["tokenizer_reason"] = model.noTokenizerReason();
    return out;
}

std::string modelText(const Model& model) {
    const Checkpoint& c = model.checkpoint();
    Fields f;
    f.add("Model", c.root().string());
    const PackedLinears packed = packedLinears(model);
    f.add("Size", fmt::format("{} parameters, {} in {} tensors ({})", humanCount(model.parameterCount()),
                              humanBytes(c.totalBytes()), c.tensors().size(), c.readerId()));
    if (model.hasForward()) {
        const ModelSpec& s = model.spec();
        f.add("Architecture",
              fmt::format("{}: {} blocks, hidden {}, intermediate {}, {} heads ({} key-value), context {}",
                          s.architecture, s.blocks.size(), s.hidden, s.intermediate, s.heads, s.kvHeads,
                          s.context));
    } else {
        f.add("Architecture", "tensor level only: " + model.noForwardReason());
    }
    f.add("Tokenizer", model.tokenizer() ? fmt::format("{}, {} entries", model.tokenizer()->description(),
                                                       model.tokenizer()->vocabularySize())
                                         : "none: " + model.noTokenizerReason());
    f.add("Quantizable", fmt::format("{} linears", quantizable(model)));
    for (const std::string& form : storedForms(packed))
        f.add("Stored as", form);
    return f.text();
}

} // namespace qs::cli
