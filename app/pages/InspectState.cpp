// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/InspectState.h"

namespace qs::app {

namespace {
constexpr int kAskDelayMs = 40;
}

InspectState::InspectState(Session* session, QObject* parent)
    : QObject(parent), m_session(session), m_klShare(session) {
    m_ask.setSingleShot(true);
    m_ask.setInterval(kAskDelayMs);
    connect(&m_ask, &QTimer::timeout, this, &InspectState::ask);
    connect(session->selection(), &ui::TargetSelection::currentChanged, this,
            &InspectState::onCurrentChanged);
    connect(session, &Session::modelChanged, this, [this] {
        m_asked = {};
        onCurrentChanged();
    });
    connect(session, &Session::statsReady, this, [this](int target) {
        if (target != current()) return;
        m_stats = m_session->stats(target);
        emit changed();
    });
    connect(session, &Session::calibrationChanged, this, &InspectState::changed);
    connect(session->table(), &ui::TargetTableSource::rowsChanged, this, [this](const QVector<int>& targets) {
        if (targets.contains(current())) m_ask.start();
    });
    connect(session, &Session::runChanged, &m_ask, qOverload<>(&QTimer::start));
}

const ui::TargetRow* InspectState::currentRow() const {
    const int t = current();
    return t >= 0 && t < m_session->table()->count() ? &m_session->table()->row(t) : nullptr;
}

void InspectState::setSide(ChannelSide side) {
    if (m_side == side) return;
    m_side = side;
    setChannel(-1);
    emit changed();
}

void InspectState::setRule(OutlierRule rule) {
    if (m_rule == rule) return;
    m_rule = rule;
    emit changed();
}

void InspectState::setChannel(int channel) {
    if (m_channel == channel) return;
    m_channel = channel;
    emit channelChanged(channel);
}

const ChannelStats* InspectState::weightChannels() const {
    if (!m_stats) return nullptr;
    return m_side == ChannelSide::Input ? &m_stats->input : &m_stats->output;
}

const ChannelStats* InspectState::activationChannels() const {
    if (m_side == ChannelSide::Output) return nullptr;
    const SiteRecord* site = m_session->activations(current());
    return site ? &site->stats : nullptr;
}

std::vector<OutlierChannel> InspectState::outliers() const {
    const ChannelStats* by = activationChannels();
    if (!by) by = weightChannels();
    return by ? rankOutliers(*by, m_rule, threshold()) : std::vector<OutlierChannel>();
}

void InspectState::onCurrentChanged() {
    m_stats = current() < 0 ? nullptr : m_session->stats(current());
    setChannel(-1);
    emit changed();
    m_ask.start();
}

void InspectState::ask() {
    const ui::TargetRow* row = currentRow();
    if (!row) {
        m_asked = {};
        return;
    }
    if (!m_stats) m_session->requestStats(current());
    const Asked now{current(), row->info->scheme.get(), row->done, row->stale};
    if (now == m_asked) return;
    m_asked = now;
    m_session->requestComparison(current());
}

} // namespace qs::app
