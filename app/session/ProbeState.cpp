// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/ProbeState.h"

#include "core/model/weights.h"
#include "widgets/charts/TracerChart.h"

#include <algorithm>

namespace qs::app {

namespace {
constexpr int kAskDelayMs = 30;
constexpr size_t kProposed = 3; ///< channels traced before the user has chosen any
} // namespace

ProbeState::ProbeState(Session* session, QObject* parent) : QObject(parent), m_session(session) {
    m_ask.setSingleShot(true);
    m_ask.setInterval(kAskDelayMs);
    connect(&m_ask, &QTimer::timeout, this, &ProbeState::ask);
    connect(session, &Session::modelChanged, this, [this] {
        m_site.clear();
        m_window = 0;
        m_channels.clear();
        m_slots.clear();
        m_channel = -1;
        m_chosen = false;
        reset();
        emit channelsChanged();
    });
    connect(session, &Session::calibrationChanged, this, &ProbeState::reset);
    connect(session->selection(), &ui::TargetSelection::currentChanged, this, [this] {
        emit requestChanged();
        askLater();
    });
}

void ProbeState::reset() {
    if (m_job) m_job->cancel();
    if (m_whatIfJob) m_whatIfJob->cancel();
    m_tokens.reset();
    m_map.reset();
    m_trace.reset();
    m_answer.reset();
    m_error.clear();
    m_cross = {-1, -1};
    emit tokensChanged();
    emit mapChanged();
    emit traceChanged();
    emit answerChanged();
    emit requestChanged();
    askLater();
}

void ProbeState::setActive(bool active) {
    m_active = active;
    if (active) askLater();
}

QString ProbeState::blocker() const {
    const auto model = m_session->model();
    if (!model) return tr("Open a model first.");
    if (const auto forward = model->requireForward(); !forward)
        return tr("Activations need a forward pass. %1").arg(QString::fromStdString(forward.error().message));
    const auto calibration = m_session->calibration();
    if ((!calibration || calibration->tokens().rows() == 0) && !model->tokenizer())
        return tr("There are no tokens to run. %1")
            .arg(QString::fromStdString(model->requireTokenizer().error().message));
    return {};
}

double ProbeState::progress() const {
    return busy() ? std::max(0.0, m_job->fraction()) : -1;
}

QStringList ProbeState::sites() const {
    QStringList out;
    const auto model = m_session->model();
    if (!model || !model->hasForward()) return out;
    for (const std::string& s : probeSites(model->spec()))
        out << QString::fromStdString(s);
    return out;
}

QString ProbeState::site() const {
    if (!m_site.isEmpty()) return m_site;
    const int current = m_session->selection()->current();
    const QString own = current >= 0 && current < m_session->table()->count()
                            ? m_session->table()->row(current).site
                            : QString();
    const QStringList all = sites();
    // An expert's input is not recorded: it sees some of the tokens.
    return all.contains(own) ? own : all.value(0);
}

void ProbeState::setSite(const QString& site) {
    if (m_site == site) return;
    m_site = site;
    emit requestChanged();
    askLater();
}

void ProbeState::setWindow(int window) {
    if (m_window == window) return;
    m_window = window;
    reset();
}

void ProbeState::setRule(const MassiveRule& rule) {
    if (m_rule == rule) return;
    m_rule = rule;
    emit requestChanged();
    emit traceChanged(); // births and candidates follow the rule
    if (!m_map || !m_tokens) return;
    JobRequest request{QStringLiteral("probe-rule"), tr("Look for massive activations"), false, 8};
    JobHandle* job =
        m_session->pool()->post(request, [map = m_map, texts = m_tokens->texts, rule](const JobScope&) {
            return Outcome(Payload::of(siteMap(map->site, map->values, texts, rule)));
        });
    job->then(this, [this, of = m_map](const Outcome& outcome) {
        if (const auto map = outcome.as<SiteMap>(); map && m_map == of) adoptMap(map);
    });
}

bool ProbeState::mapIsStream() const {
    const auto model = m_session->model();
    return m_map && model && model->hasForward() && isStreamSite(model->spec(), m_map->site);
}

void ProbeState::ask() {
    if (!m_active || !blocker().isEmpty()) return;
    const QString wanted = site();
    const bool haveSite = m_map && QString::fromStdString(m_map->site) == wanted;
    const bool haveTrace = m_trace && m_trace->complete;
    if (busy() && m_askedSite == wanted) return;
    if (haveSite && (haveTrace || (busy() && m_askedTrace))) return;
    ProbeInput input;
    input.model = m_session->model();
    input.calibration = m_session->calibration();
    input.window = m_window;
    input.site = haveSite ? std::string() : wanted.toStdString();
    input.trace = !haveTrace;
    input.rule = m_rule;
    m_askedSite = wanted;
    m_askedTrace = input.trace;
    m_error.clear();
    JobHandle* job = m_session->engine()->post(
        {QStringLiteral("probe"), tr("Run window %1 of %2").arg(m_window).arg(m_session->title()), false},
        [input](const JobScope& scope) { return runProbe(input, scope); });
    m_job = job;
    const auto current = [this, job, model = input.model, calibration = input.calibration,
                          window = input.window] {
        return m_job == job && m_session->model() == model && m_session->calibration() == calibration &&
               m_window == window;
    };
    connect(job, &JobHandle::changed, this, &ProbeState::requestChanged);
    job->onPartial(this, [this, current](const std::vector<Payload>& partials) {
        if (current()) adopt(partials);
    });
    job->then(this, [this, current](const Outcome& outcome) {
        if (!current()) return;
        if (outcome.failed()) m_error = QString::fromStdString(outcome.error().describe());
        emit requestChanged();
        if (outcome.failed()) emit mapChanged();
        if (outcome.done()) askLater(); // something else may be wanted by now
    });
    emit requestChanged();
}

void ProbeState::adopt(const std::vector<Payload>& partials) {
    for (const Payload& p : partials) {
        if (const auto tokens = p.as<ProbeWindow>()) {
            m_tokens = tokens;
            emit tokensChanged();
        } else if (const auto map = p.as<SiteMap>()) {
            adoptMap(map);
        } else if (const auto trace = p.as<ProbeTrace>()) {
            adoptTrace(trace);
        }
    }
}

void ProbeState::adoptMap(std::shared_ptr<const SiteMap> map) {
    const bool sameSize = m_map && m_map->values->cols() == map->values->cols();
    m_map = std::move(map);
    if (!sameSize) m_cross = {-1, -1};
    emit mapChanged();
    if (m_wantedChannel >= 0) lookAtChannel(m_wantedChannel);
    if (m_cross.x() >= 0 || m_map->massive.largest.empty()) return;
    // What is most telling is looked at first.
    const MassiveActivation& a = m_map->massive.largest.front();
    m_cross = {int(a.channel), int(a.token)};
    m_proposed = true;
    emit crosshairChanged();
}

void ProbeState::adoptTrace(std::shared_ptr<const ProbeTrace> trace) {
    m_trace = std::move(trace);
    if (!m_chosen && m_trace->complete) {
        m_channels.clear();
        m_slots.clear();
        for (const size_t c : tellingChannels(m_trace->trace, m_rule, kProposed)) {
            m_slots[int(c)] = int(m_channels.size());
            m_channels.push_back(int(c));
        }
        m_channel = m_channels.value(0, -1);
        emit channelsChanged();
    }
    emit traceChanged();
}

std::vector<DownSpike> ProbeState::spikes() const {
    if (!m_trace) return {};
    std::vector<DownSpike> all = m_trace->spikes;
    std::stable_sort(all.begin(), all.end(), [this](const DownSpike& a, const DownSpike& b) {
        const bool pa = isSuperWeight(a, m_rule), pb = isSuperWeight(b, m_rule);
        if (pa != pb) return pa;
        // Ordinary outputs are compared by how far they stand out, not by how large the layer's are.
        if (!pa) return std::abs(a.contribution()) * b.medianY > std::abs(b.contribution()) * a.medianY;
        return std::abs(a.contribution()) > std::abs(b.contribution());
    });
    return all;
}

void ProbeState::setCrosshair(const QPoint& cell) {
    if (m_cross == cell) return;
    m_cross = cell;
    m_proposed = false;
    emit crosshairChanged();
}

void ProbeState::lookAtChannel(int channel) {
    const bool here = m_map && QString::fromStdString(m_map->site) == site();
    m_wantedChannel = here ? -1 : channel;
    if (!here || channel < 0 || channel >= int(m_map->values->cols()) || m_cross.x() == channel) return;
    const Matrix& x = *m_map->values;
    size_t token = 0;
    for (size_t t = 1; t < x.rows(); ++t)
        if (std::abs(x(t, size_t(channel))) > std::abs(x(token, size_t(channel)))) token = t;
    setCrosshair({channel, int(token)});
}

void ProbeState::traceChannel(int channel) {
    const auto model = m_session->model();
    if (!model || !model->hasForward() || channel < 0 || channel >= int(model->spec().hidden)) return;
    m_chosen = true;
    if (!m_channels.contains(channel)) {
        if (m_channels.size() == ui::TracerChart::kMostLines) m_slots.remove(m_channels.takeFirst());
        int slot = 0;
        while (m_slots.key(slot, -1) >= 0)
            ++slot;
        m_slots[channel] = slot;
        m_channels.push_back(channel);
    }
    m_channel = channel;
    emit channelsChanged();
}

void ProbeState::forgetChannel(int channel) {
    m_chosen = true;
    m_channels.removeAll(channel);
    m_slots.remove(channel);
    if (m_channel == channel) m_channel = m_channels.value(0, -1);
    emit channelsChanged();
}

QString ProbeState::whatIfBlocker() const {
    if (const QString why = blocker(); !why.isEmpty()) return why;
    if (!m_tokens) return tr("The window has not run yet.");
    if (measuring()) return tr("A measurement is running.");
    return {};
}

void ProbeState::measure(const DownSpike& spike) {
    if (!whatIfBlocker().isEmpty()) return;
    const int target = m_session->table()->indexOf(QString::fromStdString(spike.module));
    const std::shared_ptr<const Scheme> scheme =
        target >= 0 ? m_session->table()->schemes()[size_t(target)] : nullptr;
    WhatIfRequest request;
    request.weight = spike.weight;
    request.kept = {{spike.row, spike.column}};
    request.changes = {Change::Zero};
    if (scheme) request.changes.insert(request.changes.end(), {Change::Round, Change::RoundRest});
    WhatIfAnswer empty{
        spike.module, request.kept, scheme ? m_session->table()->row(target).info->format : QString(), {}};
    const auto body = [model = m_session->model(), window = m_tokens, scheme, request,
                       empty](const JobScope& scope) mutable -> Outcome {
        if (scheme) {
            auto codec = createCodec(scheme->codec, scheme->codecParams);
            if (!codec) return codec.takeError();
            request.codec = *codec;
        }
        TokenWindows tokens(1, window->ids.size());
        std::copy(window->ids.begin(), window->ids.end(), tokens.data());
        auto result =
            whatIf(model->spec(), modelWeights(*model), request, tokens, scope.backend(), scope.job());
        if (!result) return result.takeError();
        empty.result = std::move(*result);
        return Payload::of(std::move(empty));
    };
    JobHandle* job =
        m_session->engine()->post({QStringLiteral("what-if"), tr("Measure weight [%1, %2] of %3")
                                                                  .arg(spike.row)
                                                                  .arg(spike.column)
                                                                  .arg(QString::fromStdString(spike.module))},
                                  body);
    m_whatIfJob = job;
    m_answer.reset();
    job->then(this, [this, job, model = m_session->model()](const Outcome& outcome) {
        if (m_whatIfJob != job || m_session->model() != model) return;
        if (outcome.failed()) m_error = QString::fromStdString(outcome.error().describe());
        m_answer = outcome.as<WhatIfAnswer>();
        emit answerChanged();
    });
    emit answerChanged();
}

} // namespace qs::app
