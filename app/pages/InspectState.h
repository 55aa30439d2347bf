// SPDX-License-Identifier: GPL-3.0-or-later
// What the Inspect panes look at together: the current tensor, the side of its matrix, the outlier rule. Asks
// the session for what they show, once for all of them.
#pragma once

#include "app/session/KlShare.h"

#include <QTimer>

namespace qs::app {

enum class ChannelSide { Input, Output };

class InspectState : public QObject {
    Q_OBJECT
public:
    explicit InspectState(Session* session, QObject* parent = nullptr);

    Session* session() const { return m_session; }
    KlShare* klShare() { return &m_klShare; }
    int current() const { return m_session->selection()->current(); }
    /// Null without a current tensor.
    const ui::TargetRow* currentRow() const;

    ChannelSide side() const { return m_side; }
    void setSide(ChannelSide side);
    OutlierRule rule() const { return m_rule; }
    double threshold() const { return outlierRuleDefault(m_rule); }
    void setRule(OutlierRule rule);
    /// The channel that the profile and the table mark; -1 for none.
    int channel() const { return m_channel; }
    void setChannel(int channel);

    /// Channel statistics of the current tensor on the present side; null while not measured. Only inputs
    /// have activations.
    const ChannelStats* weightChannels() const;
    const ChannelStats* activationChannels() const;
    /// Channels past the rule: by activations where they are measured, else by weights.
    std::vector<OutlierChannel> outliers() const;

signals:
    /// Another tensor, side or rule, or its statistics arrived.
    void changed();
    void channelChanged(int channel);

private:
    void onCurrentChanged();
    void ask();

    Session* m_session;
    KlShare m_klShare;
    ChannelSide m_side = ChannelSide::Input;
    OutlierRule m_rule = OutlierRule::MedianRatio;
    int m_channel = -1;
    std::shared_ptr<const TensorStats> m_stats; ///< of the current tensor
    QTimer m_ask;                               ///< edits come in bursts
    /// What the last comparison was asked for.
    struct Asked {
        int target = -1;
        const Scheme* scheme = nullptr;
        QString done;
        bool stale = false;
        bool operator==(const Asked&) const = default;
    } m_asked;
};

} // namespace qs::app
