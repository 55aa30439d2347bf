// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/inspect_hdf5.h"
#include "app/cli/inspect_report.h"
#include "app/cli/text.h"
#include "core/metrics/space_use.h"
#include "core/recipe/recipe.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kOutliersInTable = 3, kOutliersListed = 16;
const std::map<std::string, OutlierRule> kRules = {{"median_ratio", OutlierRule::MedianRatio},
                                                   {"sigma", OutlierRule::Sigma},
                                                   {"llm_int8", OutlierRule::LlmInt8}};

struct InspectOptions {
    std::string model, glob = "*", calibration, rule, map;
    double threshold = 0; ///< 0 = the rule's own
    bool headerOnly = false, outliers = false, tree = false;

    OutlierChoice choice(OutlierRule fallback) const {
        const OutlierRule chosen = rule.empty() ? fallback : kRules.at(rule);
        return {chosen, threshold > 0 ? threshold : outlierRuleDefault(chosen)};
    }
};

std::string bitsText(const TensorInfo& t) {
    return fmt::format("{:.4g}", t.bits());
}

std::string statsTable(const std::vector<TensorReport>& reports) {
    Table t({{"tensor"},
             {"type"},
             {"bits", true},
             {"shape"},
             {"size", true},
             {"min", true},
             {"max", true},
             {"mean", true},
             {"std", true},
             {"kurt", true},
             {"p99 |x|", true},
             {"p99.9 |x|", true},
             {"max/med", true},
             {"outlier input channels"}});
    for (const TensorReport& r : reports) {
        const TensorStats& s = r.stats;
        std::vector<std::string> row = {r.info.name, r.type(), bitsText(r.info), shapeText(r.info.shape),
                                        humanBytes(r.info.bytes)};
        if (r.measured)
            for (double v :
                 {s.min, s.max, s.mean, s.stddev, s.kurtosis, s.p99, s.p999, maxMedianRatio(s.input)})
                row.push_back(number(v));
        row.resize(13);
        row.push_back(outlierText(r.inputOutliers, kOutliersInTable));
        t.add(std::move(row));
    }
    return t.text();
}

std::string headerTable(const std::vector<TensorReport>& reports) {
    Table t({{"tensor"}, {"type"}, {"bits", true}, {"shape"}, {"size", true}, {"file"}});
    for (const TensorReport& r : reports)
        t.add({r.info.name, r.type(), bitsText(r.info), shapeText(r.info.shape), humanBytes(r.info.bytes),
               r.info.file});
    return t.text();
}

std::string outlierTable(const std::vector<TensorReport>& reports) {
    Table t({{"tensor"},
             {"direction"},
             {"channel", true},
             {"absmax", true},
             {"x median", true},
             {"x limit", true}});
    for (const TensorReport& r : reports)
        for (const auto& [name, list] :
             {std::pair("input", &r.inputOutliers), std::pair("output", &r.outputOutliers)})
            for (size_t i = 0; i < list->size() && i < kOutliersListed; ++i) {
                const OutlierChannel& o = (*list)[i];
                t.add({r.info.name, name, std::to_string(o.channel), number(o.absmax), number(o.ratio),
                       number(o.score)});
            }
    return t.empty() ? "No outlier channel.\n" : t.text();
}

Result<std::vector<InspectItem>> selectTensors(const Model& model, const std::string& glob) {
    std::vector<InspectItem> selected;
    for (InspectItem& item : inspectItems(model))
        if (globMatches(glob, item.info.name) || (!item.module.empty() && globMatches(glob, item.module)))
            selected.push_back(std::move(item));
    if (selected.empty()) return Error::notFound(fmt::format("no tensor matches `{}`", glob), "--tensor");
    return selected;
}

/// Progress goes by bytes: tensors differ by orders of magnitude.
Result<std::vector<TensorReport>> measure(const Model& model, const std::vector<InspectItem>& selected,
                                          const OutlierChoice& choice, bool values, const JobContext& job) {
    const size_t count = selected.size();
    double total = 1, done = 0;
    for (const InspectItem& item : selected)
        total += double(item.info.bytes);
    std::vector<TensorReport> reports;
    for (size_t n = 0; n < count; ++n) {
        QS_CHECK(job.checkpoint());
        job.report(fmt::format("Reading tensor {} of {}", n + 1, count), done, total);
        QS_TRY(TensorReport report, reportTensor(model, selected[n], choice, values, job.silent()));
        done += double(report.info.bytes);
        reports.push_back(std::move(report));
    }
    return reports;
}

void showTensors(Console& out, json& result, const std::vector<TensorReport>& reports,
                 const InspectOptions& o, const OutlierChoice& choice) {
    if (out.json()) {
        result["tensors"] = json::array();
        for (const TensorReport& r : reports)
            result["tensors"].push_back(toJson(r, choice));
    } else if (o.headerOnly) {
        out.text(headerTable(reports));
    } else {
        out.text(o.outliers ? outlierTable(reports) : statsTable(reports));
        PackedTable packed;
        for (const TensorReport& r : reports)
            if (r.packed && r.measured) packed.add(r.info.name, *r.packed, r.details);
        if (!packed.empty()) out.text("\n" + packed.text());
        out.text(
            fmt::format("\nOutlier channel: absmax at or above {}. max/med: the largest absmax of an input "
                        "channel over the median.\n",
                        choice.text()));
    }
}

Result<void> showActivations(Console& out, json& result, const Calibration& calibration,
                             const OutlierChoice& choice) {
    if (out.json()) {
        result["calibration"] = calibration.info().fingerprint;
        result["activations"] = json::array();
        for (const SiteRecord& site : calibration.sites()) {
            json entry = activationJson(site, choice);
            QS_TRY(const MatrixD sigma, calibration.sigma(site.site));
            const double use = spaceUse(sigma, site.tokens, site.stats);
            entry["space_use_log2"] = std::isfinite(use) ? json(use) : json();
            result["activations"].push_back(std::move(entry));
        }
        return {};
    }
    const std::string& source = calibration.info().source;
    out.text(calibration.info().activations.empty()
                 ? fmt::format("\nActivations over {} tokens of {}\n\n", calibration.tokens().size(), source)
                 : fmt::format("\nActivations recorded in {}\n\n", source));
    out.text(activationTable(calibration.sites(), choice));
    out.text(fmt::format(
        "\nOutlier channel: absmax at or above {}. flatness: how far the channels' magnitudes are "
        "from equal, 0 to 1.4.\n",
        choice.text()));
    return {};
}

void showTree(Console& out, const MappedHdf5& file) {
    out.text(treeText(file));
    out.result({{"path", file.path().string()}, {"reader", "hdf5"}, {"objects", treeJson(file)}});
}

/// A file of activations alone, or the activations beside its weights.
void showRecorded(Console& out, json& result, const std::vector<ActivationStats>& list,
                  const OutlierChoice& choice) {
    std::vector<SiteRecord> records;
    std::string warnings;
    json entries = json::array();
    for (const ActivationStats& a : list) {
        records.push_back({a.record.site, a.record.channels, a.record.tokens, a.record.stats, {}});
        entries.push_back(activationJson(a.record, choice));
        entries.back()["not_finite"] = a.notFinite;
        if (a.notFinite > 0)
            warnings +=
                fmt::format("{}: {} values are NaN or infinite and left out.\n", a.record.site, a.notFinite);
    }
    result["activations"] = std::move(entries);
    out.text("\nRecorded activations\n\n" + activationTable(records, choice) + warnings);
    out.text(fmt::format("\nOutlier channel: absmax at or above {}.\n", choice.text()));
}

bool hasTensors(const MappedHdf5& file) {
    return std::any_of(file.arrays().begin(), file.arrays().end(), [](const H5MappedArray& a) {
        return a.role != H5Role::Activation && a.role != H5Role::Ignore;
    });
}

Result<void> inspectHdf5(Session& session, const InspectOptions& o) {
    QS_TRY(const auto file, openHdf5(o.model, o.map));
    Console& out = session.console;
    if (o.tree) {
        showTree(out, *file);
        return {};
    }
    if (!o.calibration.empty())
        return Error::unsupported("an HDF5 file is open at tensor level, so no calibration belongs to it",
                                  "--calibration");
    std::vector<ActivationStats> recorded;
    if (!o.headerOnly) {
        QS_TRY(recorded, measureActivations(file, o.glob, session.job));
    }
    json result = {{"path", o.model}, {"reader", "hdf5"}};
    if (hasTensors(*file) || recorded.empty()) {
        QS_TRY(const auto checkpoint, hdf5Checkpoint(file));
        QS_TRY(const auto model, openModel(checkpoint));
        QS_TRY(const auto selected, selectTensors(*model, o.glob));
        const OutlierChoice choice = o.choice(OutlierRule::MedianRatio);
        QS_TRY(const auto reports, measure(*model, selected, choice, !o.headerOnly, session.job));
        result = modelJson(*model);
        out.text(modelText(*model) + "\n");
        showTensors(out, result, reports, o, choice);
    }
    if (!recorded.empty()) showRecorded(out, result, recorded, o.choice(OutlierRule::LlmInt8));
    out.result(result);
    return {};
}

Result<void> inspect(Session& session, const InspectOptions& o) {
    if (isHdf5File(o.model)) return inspectHdf5(session, o);
    if (o.tree || !o.map.empty())
        return Error::invalid("the file is no HDF5 file", o.tree ? "--tree" : "--map");
    QS_TRY(const auto model, openModel(o.model));
    std::shared_ptr<const Calibration> calibration;
    if (!o.calibration.empty()) {
        QS_TRY(calibration, Calibration::open(o.calibration));
        QS_CHECK(calibration->requireFor(*model));
    }
    QS_TRY(const auto selected, selectTensors(*model, o.glob));
    const OutlierChoice choice = o.choice(OutlierRule::MedianRatio);
    QS_TRY(const auto reports, measure(*model, selected, choice, !o.headerOnly, session.job));
    json result = modelJson(*model);
    session.console.text(modelText(*model) + "\n");
    showTensors(session.console, result, reports, o, choice);
    if (calibration)
        QS_CHECK(showActivations(session.console, result, *calibration, o.choice(OutlierRule::LlmInt8)));
    session.console.result(result);
    return {};
}

} // namespace

void addInspect(Commands& commands) {
    auto o = std::make_shared<InspectOptions>();
    CLI::App& app = commands.add("inspect", "Show a model's tensors, their statistics and outlier channels",
                                 {"inspect resources/sample/model", "inspect MODEL --header-only",
                                  "inspect MODEL --tensor 'layers.*.mlp.down_proj' --outliers",
                                  "inspect MODEL --calibration calibration.h5 --json",
                                  "inspect weights.h5 --tree --map weights.map.json"},
                                 [o](Session& session) { return inspect(session, *o); });
    std::vector<std::string> rules;
    for (const auto& rule : kRules)
        rules.push_back(rule.first);
    app.add_option("model", o->model, "Model folder, or a weight file")->required();
    app.add_option("--tensor", o->glob,
                   "Only tensors or modules whose name matches (* any run, ? one character)")
        ->capture_default_str();
    CLI::Option* header =
        app.add_flag("--header-only", o->headerOnly, "List tensors without reading their values");
    app.add_flag("--outliers", o->outliers, "List the outlier channels of both directions")->excludes(header);
    app.add_option("--rule", o->rule,
                   "What an outlier channel is: median_ratio, sigma or llm_int8 [median_ratio; for "
                   "activations llm_int8]")
        ->type_name("ID")
        ->check(CLI::IsMember(rules));
    app.add_option("--threshold", o->threshold, "Threshold of the rule [6]")->check(CLI::Range(1e-6, 1e9));
    app.add_option("--calibration", o->calibration,
                   "Also show the activations measured in this calibration file")
        ->type_name("FILE");
    app.add_flag("--tree", o->tree, "Of an HDF5 file: list every object and what the mapping makes of it")
        ->excludes(header);
    app.add_option("--map", o->map,
                   "Of an HDF5 file: which arrays are weights, biases or activations [FILE.map.json]")
        ->type_name("FILE");
}

} // namespace qs::cli
