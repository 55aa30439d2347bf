// SPDX-License-Identifier: GPL-3.0-or-later
// LintWatch: what every export format cannot hold of the present run, or of the recipe when there is none,
// and what runtimes make of it. Asked again on the light pool whenever either changes: a plan of 100k tensors
// takes its time.
#pragma once

#include "app/jobs/JobHandle.h"
#include "core/export/runtime_profiles.h"

#include <QHash>
#include <QObject>
#include <QPointer>
#include <QTimer>

namespace qs::app {

class Session;

class LintWatch : public QObject {
    Q_OBJECT
public:
    explicit LintWatch(Session* session);
    /// As of the last changed(); empty for an unknown exporter.
    std::vector<LintIssue> issues(const QString& exporter) const { return m_answer.issues.value(exporter); }
    /// In the order of the runtime's formats; empty for an unknown runtime, and before the first answer.
    std::vector<FormatVerdict> verdicts(const QString& runtime) const {
        return m_answer.verdicts.value(runtime);
    }
    /// What was asked about; null before the first answer.
    std::shared_ptr<const Plan> plan() const { return m_answer.plan; }

signals:
    void changed();

private:
    struct Answer {
        std::shared_ptr<const Plan> plan;
        QHash<QString, std::vector<LintIssue>> issues;       ///< by exporter
        QHash<QString, std::vector<FormatVerdict>> verdicts; ///< by runtime
    };
    void ask();
    void replaceAnswer(Answer answer);

    Session* m_session;
    QPointer<JobHandle> m_job;
    QTimer m_later; ///< edits come in bursts
    Answer m_answer;
};

} // namespace qs::app
