// SPDX-License-Identifier: GPL-3.0-or-later
// One window of tokens for the Tokens page: the worker's half. Results are immutable snapshots.
#pragma once

#include "app/jobs/JobRecord.h"
#include "core/calibrate/calibration.h"
#include "core/calibrate/probe.h"
#include "widgets/heatmaps/TokenMapData.h"

namespace qs::app {

/// Attention costs T^2: of longer windows the first tokens are shown.
inline constexpr size_t kShownTokens = 1024;

struct ProbeInput {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Calibration> calibration; ///< null or without tokens: the built-in text
    int window = 0;
    std::string site; ///< one of probeSites(), or "" for the trace alone
    bool trace = true;
    MassiveRule rule;
};

struct ProbeWindow {
    std::vector<int32_t> ids;
    std::vector<TokenClass> classes;
    QStringList texts;
    int index = 0, count = 0; ///< of the windows of `source`
    size_t length = 0;        ///< of the whole window, >= ids.size()
    QString source;           ///< "calibration", "built-in text"
};

struct SiteMap {
    std::string site;
    std::shared_ptr<const Matrix> values; ///< [tokens, channels]
    MassiveActivations massive;
    MassiveRule rule;
    ui::TokenMapDataPtr picture;
};

struct ProbeTrace {
    ResidualTrace trace;
    MatrixD received, even; ///< [blocks, tokens]
    std::vector<DownSpike> spikes;
    size_t blocks = 0; ///< that have run
    bool complete = false;
};

/// Publishes a ProbeWindow, a SiteMap when the site is reached and ProbeTraces as blocks finish.
Outcome runProbe(const ProbeInput& input, const JobScope& scope);
/// The picture under another rule.
SiteMap siteMap(const std::string& site, std::shared_ptr<const Matrix> values, const QStringList& tokens,
                const MassiveRule& rule);
/// "50 × median", with a real multiplication sign.
QString ruleText(const MassiveRule& rule);

} // namespace qs::app
