// SPDX-License-Identifier: GPL-3.0-or-later
// KlShare: measures on the engine what each quantized linear alone costs in KL divergence from the original,
// so that the maps can say where the damage is. Values stay while the scheme of their tensor does; measuring
// again asks for the others only. GUI thread only.
#pragma once

#include "app/session/Session.h"

namespace qs::app {

/// A few windows of a built-in text, for what is measured linear by linear.
TextRequest fewWindows(const Model& model);
/// SHA-256 of the tokens that shares of a model are measured on; a worker's work.
Result<std::string> klShareText(const Model& model);

class KlShare : public QObject {
    Q_OBJECT
public:
    explicit KlShare(Session* session, QObject* parent = nullptr);

    /// Why it cannot be measured now, "" when it can.
    QString blocker() const;
    /// Quantized linears without a value of their present scheme, and those with a stand-in's where there is
    /// something better by now.
    QVector<int> wanted() const;
    /// Null when there is a blocker. Partial results are kept when it is stopped.
    JobHandle* measure();
    void stop();
    bool measuring() const { return m_job && !m_job->isEnded(); }
    double progress() const; ///< 0..1, negative when idle
    /// "3 of 84 measured" while measuring, and what is stale; "" when there is nothing to say.
    QString note() const;
    /// "4 windows of 256 tokens of the built-in evaluation text, ...".
    QString protocol() const;

signals:
    void changed(); ///< measuring or not, progress

private:
    Session* m_session;
    QPointer<JobHandle> m_job;
    int m_done = 0, m_asked = 0;
};

} // namespace qs::app
