// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/ProbeJob.h"

#include "app/session/Requests.h"
#include "core/model/weights.h"

#include <QElapsedTimer>
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs::app {

namespace {

constexpr size_t kListed = 200; ///< massive activations kept for the list
constexpr int kMarked = 24;     ///< channels marked on the axis
constexpr qint64 kPublishMs = 250;

Result<ProbeWindow> windowOf(const ProbeInput& in) {
    ProbeWindow w;
    const TokenWindows* tokens = in.calibration ? &in.calibration->tokens() : nullptr;
    TokenWindows cut;
    if (!tokens || tokens->rows() == 0) {
        TextRequest request;
        request.windowLength = int(std::clamp<size_t>(in.model->spec().context, 16, 256));
        QS_TRY(cut, windowsFor(*in.model, request, false));
        tokens = &cut;
        w.source = textName(request);
    } else {
        w.source = QString::fromStdString(in.calibration->info().source);
    }
    w.count = int(tokens->rows());
    w.index = std::clamp(in.window, 0, w.count - 1);
    w.length = tokens->cols();
    const int32_t* row = tokens->row(size_t(w.index));
    w.ids.assign(row, row + std::min(w.length, kShownTokens));
    const auto tokenizer = in.model->tokenizer();
    if (tokenizer) w.classes = tokenClasses(w.ids, *tokenizer);
    for (const int32_t id : w.ids)
        w.texts << (tokenizer ? QString::fromStdString(tokenizer->display(id)) : QString::number(id));
    return w;
}

std::shared_ptr<const Matrix> robustZ(const Matrix& x, const std::vector<RobustScale>& scales,
                                      float& largest) {
    auto z = std::make_shared<Matrix>(x.rows(), x.cols());
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t c = 0; c < x.cols(); ++c) {
            const float v = float(scales[t].z(double(x(t, c))));
            (*z)(t, c) = v;
            if (std::isfinite(v)) largest = std::max(largest, std::fabs(v));
        }
    return z;
}

/// By the outlier rule of the profile: absmax against the median channel's.
QVector<int> outlierChannels(const Matrix& x) {
    ChannelStats stats;
    stats.absmax.assign(x.cols(), 0.0f);
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t c = 0; c < x.cols(); ++c)
            if (std::isfinite(x(t, c))) stats.absmax[c] = std::max(stats.absmax[c], std::fabs(x(t, c)));
    QVector<int> out;
    for (const OutlierChannel& o :
         rankOutliers(stats, OutlierRule::MedianRatio, outlierRuleDefault(OutlierRule::MedianRatio)))
        if (out.size() < kMarked) out.push_back(int(o.channel));
    return out;
}

std::shared_ptr<const ProbeTrace> snapshot(const ProbeResult& from, bool complete) {
    auto t = std::make_shared<ProbeTrace>();
    t->trace = from.trace;
    t->received = from.received.clone();
    t->even = from.even.clone();
    t->spikes = from.spikes;
    t->blocks = from.blocks;
    t->complete = complete;
    return t;
}

} // namespace

QString ruleText(const MassiveRule& rule) {
    return QString::fromStdString(massiveRuleText(rule))
        .replace(QStringLiteral(" x "), QStringLiteral(" × "));
}

SiteMap siteMap(const std::string& site, std::shared_ptr<const Matrix> values, const QStringList& tokens,
                const MassiveRule& rule) {
    SiteMap map;
    map.site = site;
    map.values = values;
    map.rule = rule;
    map.massive = massiveActivations(values->view(), rule, kListed);
    auto picture = std::make_shared<ui::TokenMapData>();
    picture->site = QString::fromStdString(site);
    picture->tokens = tokens;
    picture->median = map.massive.median;
    picture->rule = ruleText(rule);
    for (const MassiveActivation& a : map.massive.largest)
        picture->spikes.push_back({int(a.channel), int(a.token)});
    picture->scales = tokenScales(values->view());
    picture->outlierChannels = outlierChannels(*values);
    for (const float v : values->span())
        if (std::isfinite(v)) picture->absmax = std::max(picture->absmax, std::fabs(v));
    picture->z = ui::TokenPyramid::make(robustZ(*values, picture->scales, picture->zMax));
    picture->values = ui::TokenPyramid::make(std::move(values));
    map.picture = std::move(picture);
    return map;
}

Outcome runProbe(const ProbeInput& in, const JobScope& scope) {
    auto window = windowOf(in);
    if (!window) return window.takeError();
    ProbeRequest request;
    request.tokens = window->ids;
    request.classes = window->classes;
    if (!in.site.empty()) request.sites = {in.site};
    request.trace = in.trace;
    const QStringList texts = window->texts;
    scope.publish(Payload::of(std::move(*window)));
    QElapsedTimer sincePublished;
    sincePublished.start();
    ProbeListener listener;
    listener.site = [&](const ProbeSite& s) {
        scope.publish(Payload::of(siteMap(s.site, s.values, texts, in.rule)));
    };
    if (in.trace)
        listener.block = [&](const ProbeResult& r) {
            if (sincePublished.elapsed() < kPublishMs) return;
            scope.publish(Payload(snapshot(r, false)));
            sincePublished.restart();
        };
    const auto weights = modelWeights(*in.model);
    auto result = probe(in.model->spec(), *weights, request, scope.backend(), scope.job(), listener);
    if (!result) return result.takeError();
    if (in.trace) scope.publish(Payload(snapshot(*result, true)));
    return Payload();
}

} // namespace qs::app
