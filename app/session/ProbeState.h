// SPDX-License-Identifier: GPL-3.0-or-later
// What the panes of the Tokens page look at together: window, site, rule, crosshair, traced channels, and the
// snapshots that jobs bring. Asks the engine only while it is active. GUI thread only.
#pragma once

#include "app/session/ProbeJob.h"
#include "app/session/Session.h"
#include "core/evaluate/what_if.h"

#include <QPoint>

namespace qs::app {

/// What was measured about some weights of one down_proj.
struct WhatIfAnswer {
    std::string module;
    std::vector<WeightAt> weights;
    QString format; ///< that Round and RoundRest were made with; "" when the tensor is kept
    WhatIfResult result;
};

class ProbeState : public QObject {
    Q_OBJECT
public:
    explicit ProbeState(Session* session, QObject* parent = nullptr);

    Session* session() const { return m_session; }
    /// Shown or hidden: a hidden page costs nothing.
    void setActive(bool active);

    /// Why there is nothing to see, "" when there is or will be.
    QString blocker() const;
    QString error() const { return m_error; } ///< of the last job
    bool busy() const { return m_job && !m_job->isEnded(); }
    double progress() const; ///< 0..1, negative when idle

    /// All that can be chosen; empty without a forward pass.
    QStringList sites() const;
    /// "" follows the current tensor's input.
    void setSite(const QString& site);
    const QString& chosenSite() const { return m_site; }
    /// What is or will be shown; "" for none.
    QString site() const;
    void setWindow(int window);
    int window() const { return m_window; }
    void setRule(const MassiveRule& rule);
    const MassiveRule& rule() const { return m_rule; }

    std::shared_ptr<const ProbeWindow> tokens() const { return m_tokens; }
    std::shared_ptr<const SiteMap> map() const { return m_map; }
    std::shared_ptr<const ProbeTrace> trace() const { return m_trace; }
    /// The map's channels are channels of the residual stream.
    bool mapIsStream() const;
    /// Spikes of the trace, those that pass the rule first, each part by |contribution|.
    std::vector<DownSpike> spikes() const;

    /// (channel, token); (-1, -1) for none.
    QPoint crosshair() const { return m_cross; }
    void setCrosshair(const QPoint& cell);
    /// It was put on the largest massive activation when the map came; nobody chose it.
    bool crosshairIsProposed() const { return m_proposed; }
    /// To the largest value of the channel; once the map of site() is there.
    void lookAtChannel(int channel);

    const QVector<int>& channels() const { return m_channels; } ///< traced, in the order they came
    int slotOf(int channel) const { return m_slots.value(channel, 0); }
    int currentChannel() const { return m_channel; }
    /// Adds it (the oldest one makes room) and makes it current.
    void traceChannel(int channel);
    void forgetChannel(int channel);

    QString whatIfBlocker() const;
    /// Measures the changes for one weight of a down_proj on the present window.
    void measure(const DownSpike& spike);
    bool measuring() const { return m_whatIfJob && !m_whatIfJob->isEnded(); }
    std::shared_ptr<const WhatIfAnswer> answer() const { return m_answer; }

signals:
    void requestChanged(); ///< site, window or rule; busy or not
    void tokensChanged();
    void mapChanged();
    void traceChanged();
    void channelsChanged();
    void crosshairChanged();
    void answerChanged();

private:
    void reset();
    void ask();
    void askLater() { m_ask.start(); }
    void adopt(const std::vector<Payload>& partials);
    void adoptMap(std::shared_ptr<const SiteMap> map);
    void adoptTrace(std::shared_ptr<const ProbeTrace> trace);

    Session* m_session;
    bool m_active = false;
    QString m_site;
    int m_window = 0;
    MassiveRule m_rule;
    QTimer m_ask; ///< changes come in bursts
    QPointer<JobHandle> m_job, m_whatIfJob;
    QString m_error, m_askedSite;
    bool m_askedTrace = false;
    std::shared_ptr<const ProbeWindow> m_tokens;
    std::shared_ptr<const SiteMap> m_map;
    std::shared_ptr<const ProbeTrace> m_trace;
    std::shared_ptr<const WhatIfAnswer> m_answer;
    QPoint m_cross = {-1, -1};
    bool m_proposed = false;
    int m_wantedChannel = -1; ///< to look at when the map comes
    QVector<int> m_channels;
    QHash<int, int> m_slots; ///< colour of a traced channel
    int m_channel = -1;
    bool m_chosen = false; ///< the user has traced something: nothing is proposed any more
};

} // namespace qs::app
