// SPDX-License-Identifier: GPL-3.0-or-later
// LintWatch: what every export format cannot hold of the present run, or of the recipe when there is none.
// Asked again on the light pool whenever either changes: a plan of 100k tensors takes its time.
#pragma once

#include "core/recipe/recipe.h"

#include <QHash>
#include <QObject>
#include <QTimer>

namespace qs::app {

class Session;

class LintWatch : public QObject {
    Q_OBJECT
public:
    explicit LintWatch(Session* session);
    /// As of the last changed(); empty for an unknown exporter.
    std::vector<LintIssue> issues(const QString& exporter) const { return m_issues.value(exporter); }

signals:
    void changed();

private:
    using Issues = QHash<QString, std::vector<LintIssue>>;
    void ask();

    Session* m_session;
    QTimer m_later; ///< edits come in bursts
    Issues m_issues;
};

} // namespace qs::app
