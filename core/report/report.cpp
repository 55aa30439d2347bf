// SPDX-License-Identifier: Apache-2.0
#include "core/report/report.h"

#include "core/base/file.h"
#include "core/evaluate/token_text.h"
#include "core/report/html.h"
#include "core/report/maps.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using report::escape;
using report::Table;

namespace {

constexpr size_t kContextTokens = 8;

constexpr const char* kStyle = R"(
body{font:14px/1.45 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:1200px;margin:24px auto;padding:0 20px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px;border-bottom:1px solid #d3d8df;padding-bottom:3px}
h3{font-size:14px;margin:16px 0 6px}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th{text-align:left;background:#e9ecf0;font-weight:600}th,td{padding:3px 10px;border-bottom:1px solid #e6e9ed;vertical-align:top}
.n{text-align:right;white-space:nowrap}.scroll{overflow-x:auto}code,pre{font:12px ui-monospace,monospace}
pre{background:#f2f4f6;padding:10px;overflow-x:auto}.ok{background:#ddf1e5;color:#1b6e40;padding:1px 6px;border-radius:3px}
.warn{background:#fcefd2;color:#855300;padding:1px 6px;border-radius:3px}.hint{color:#5f6873}.flip{color:#b3261e;font-weight:600}
img,svg{max-width:100%;height:auto})";

std::string code(const std::string& text) {
    return "<code>" + escape(text) + "</code>";
}

std::string mebibytes(uint64_t bytes) {
    return fmt::format("{:.2f}", double(bytes) / double(1 << 20));
}

/// Decimals such that the error has two digits: "10.14 ± 0.07".
std::string plusMinus(double value, double error) {
    int decimals = 4;
    if (error > 0) decimals = std::clamp(1 - int(std::floor(std::log10(error))), 0, 6);
    return fmt::format("{:.{}f} ± {:.{}f}", value, decimals, error, decimals);
}

std::string lines(const std::vector<std::pair<std::string, std::string>>& rows) {
    std::string out = "<div class=\"scroll\"><table>\n";
    for (const auto& [name, html] : rows)
        out += "<tr><th scope=\"row\">" + escape(name) + "</th><td>" + html + "</td></tr>\n";
    return out + "</table></div>\n";
}

std::string labelOf(const ReportRun& r) {
    return r.letter + " " + r.name;
}

class Page {
public:
    Page(const ReportInput& input, const JobContext& job) : in_(input), job_(job) {}

    Result<std::string> html() {
        QS_TRY(const std::string runs, runsSection());
        const std::string title = "Quantoscope report: " + in_.title;
        return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
               "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
               "'unsafe-inline'; img-src data:\"/>\n"
               "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>" +
               escape(title) + "</title>\n<style>" + kStyle + "</style></head><body>\n<h1>" +
               escape(in_.title) + "</h1>\n<p class=\"hint\">Quantoscope " QS_VERSION ", " +
               escape(in_.createdUtc) + "</p>\n" + modelSection() + runs + protocolSection() + mapsSection() +
               worstSection() + tensorsSection() + recipesSection() + provenanceSection() +
               "</body></html>\n";
    }

private:
    std::string modelSection() const {
        const Model& m = *in_.model;
        return "<h2>Model</h2>\n" +
               lines({{"name", escape(m.checkpoint().displayName())},
                      {"architecture", escape(m.hasForward() ? m.spec().architecture : m.noForwardReason())},
                      {"parameters", fmt::format("{}", m.parameterCount())},
                      {"size", mebibytes(m.checkpoint().totalBytes()) + " MiB"},
                      {"tokenizer",
                       escape(m.tokenizer() ? m.tokenizer()->description() : m.noTokenizerReason())}});
    }

    /// "B is better, 99.8 %" and the difference, of a run against the chosen one.
    Result<std::string> againstCell(const ReportRun& r) const {
        const ReportRun& other = in_.runs[in_.against];
        if (&r == &other) return std::string("reference");
        if (!r.evaluation || !other.evaluation) return std::string();
        if (const std::string why = whyNotComparable(*r.evaluation, *other.evaluation); !why.empty())
            return "<span class=\"warn\">not comparable: " + escape(why) + "</span>";
        if (r.evaluation->windows() < 2)
            return std::string("<span class=\"warn\">one window: no interval</span>");
        QS_TRY(const EvaluationDifference d,
               compareEvaluations(*r.evaluation, *other.evaluation, in_.bootstrap, job_));
        const PairedDifference& p = d.deciding();
        const bool certain = p.probabilityBelow >= 0.95 || p.probabilityBelow <= 0.05;
        return fmt::format("<span{}>{}</span> Δ{} {} [{:.4g}, {:.4g}]", certain ? " class=\"ok\"" : "",
                           escape(verdict(p, r.letter, other.letter)), d.kl ? "KL" : "loss",
                           plusMinus(p.mean, p.standardError), p.low, p.high);
    }

    void addSizes(const ReportRun& r, std::vector<std::string>& cells) const {
        const uint64_t parameters = std::max<uint64_t>(1, in_.model->parameterCount()),
                       bytes = in_.model->checkpoint().totalBytes();
        cells.push_back(r.plan ? escape(planSummary(*r.plan)) : "as stored");
        cells.push_back(mebibytes(r.plan ? r.plan->totalBytesAfter : bytes));
        cells.push_back(fmt::format("{:.2f}", r.plan ? r.plan->bitsPerWeight()
                                                     : 8.0 * double(bytes) / double(parameters)));
    }

    Result<std::string> runsSection() const {
        Table table({{""},
                     {"run"},
                     {"recipe"},
                     {"size, MiB", true},
                     {"bits per weight", true},
                     {"KL, nats per token", true},
                     {"perplexity", true},
                     {"top-1 agreement, %", true},
                     {"99 % KL", true},
                     {"against " + in_.runs[in_.against].letter}});
        for (const ReportRun& r : in_.runs) {
            std::vector<std::string> cells = {escape(r.letter), escape(r.name)};
            addSizes(r, cells);
            const Evaluation* e = r.evaluation.get();
            const bool kl = e && e->hasReference;
            cells.push_back(kl ? plusMinus(e->kl, e->klStderr) : e ? "0" : "not measured");
            cells.push_back(!e                ? ""
                            : e->maskedTokens ? "masked-token loss " + plusMinus(e->nll, e->nllStderr)
                                              : plusMinus(e->perplexity, e->perplexityStderr));
            cells.push_back(kl ? fmt::format("{:.2f}", 100 * e->top1) : e ? "100" : "");
            cells.push_back(kl ? fmt::format("{:.4g}", e->kl99) : e ? "0" : "");
            QS_TRY(std::string against, againstCell(r));
            cells.push_back(std::move(against));
            table.add(std::move(cells));
        }
        return "<h2>Runs compared</h2>\n" + table.html() +
               fmt::format("<p class=\"hint\">± is one standard error; in the last column that of a paired "
                           "bootstrap over whole windows ({} resamples, seed {}), with the 95 % percentile "
                           "interval in brackets. Bits per weight count what is quantized (the original: the "
                           "whole file).</p>\n",
                           in_.bootstrap.resamples, in_.bootstrap.seed);
    }

    std::string protocolSection() const {
        Table table({{"run"}, {"protocol"}, {"text"}, {"tokens scored", true}, {"SHA-256 of the tokens"}});
        for (const ReportRun& r : in_.runs)
            if (const Evaluation* e = r.evaluation.get())
                table.add({escape(r.letter), escape(e->protocol), escape(e->source),
                           fmt::format("{}", e->tokens), code(e->textFingerprint)});
        return table.empty() ? std::string() : "<h2>Protocol</h2>\n" + table.html();
    }

    std::string mapsSection() const {
        std::string out;
        const ReportRun& other = in_.runs[in_.against];
        for (const ReportRun& r : in_.runs) {
            if (!r.plan) continue;
            const BitsGrid grid = bitsGrid(*r.plan);
            if (grid.roles.empty()) continue;
            const std::string title = "Stored bits per weight, " + labelOf(r);
            out += "<h3>" + escape(title) + "</h3>\n" + report::bitsMapSvg(grid, title);
            if (&r == &other || !other.plan) continue;
            const std::string difference = "Bits, " + r.letter + " minus " + other.letter;
            const std::string svg = report::bitsDifferenceSvg(grid, bitsGrid(*other.plan), difference);
            if (!svg.empty())
                out += "<h3>" + escape(difference) + "</h3>\n" + svg +
                       "<p class=\"hint\">Orange: fewer bits, purple: more. Empty cells are equal.</p>\n";
        }
        for (const ReportPicture& p : in_.pictures)
            out += "<h3>" + escape(p.title) + "</h3>\n<img alt=\"" + escape(p.title) +
                   "\" src=\"data:image/svg+xml;base64," + report::base64(p.svg) + "\"/>\n";
        return out.empty() ? out : "<h2>Maps</h2>\n" + out;
    }

    std::string topOf(const Tokenizer& t, int32_t id, bool flip) const {
        return (flip ? "<code class=\"flip\">" : "<code>") + escape(t.display(id)) + "</code>";
    }

    std::string worstSection() const {
        const auto tokenizer = in_.model->tokenizer();
        std::string out;
        for (const ReportRun& r : in_.runs) {
            const Evaluation* e = r.evaluation.get();
            if (!e || !e->hasReference || !tokenizer) continue;
            Table table({{"context"},
                         {"window", true},
                         {"token", true},
                         {"KL, nats", true},
                         {"loss of A", true},
                         {"loss of " + r.letter, true},
                         {"A top-1"},
                         {r.letter + " top-1"}});
            for (const size_t i : worstTokens(*e, in_.worstTokens)) {
                const TokenContext c = tokenContext(*e, *tokenizer, i, kContextTokens);
                table.add(
                    {escape(c.before) + "<b>" + escape(c.token) + "</b>", fmt::format("{}", c.window + 1),
                     fmt::format("{}", c.position), fmt::format("{:.3f}", e->tokenKl[i]),
                     fmt::format("{:.3f}", e->referenceTokenNll[i]), fmt::format("{:.3f}", e->tokenNll[i]),
                     topOf(*tokenizer, e->referenceTop[i], false),
                     topOf(*tokenizer, e->tokenTop[i], e->tokenTop[i] != e->referenceTop[i])});
            }
            out += "<h3>" + escape(labelOf(r)) + "</h3>\n" + table.html();
        }
        return out.empty() ? out : "<h2>Tokens that changed most</h2>\n" + out;
    }

    std::string tensorsSection() const {
        std::string out;
        for (const ReportRun& r : in_.runs) {
            if (!r.plan || !r.run) continue;
            Table table({{"tensor"},
                         {"planned"},
                         {"done"},
                         {"method"},
                         {"bytes", true},
                         {"bits", true},
                         {"weight error, %", true},
                         {"output error, %", true}});
            for (const PlanEntry& p : r.plan->entries) {
                const TensorResult* done = r.run->result(p.target.module);
                const auto percent = [](double v) {
                    return v >= 0 ? fmt::format("{:.3g}", 100 * v) : std::string(); // -1 without Sigma
                };
                table.add({code(p.target.module), escape(done ? done->planned : "kept"),
                           escape(done ? done->done : ""), escape(done ? done->method : ""),
                           fmt::format("{}", p.bytesAfter), fmt::format("{:.3g}", storedBits(p)),
                           done ? percent(done->error.weight) : "", done ? percent(done->error.output) : ""});
            }
            out += "<details><summary>" + escape(labelOf(r)) + ": " +
                   fmt::format("{} tensors</summary>\n", r.plan->entries.size()) + table.html() +
                   "</details>\n";
        }
        return out.empty() ? out : "<h2>Plan and errors by tensor</h2>\n" + out;
    }

    std::string recipesSection() const {
        std::string out;
        for (const ReportRun& r : in_.runs)
            if (r.plan)
                out += "<h3>" + escape(labelOf(r)) + "</h3>\n<pre>" +
                       escape(recipeOfPlan(*r.plan, r.name)
                                  .toJson()
                                  .dump(2, ' ', false, nlohmann::json::error_handler_t::replace)) +
                       "</pre>\n";
        return out.empty() ? out
                           : "<h2>Recipes</h2>\n<p class=\"hint\">Saved as a .json file each can be loaded "
                             "again.</p>\n" +
                                 out;
    }

    std::string provenanceSection() const {
        std::string out = "<h2>Versions and fingerprints</h2>\n";
        const auto fingerprint = in_.model->checkpoint().fingerprint();
        out += lines({{"program", "Quantoscope " QS_VERSION},
                      {"model", fingerprint ? code(*fingerprint) : std::string("not readable any more")},
                      {"tokenizer", in_.model->tokenizer() ? code(in_.model->tokenizer()->fingerprint())
                                                           : std::string("none")}});
        for (const ReportRun& r : in_.runs) {
            if (!r.run) continue;
            const RunManifest& m = r.run->manifest();
            out += "<h3>" + escape(labelOf(r)) + "</h3>\n" +
                   lines({{"folder", code(r.run->directory().filename().string())},
                          {"made", escape(m.createdUtc + ", Quantoscope " + m.appVersion + ", " + m.backend)},
                          {"plan", code(m.planFingerprint)},
                          {"calibration",
                           m.calibrationFingerprint.empty() ? "none" : code(m.calibrationFingerprint)}});
        }
        return out;
    }

    const ReportInput& in_;
    const JobContext& job_;
};

} // namespace

Result<std::string> reportHtml(const ReportInput& input, const JobContext& job) {
    if (!input.model || input.runs.empty() || input.against >= input.runs.size())
        return Error::invalid("a report needs a model, its original and a run to compare with");
    return Page(input, job).html();
}

Result<void> writeReport(const std::filesystem::path& file, const ReportInput& input, const JobContext& job) {
    QS_TRY(const std::string html, reportHtml(input, job));
    QS_CHECK(job.checkpoint());
    return writeFileAtomically(file, html);
}

} // namespace qs
