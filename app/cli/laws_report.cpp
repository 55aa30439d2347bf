// SPDX-License-Identifier: Apache-2.0
#include "app/cli/laws_report.h"

#include "app/cli/text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr double kPublishedBits[] = {2, 3, 4};

json numberOrNull(double value) {
    return std::isfinite(value) ? json(value) : json();
}

std::string mib(double bits) {
    return fmt::format("{:.2f}", bits / 8 / 0x1p20);
}

std::string percent(double share) {
    return std::isfinite(share) ? fmt::format("{:.2f}", 100 * share) : "-";
}

std::string widthText(int width) {
    return width > 0 ? std::to_string(width) : "mixed";
}

std::string linesText(const MeasuredPoints& m) {
    std::string out;
    for (const WidthLine& l : m.law.lines)
        out += fmt::format("{} bits: {} = {:.4g} {:+.4g} log2(bits), {} points, {} to {} MiB\n", l.width,
                           m.byKl ? "KL" : "loss", l.intercept, l.slope, l.points, mib(l.leastBits),
                           mib(l.mostBits));
    for (const BestWidth& r : m.law.ranges)
        out += fmt::format("{} to {} MiB: {} bits are best of {}\n", mib(r.leastBits), mib(r.mostBits),
                           r.width, fmt::join(r.compared, ", "));
    return out;
}

const char* verdictId(KBitLaw::Verdict verdict) {
    switch (verdict) {
    case KBitLaw::Verdict::Undecided:
        return "undecided";
    case KBitLaw::Verdict::Agrees:
        return "agrees";
    case KBitLaw::Verdict::Partly:
        return "partly";
    case KBitLaw::Verdict::Disagrees:
        return "disagrees";
    }
    return "";
}

} // namespace

Result<Degradation> degradationOf(const Model& model, double tokens, double bits) {
    Degradation d;
    QS_TRY(d.parameters, nonEmbeddingParameters(model));
    d.tokens = tokens;
    if (!(tokens > 0)) return d;
    std::vector<double> widths(std::begin(kPublishedBits), std::end(kPublishedBits));
    if (bits > 0 && std::ranges::find(widths, bits) == widths.end()) widths.push_back(bits);
    std::ranges::sort(widths);
    for (const double width : widths) {
        QS_TRY(QidEstimate e, estimateQid(double(d.parameters), tokens, width));
        d.at.emplace_back(width, std::move(e));
    }
    return d;
}

std::string degradationText(const Degradation& d) {
    const QidFit fit;
    std::string out = fmt::format("Degradation expected of quantizing ({} parameters without embeddings",
                                  humanCount(d.parameters));
    if (d.at.empty())
        return out + "): give --training-tokens, the number of tokens that the model was trained on\n";
    out += fmt::format(", {:.3g} training tokens)\n", d.tokens);
    Table t({{"bits", true}, {"added loss, nats per token", true}, {"the fit's range"}});
    for (const auto& [bits, e] : d.at)
        t.add({fmt::format("{:g}", bits), fmt::format("{:.4f}", e.nats),
               e.outside.empty() ? "inside" : fmt::format("outside: {}", fmt::join(e.outside, "; "))});
    return out + t.text() +
           fmt::format(
               "{:g} D^{:g} / (N^{:g} P^{:g}), fitted to Pythia (160M to 12B) with GPTQ: Ouyang et al. "
               "2025, arXiv:2411.17691\n",
               fit.k, fit.beta, fit.alpha, fit.gamma);
}

json degradationJson(const Degradation& d) {
    json at = json::array();
    for (const auto& entry : d.at)
        at.push_back({{"bits", entry.first},
                      {"added_loss", entry.second.nats},
                      {"inside", entry.second.outside.empty()},
                      {"outside", entry.second.outside}});
    return {{"parameters", d.parameters},
            {"training_tokens", d.tokens > 0 ? json(d.tokens) : json()},
            {"estimates", at}};
}

std::string pointsText(const MeasuredPoints& m) {
    Table t({{"run"},
             {"width", true},
             {"bits per weight", true},
             {"total, MiB", true},
             {"loss, nats", true},
             {"KL, nats", true},
             {"frontier"}});
    for (size_t i = 0; i < m.points.size(); ++i) {
        const MeasuredPoint& p = m.points[i];
        t.add({p.at.label, widthText(p.at.width),
               std::isfinite(p.bitsPerWeight) ? fmt::format("{:.3f}", p.bitsPerWeight) : "-",
               mib(p.at.totalBits), fmt::format("{:.5f} ± {:.5f}", p.nll, p.nllStderr),
               fmt::format("{:.5f} ± {:.5f}", p.kl, p.klStderr), m.law.onFrontier[i] ? "yes" : ""});
    }
    return fmt::format("Accuracy against total bits, by {} on {}\n{}, ± is one standard error\n\n{}{}{}\n"
                       "Four bits were best at equal total bits from 19M to 176B parameters: Dettmers and "
                       "Zettlemoyer 2023, arXiv:2212.09720\n",
                       m.byKl ? "KL divergence from the original" : "loss", m.source, m.protocol, t.text(),
                       linesText(m), kBitVerdict(m.law));
}

json pointsJson(const MeasuredPoints& m) {
    json points = json::array(), lines = json::array(), ranges = json::array();
    for (size_t i = 0; i < m.points.size(); ++i) {
        const MeasuredPoint& p = m.points[i];
        points.push_back({{"name", p.at.label},
                          {"width", p.at.width > 0 ? json(p.at.width) : json()},
                          {"bits_per_weight", numberOrNull(p.bitsPerWeight)},
                          {"total_bits", p.at.totalBits},
                          {"nll", p.nll},
                          {"nll_stderr", p.nllStderr},
                          {"kl", p.kl},
                          {"kl_stderr", p.klStderr},
                          {"frontier", m.law.onFrontier[i] != 0}});
    }
    for (const WidthLine& l : m.law.lines)
        lines.push_back({{"width", l.width},
                         {"points", l.points},
                         {"intercept", l.intercept},
                         {"slope", l.slope},
                         {"least_bits", l.leastBits},
                         {"most_bits", l.mostBits}});
    for (const BestWidth& r : m.law.ranges)
        ranges.push_back({{"least_bits", r.leastBits},
                          {"most_bits", r.mostBits},
                          {"best", r.width},
                          {"compared", r.compared}});
    return {{"quality", m.byKl ? "kl" : "nll"},
            {"text", m.source},
            {"protocol", m.protocol},
            {"points", points},
            {"lines", lines},
            {"ranges", ranges},
            {"published", kPublishedWidth},
            {"verdict", verdictId(m.law.verdict)}};
}

std::string fourBitText(const FourBitReport& report) {
    Table t({{"site"},
             {"read by"},
             {"max / median", true},
             {"kurtosis", true},
             {"lost, %", true},
             {"smoothed", true},
             {"rotated", true},
             {"verdict"}});
    for (const FourBitSite& s : report.sites) {
        const bool known = s.verdict != FourBitVerdict::NotKnown;
        t.add({s.site, s.linears + (s.activation.empty() ? "" : " (after " + s.activation + ")"),
               known ? number(s.outlierRatio) : "-", known ? number(s.kurtosis) : "-", percent(s.plain),
               percent(s.smoothed) + (s.folds ? "" : "*"), percent(s.rotated),
               fourBitVerdictText(s.verdict)});
    }
    std::string out = fmt::format(
        "Inputs in 4 bits (W4A4) of {}: {}\n\n{}Lost: the share of their energy that outputs lose when "
        "tokens are "
        "rounded to int4, one scale a token; {:g} % is the limit. * no fold: factors have nowhere to "
        "go.\nPublished: {} (Wu et al. 2023, "
        "arXiv:2301.12017)\n",
        report.architecture, fourBitVerdictText(report.verdict), t.text(), 100 * kFourBitLimit,
        report.published);
    if (!report.noRotation.empty()) out += "No rotation can be folded in: " + report.noRotation + "\n";
    return out;
}

json fourBitJson(const FourBitReport& report) {
    json sites = json::array();
    for (const FourBitSite& s : report.sites)
        sites.push_back({{"site", s.site},
                         {"block", s.block},
                         {"linears", s.linears},
                         {"activation", s.activation},
                         {"tokens", s.sampled},
                         {"max_median_ratio", s.outlierRatio},
                         {"kurtosis", s.kurtosis},
                         {"folds", s.folds},
                         {"rotates", s.rotates},
                         {"lost", numberOrNull(s.plain)},
                         {"lost_smoothed", numberOrNull(s.smoothed)},
                         {"lost_rotated", numberOrNull(s.rotated)},
                         {"verdict", fourBitVerdictId(s.verdict)},
                         {"rule", s.rule}});
    return {{"architecture", report.architecture},
            {"causal", report.causal},
            {"verdict", fourBitVerdictId(report.verdict)},
            {"limit", kFourBitLimit},
            {"published", report.published},
            {"no_rotation", report.noRotation},
            {"sites", sites}};
}

} // namespace qs::cli
