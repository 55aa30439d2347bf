// SPDX-License-Identifier: Apache-2.0
// Importance matrices: written from a calibration, and shown.
#include "app/cli/command.h"
#include "app/cli/text.h"
#include "core/calibrate/imatrix.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

struct ImatrixCommand {
    std::string subject, calibration, output;
};

/// Mean square input over the tokens, of all channels and of the largest.
struct EntrySummary {
    double mean = 0, most = 0, tokens = 0;
    size_t unseen = 0; ///< experts that saw no token
};

EntrySummary summaryOf(const ImatrixEntry& e) {
    EntrySummary s;
    for (size_t x = 0; x < e.experts(); ++x) {
        s.tokens += e.counts[x];
        s.unseen += e.counts[x] == 0;
        if (e.counts[x] == 0) continue;
        for (size_t c = 0; c < e.channels; ++c) {
            const double value = double(e.sum2[x * e.channels + c]) / e.counts[x];
            s.mean += value / double(e.channels * e.experts());
            s.most = std::max(s.most, value);
        }
    }
    return s;
}

void show(Console& out, const Imatrix& m, const std::string& path) {
    json entries = json::array();
    Table table({{"weight"},
                 {"inputs", true},
                 {"experts", true},
                 {"tokens", true},
                 {"mean x^2", true},
                 {"max x^2", true}});
    for (const ImatrixEntry& e : m.entries) {
        const EntrySummary s = summaryOf(e);
        table.add({e.weight, fmt::format("{}", e.channels), fmt::format("{}", e.experts()),
                   fmt::format("{:.0f}", s.tokens), fmt::format("{:.4g}", s.mean),
                   fmt::format("{:.4g}", s.most)});
        entries.push_back({{"weight", e.weight},
                           {"inputs", e.channels},
                           {"experts", e.experts()},
                           {"experts_unseen", s.unseen},
                           {"tokens", s.tokens},
                           {"mean_square", s.mean},
                           {"largest_mean_square", s.most}});
    }
    out.text(fmt::format(
        "{} weights, {} chunks of {} tokens, from {}\n\n", m.entries.size(), m.chunks, m.chunkSize,
        m.datasets.empty() ? "an unnamed text" : fmt::format("{}", fmt::join(m.datasets, ", "))));
    out.text(table.text());
    out.result({{"path", path},
                {"datasets", m.datasets},
                {"chunks", m.chunks},
                {"chunk_size", m.chunkSize},
                {"entries", std::move(entries)}});
}

Result<void> imatrix(Session& session, const ImatrixCommand& o) {
    if (o.calibration.empty()) {
        QS_TRY(const Imatrix m, readImatrix(o.subject));
        show(session.console, m, o.subject);
        return {};
    }
    QS_TRY(const auto model, openModel(o.subject));
    QS_TRY(const auto calibration, Calibration::open(o.calibration));
    QS_TRY(const Imatrix m, imatrixOf(*calibration, *model, session.job));
    QS_CHECK(writeImatrix(o.output, m));
    show(session.console, m, o.output);
    return {};
}

} // namespace

void addImatrix(Commands& commands) {
    auto o = std::make_shared<ImatrixCommand>();
    CLI::App& app = commands.add(
        "imatrix", "Write llama.cpp's importance matrix from a calibration, or show one",
        {"imatrix MODEL --calibration calibration.h5 --output imatrix.gguf", "imatrix imatrix.gguf --json"},
        [o](Session& session) { return imatrix(session, *o); });
    app.add_option("subject", o->subject,
                   "Model the calibration belongs to, or an importance matrix to show (.gguf or .dat)")
        ->required();
    CLI::Option* calibration =
        app.add_option("--calibration", o->calibration, "Calibration file made by calibrate")
            ->type_name("FILE");
    CLI::Option* output =
        app.add_option("--output,-o", o->output, "GGUF file to write")->type_name("FILE")->needs(calibration);
    calibration->needs(output);
}

} // namespace qs::cli
