// SPDX-License-Identifier: GPL-3.0-or-later
// LintWatch: what every export format cannot hold of the present run and of the recipe, and what runtimes
// make of both. Asked again on the light pool whenever either changes: a plan of 100k tensors takes its time.
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
    /// About one plan.
    struct Checked {
        std::shared_ptr<const Plan> plan;                    ///< null before the first answer
        QHash<QString, std::vector<LintIssue>> issues;       ///< by exporter
        QHash<QString, std::vector<FormatVerdict>> verdicts; ///< by runtime, in the order of its formats
    };
    using CheckedPtr = std::shared_ptr<const Checked>;

    explicit LintWatch(Session* session);
    /// As of the last changed(), what is edited. Never null.
    const Checked& recipe() const { return *m_answer.recipe; }
    /// What an export would write: the run, or the recipe when there is none.
    const Checked& exported() const { return *m_answer.exported; }
    /// Of exported(); empty for an unknown exporter.
    std::vector<LintIssue> issues(const QString& exporter) const { return exported().issues.value(exporter); }
    std::vector<FormatVerdict> verdicts(const QString& runtime) const {
        return exported().verdicts.value(runtime);
    }
    std::shared_ptr<const Plan> plan() const { return exported().plan; }

signals:
    void changed();

private:
    struct Answer {
        CheckedPtr recipe = std::make_shared<const Checked>(),
                   exported = recipe; ///< one where both are alike
    };
    void ask();
    void replaceAnswer(Answer answer);

    Session* m_session;
    QPointer<JobHandle> m_job;
    QTimer m_later; ///< edits come in bursts
    Answer m_answer;
};

} // namespace qs::app
